#include "providers/http_fetch.h"

#include <charconv>
#include <limits>
#include <string_view>

#include "net/url.h"
#include "providers/delivery.h"

namespace francine::providers {
namespace {

constexpr unsigned kMaxRenewals = 2;

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct ContentRange {
  std::optional<std::uint64_t> first;  ///< empty: the range lies outside
  std::optional<std::uint64_t> total;
};

/// "bytes 5-9/10", "bytes 5-9/*", "bytes */10" (RFC 9110, 14.4).
std::optional<ContentRange> read_content_range(std::string_view text) {
  if (!text.starts_with("bytes ")) return std::nullopt;
  text.remove_prefix(6);
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  ContentRange range;
  range.total = number(text.substr(slash + 1));
  const std::string_view span = text.substr(0, slash);
  range.first = number(span.substr(0, span.find('-')));
  return range;
}

class HttpFetch {
 public:
  HttpFetch(const HttpFetchContext& context, HttpSource& source, const FetchRequest& request,
            const Sink& sink, const std::stop_token& stop)
      : context_(context),
        source_(source),
        request_(request),
        noting_sink_([&source, &sink](std::span<const std::uint8_t> piece) {
          source.note(piece);
          return sink(piece);
        }),
        delivery_(request, noting_sink_, context.limits.max_bytes),
        credentials_(request.credentials),
        stop_(stop) {}

  Result<Fetched> run() {
    Retrying retrying(context_.limits.retries);
    for (;;) {
      std::optional<Failure> failure = attempt();
      if (!failure) return delivery_.fetched();
      if (stop_.stop_requested()) return give_up({ErrorCode::kCancelled, "cancelled"});
      if (failure->cure == Failure::Cure::kRenew && request_.renew && renewals_ < kMaxRenewals) {
        ++renewals_;
        auto renewed = request_.renew(stop_);
        if (!renewed.ok()) return give_up(renewed.error());
        credentials_ = std::move(*renewed);
        continue;
      }
      if (failure->cure != Failure::Cure::kLater) return give_up(failure->error);
      if (!delivery_.resumable()) {
        failure->error.message += "; it has no version, so that it could not be resumed";
        return give_up(failure->error);
      }
      auto waited = retrying.wait(failure->error, delivery_.position(), stop_);
      if (!waited.ok()) return give_up(waited.error());
    }
  }

 private:
  Error give_up(const Error& error) const {
    if (delivery_.foreign()) return error;
    return cannot_fetch(context_.shown, context_.name, error);
  }

  /// Nothing: all is delivered and confirmed.
  std::optional<Failure> attempt() {
    net::HttpCall call;
    call.max_bytes = std::numeric_limits<std::uint64_t>::max();  // the delivery has the bound
    const bool range = delivery_.position() > 0;
    redirected_ = false;
    if (auto failure = source_.prepare(credentials_, delivery_.version(), range, call)) {
      return failure;
    }
    if (delivery_.complete()) return concluded();  // only confirming it had failed
    if (range) {
      call.headers.emplace_back("Range", "bytes=" + std::to_string(delivery_.position()) + "-");
    }
    call.on_head = [this](const net::HttpAnswer& head) { return begin(head); };
    for (unsigned redirects = 0;; ++redirects) {
      auto answer = context_.client.request(
          call, [this](std::span<const std::uint8_t> piece) { return delivery_.take(piece); },
          stop_);
      if (!answer.ok()) return broken(answer.error());
      if (answer->success()) return concluded();
      if (answer->status == 416) return outside(*answer);
      if (answer->redirect_url.empty() || source_.max_redirects() == 0) {
        return source_.explain(*answer);
      }
      if (redirects >= source_.max_redirects()) {
        return Failure{
            {ErrorCode::kUnavailable,
             "there are more than " + std::to_string(source_.max_redirects()) + " redirects"}};
      }
      if (auto failure = redirect(answer->redirect_url, call)) return failure;
      redirected_ = true;
    }
  }

  /// A redirect to what must not be reached is refused here or, by its address, in the
  /// client, as the first URL was.
  static std::optional<Failure> redirect(const std::string& target, net::HttpCall& call) {
    auto url = net::parse_http_url(target);
    if (!url.ok()) {
      return Failure{{ErrorCode::kForbidden, "a redirect leads to what " + url.error().message}};
    }
    if (call.url.starts_with("https:") && url->scheme != "https") {
      return Failure{{ErrorCode::kForbidden, "a redirect leads from https to http"}};
    }
    if (url->user) return Failure{{ErrorCode::kForbidden, "a redirect holds a password"}};
    call.url = target;
    return std::nullopt;
  }

  /// But for the size.
  ResourceHead head_of(const net::HttpAnswer& answer) const {
    ResourceHead head{.size_bytes = std::nullopt, .version = source_.version(answer)};
    // ETags tell the states of one resource apart, and a redirect may lead to another one.
    head.exact = !redirected_ && source_.is_exact(head.version);
    return head;
  }

  Result<void> begin(const net::HttpAnswer& answer) {
    ResourceHead head = head_of(answer);
    if (answer.status == 206) {
      const auto range = read_content_range(answer.header("content-range"));
      if (!range || !range->first) {
        return Error{ErrorCode::kUnavailable, "an answer has no proper Content-Range"};
      }
      head.size_bytes = range->total;
      return delivery_.begin(head, *range->first);
    }
    if (answer.status != 200) {
      return Error{ErrorCode::kUnavailable, "the answer is " + std::to_string(answer.status)};
    }
    head.size_bytes = number(answer.header("content-length"));
    return delivery_.begin(head, 0);
  }

  /// Of 416: is there nothing left behind the byte that we asked for?
  std::optional<Failure> outside(const net::HttpAnswer& answer) {
    const auto range = read_content_range(answer.header("content-range"));
    if (!range || !range->total) {
      return Failure{{ErrorCode::kUnavailable, "the answer is 416, and does not tell the size"}};
    }
    if (range->total != delivery_.position()) {
      return Failure{{ErrorCode::kConflict, "it has become shorter since it was first fetched"}};
    }
    ResourceHead head = head_of(answer);
    head.size_bytes = range->total;
    auto begun = delivery_.begin(head, delivery_.position());
    if (!begun.ok()) return Failure{begun.error()};
    return concluded();
  }

  /// An error of the client, which may be one that a callback of ours gave it.
  Failure broken(const Error& error) const {
    const bool again = error.code == ErrorCode::kUnavailable && !delivery_.failed();
    return {error, again ? Failure::Cure::kLater : Failure::Cure::kNone};
  }

  std::optional<Failure> concluded() {
    if (!delivery_.end()) {
      return Failure{{ErrorCode::kUnavailable, "the answer ends before the resource does"},
                     Failure::Cure::kLater};
    }
    return source_.confirm(delivery_.fetched(), request_.offset == 0);
  }

  const HttpFetchContext& context_;
  HttpSource& source_;
  const FetchRequest& request_;
  const Sink noting_sink_;
  Delivery delivery_;
  Credentials credentials_;
  const std::stop_token& stop_;
  unsigned renewals_ = 0;
  bool redirected_ = false;
};

}  // namespace

bool is_strong_etag(std::string_view etag) {
  return etag.size() > 2 && etag.front() == '"' && etag.back() == '"';
}

Result<Fetched> fetch_over_http(const HttpFetchContext& context, HttpSource& source,
                                const FetchRequest& request, const Sink& sink,
                                const std::stop_token& stop) {
  return HttpFetch(context, source, request, sink, stop).run();
}

net::HttpClientOptions client_options(const TransferLimits& limits) {
  net::HttpClientOptions options;
  options.connect_timeout = limits.connect_timeout;
  options.stall_timeout = limits.stall_timeout;
  options.min_bytes_per_second = limits.min_bytes_per_second;
  options.ca_file = limits.ca_file;
  options.environment_proxy = limits.environment_proxy;
  return options;
}

Error cannot_fetch(const std::string& shown, const std::string& name, const Error& why) {
  std::string message = "cannot fetch \"" + shown + "\" from " + name + ": " + why.message;
  if (message.back() != '.') message += '.';
  return {why.code, std::move(message), why.retry_after_s};
}

}  // namespace francine::providers
