#include "net/http_client.h"

#include <curl/curl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <list>
#include <map>
#include <mutex>

#include "net/addresses.h"

namespace francine::net {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxRefusal = 4 << 10;
constexpr std::uint64_t kMaxRefusalBody = 1 << 20;
constexpr std::size_t kMaxHeaders = 64;
constexpr std::size_t kMaxHeaderValue = 4 << 10;
constexpr curl_off_t kMaxRetryAfter = 24 * 3600;
constexpr std::uint64_t kMeasuredBytes = 64 << 10;
constexpr double kNewWeight = 0.3;  ///< of the latest transfer in the moving average
constexpr long kBufferBytes = 256 << 10;
constexpr std::size_t kMaxEndpoints = 10'000;  ///< whose rates are remembered

/// "scheme://host:port" of a URL; empty when it is neither http nor https.
std::string endpoint_of(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  const std::string_view name = url.substr(0, scheme);
  if (name != "http" && name != "https") return {};
  return std::string(url.substr(0, url.find_first_of("/?#", scheme + 3)));
}

void initialise_once() {
  static const CURLcode code = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(code);
}

/// A request's handle with the connection that it keeps.
class Channel {
 public:
  Channel() : multi_(::curl_multi_init()), easy_(::curl_easy_init()) {
    if (multi_ == nullptr || easy_ == nullptr) throw std::bad_alloc();
    ::curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, 1L);
  }
  ~Channel() {
    ::curl_easy_cleanup(easy_);
    ::curl_multi_cleanup(multi_);
  }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  CURLM* multi() const { return multi_; }
  CURL* easy() const { return easy_; }

 private:
  CURLM* multi_;
  CURL* easy_;
};

/// One request under way: what its callbacks need.
struct Transfer {
  std::array<char, CURL_ERROR_SIZE> problem{};  ///< curl's words
  const HttpCall* call = nullptr;
  const BodySink* sink = nullptr;
  CURL* easy = nullptr;
  bool refuse_inside = false;
  bool refused_inside = false;  ///< an address; others of the name may have been tried
  bool head_told = false;
  std::uint64_t filled = 0;  ///< of source_bytes
  HttpAnswer answer;
  std::optional<Error> error;  ///< of the sink, the source or a bound
};

std::size_t fail(Transfer& transfer, Error error, std::size_t code) {
  transfer.error = std::move(error);
  return code;
}

/// A line of the head. A status line begins another answer (after "100 Continue").
std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& headers = static_cast<Transfer*>(user)->answer.headers;
  std::string_view line(data, size);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {
    headers.clear();
    return size;
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || headers.size() >= kMaxHeaders) return size;
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  if (value.size() > kMaxHeaderValue) return size;
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  headers.emplace_back(std::move(name), value);
  return size;
}

void note_head(Transfer& transfer) {
  long status = 0;
  const char* type = nullptr;
  ::curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
  ::curl_easy_getinfo(transfer.easy, CURLINFO_CONTENT_TYPE, &type);
  transfer.answer.status = static_cast<int>(status);
  if (type != nullptr) transfer.answer.content_type = type;
}

/// Whether the transfer may go on.
bool tell_head(Transfer& transfer) {
  if (transfer.head_told) return true;
  transfer.head_told = true;
  note_head(transfer);
  if (!transfer.call->on_head || !transfer.answer.success()) return true;
  auto told = transfer.call->on_head(transfer.answer);
  if (!told.ok()) transfer.error = told.error();
  return told.ok();
}

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  constexpr std::size_t kStop = CURL_WRITEFUNC_ERROR;
  if (!tell_head(transfer)) return kStop;
  transfer.answer.bytes += size;
  if (!transfer.answer.success()) {
    std::string& refusal = transfer.answer.refusal;
    refusal.append(data, std::min(size, kMaxRefusal - std::min(kMaxRefusal, refusal.size())));
    if (transfer.answer.bytes <= kMaxRefusalBody) return size;
    return fail(transfer, {ErrorCode::kTooLarge, "A refusal is longer than any should be."}, kStop);
  }
  const std::uint64_t limit = transfer.call->max_bytes;
  if (transfer.answer.bytes > limit) {
    return fail(transfer,
                {ErrorCode::kTooLarge,
                 "The body is over the limit of " + std::to_string(limit) + " bytes."},
                kStop);
  }
  auto taken = (*transfer.sink)({reinterpret_cast<const std::uint8_t*>(data), size});
  if (!taken.ok()) return fail(transfer, taken.error(), kStop);
  return size;
}

std::size_t on_need(char* buffer, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  // libcurl would send whatever there is beyond the length that the head told, and the peer
  // take it for the next request.
  const std::uint64_t left = transfer.call->source_bytes - transfer.filled;
  const std::size_t wanted = std::min<std::uint64_t>(size * count, left);
  if (wanted == 0) return 0;
  auto filled = transfer.call->source({reinterpret_cast<std::uint8_t*>(buffer), wanted});
  if (!filled.ok()) return fail(transfer, filled.error(), CURL_READFUNC_ABORT);
  transfer.filled += *filled;
  return *filled;
}

/// As libcurl would open it, but not inherited by programs started meanwhile, and not to
/// addresses that are refused.
curl_socket_t open_socket(void* user, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.refuse_inside && is_inside(address->addr)) {
    transfer.refused_inside = true;
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

struct FreeList {
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

HeaderList list_of(const HttpHeaders& headers) {
  HeaderList list;
  auto append = [&](const std::string& line) {
    curl_slist* longer = ::curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    static_cast<void>(list.release());
    list.reset(longer);
  };
  append("Expect:");  // libcurl would wait a second for "100 Continue" before large bodies
  for (const auto& [name, value] : headers) append(name + ": " + value);
  return list;
}

}  // namespace

class HttpClient::Impl {
 public:
  explicit Impl(HttpClientOptions options) : options_(std::move(options)) { initialise_once(); }

  Result<HttpAnswer> perform(const HttpCall& call, const BodySink& sink,
                             const std::stop_token& stop) {
    const std::string endpoint = endpoint_of(call.url);
    if (endpoint.empty()) {
      return Error{ErrorCode::kInvalidArgument, "Not an http or https URL: " + call.url + "."};
    }
    auto channel = take(endpoint);
    const HeaderList list = list_of(call.headers);
    Transfer transfer;
    transfer.call = &call;
    transfer.sink = &sink;
    transfer.easy = channel->easy();
    transfer.refuse_inside = options_.refuse_inside;
    prepare(list.get(), transfer);
    const CURLcode code = run(*channel, stop);
    auto result = conclude(code, endpoint, transfer, stop);
    if (result.ok()) {
      note_rate(endpoint, channel->easy(), *result, call.source_bytes);
      ::curl_easy_reset(channel->easy());
      give_back(endpoint, std::move(channel));
    }
    return result;
  }

  std::optional<double> bytes_per_second(std::string_view url) const {
    const std::lock_guard lock(mutex_);
    const auto found = rates_.find(endpoint_of(url));
    if (found == rates_.end()) return std::nullopt;
    return found->second;
  }

 private:
  struct Kept {
    std::string endpoint;
    std::unique_ptr<Channel> channel;
  };

  void prepare(curl_slist* headers, Transfer& transfer) const {
    CURL* const easy = transfer.easy;
    const auto stall_s = std::max<long>(
        1, static_cast<long>(
               std::chrono::duration_cast<std::chrono::seconds>(options_.stall_timeout).count()));
    ::curl_easy_setopt(easy, CURLOPT_URL, transfer.call->url.c_str());
    ::curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    ::curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    ::curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &open_socket);
    ::curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &transfer);
    ::curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    ::curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    ::curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    ::curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    ::curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kBufferBytes);
    ::curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                       static_cast<long>(options_.connect_timeout.count()));
    ::curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT,
                       static_cast<long>(options_.min_bytes_per_second));
    ::curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, stall_s);
    if (!options_.environment_proxy) ::curl_easy_setopt(easy, CURLOPT_PROXY, "");
    ::curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.problem.data());
    ::curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    if (!options_.ca_file.empty()) {
      ::curl_easy_setopt(easy, CURLOPT_CAINFO, options_.ca_file.c_str());
      ::curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);  // else the system's count as well
    }
    ::curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &on_header);
    ::curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
    ::curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &on_body);
    ::curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
    prepare_method(easy, transfer);
    if (transfer.call->signing) sign(easy, *transfer.call->signing);
  }

  static void prepare_method(CURL* easy, Transfer& transfer) {
    const HttpCall& call = *transfer.call;
    if (call.method == "PUT" || call.method == "PATCH") {
      if (call.method == "PATCH") ::curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PATCH");
      ::curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
      ::curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes);
      ::curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE,
                         static_cast<curl_off_t>(call.source_bytes));
      ::curl_easy_setopt(easy, CURLOPT_READFUNCTION, &on_need);
      ::curl_easy_setopt(easy, CURLOPT_READDATA, &transfer);
    } else if (call.method == "POST") {
      ::curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         static_cast<curl_off_t>(call.body.size()));
      ::curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call.body.c_str());
    } else if (call.method != "GET") {
      ::curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call.method.c_str());
    }
  }

  static void sign(CURL* easy, const AwsSigning& signing) {
    const std::string scope = "aws:amz:" + signing.region + ":s3";
    ::curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, scope.c_str());
    ::curl_easy_setopt(easy, CURLOPT_USERNAME, signing.access_key.c_str());
    ::curl_easy_setopt(easy, CURLOPT_PASSWORD, signing.secret_key.c_str());
  }

  /// Until the transfer has ended or `stop` is requested, which wakes it at once.
  static CURLcode run(Channel& channel, const std::stop_token& stop) {
    CURLM* const multi = channel.multi();
    const std::stop_callback wake(stop, [multi] { ::curl_multi_wakeup(multi); });
    if (::curl_multi_add_handle(multi, channel.easy()) != CURLM_OK) return CURLE_FAILED_INIT;
    CURLcode code = CURLE_ABORTED_BY_CALLBACK;
    int running = 1;
    while (!stop.stop_requested()) {
      if (::curl_multi_perform(multi, &running) != CURLM_OK) {
        code = CURLE_FAILED_INIT;
        break;
      }
      if (running == 0) {
        int left = 0;
        const CURLMsg* message = ::curl_multi_info_read(multi, &left);
        if (message != nullptr && message->msg == CURLMSG_DONE) code = message->data.result;
        break;
      }
      ::curl_multi_poll(multi, nullptr, 0, 1000, nullptr);
    }
    ::curl_multi_remove_handle(multi, channel.easy());
    return code;
  }

  static Result<HttpAnswer> conclude(CURLcode code, const std::string& endpoint, Transfer& transfer,
                                     const std::stop_token& stop) {
    if (code == CURLE_OK) tell_head(transfer);  // of an empty body
    if (transfer.error) return std::move(*transfer.error);
    if (code == CURLE_OK) return finished(transfer);
    if (stop.stop_requested()) {
      return Error{ErrorCode::kCancelled, "The transfer with " + endpoint + " was cancelled."};
    }
    if (transfer.refused_inside && code == CURLE_COULDNT_CONNECT) {
      return Error{ErrorCode::kForbidden, endpoint + " is an address inside, which is refused"};
    }
    const bool wrong = code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
    std::string why = ::curl_easy_strerror(code);
    if (code == CURLE_SSL_CONNECT_ERROR) why = "it does not complete the TLS handshake";
    const std::string_view problem = transfer.problem.data();
    if (!problem.empty() && problem != why) why.append(" (").append(problem).append(")");
    return Error{wrong ? ErrorCode::kInvalidArgument : ErrorCode::kUnavailable,
                 "The transfer with " + endpoint + " failed: " + why + "."};
  }

  static HttpAnswer finished(Transfer& transfer) {
    curl_off_t retry_after_s = 0;
    const char* redirect = nullptr;
    ::curl_easy_getinfo(transfer.easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    ::curl_easy_getinfo(transfer.easy, CURLINFO_REDIRECT_URL, &redirect);
    transfer.answer.retry_after_s =
        static_cast<std::uint32_t>(std::clamp<curl_off_t>(retry_after_s, 0, kMaxRetryAfter));
    if (redirect != nullptr) transfer.answer.redirect_url = redirect;
    return std::move(transfer.answer);
  }

  std::unique_ptr<Channel> take(const std::string& endpoint) {
    {
      const std::lock_guard lock(mutex_);
      auto& kept = by_endpoint_[endpoint];
      if (!kept.empty()) {
        const auto place = kept.back();
        kept.pop_back();
        auto channel = std::move(place->channel);
        kept_.erase(place);
        return channel;
      }
      by_endpoint_.erase(endpoint);
    }
    return std::make_unique<Channel>();
  }

  void give_back(const std::string& endpoint, std::unique_ptr<Channel> channel) {
    std::list<Kept> closing;  // outlives the lock: closing may take its time
    const std::lock_guard lock(mutex_);
    auto& kept = by_endpoint_[endpoint];
    kept_.push_front({endpoint, std::move(channel)});
    kept.push_back(kept_.begin());
    if (kept.size() > options_.max_idle_per_endpoint) drop(kept.front(), closing);
    if (kept_.size() > options_.max_idle) drop(std::prev(kept_.end()), closing);
  }

  void drop(std::list<Kept>::iterator place, std::list<Kept>& closing) {
    const auto found = by_endpoint_.find(place->endpoint);
    std::erase(found->second, place);
    if (found->second.empty()) by_endpoint_.erase(found);
    closing.splice(closing.end(), kept_, place);
  }

  void note_rate(const std::string& endpoint, CURL* easy, const HttpAnswer& answer,
                 std::uint64_t sent_bytes) {
    const std::uint64_t bytes = std::max(sent_bytes, answer.bytes);
    if (bytes < kMeasuredBytes || !answer.success()) return;
    curl_off_t total_us = 0;
    curl_off_t start_us = 0;
    ::curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &total_us);
    // A body that is received starts with its first byte, one that is sent with the
    // end of connecting.
    ::curl_easy_getinfo(
        easy, sent_bytes > 0 ? CURLINFO_PRETRANSFER_TIME_T : CURLINFO_STARTTRANSFER_TIME_T,
        &start_us);
    const double seconds = static_cast<double>(std::max<curl_off_t>(total_us - start_us, 10)) / 1e6;
    const double rate = static_cast<double>(bytes) / seconds;
    const std::lock_guard lock(mutex_);
    if (rates_.size() >= kMaxEndpoints) rates_.clear();
    const auto [known, is_new] = rates_.try_emplace(endpoint, rate);
    if (!is_new) known->second += kNewWeight * (rate - known->second);
  }

  const HttpClientOptions options_;
  mutable std::mutex mutex_;
  std::list<Kept> kept_;  ///< the latest used first
  std::map<std::string, std::vector<std::list<Kept>::iterator>> by_endpoint_;
  std::map<std::string, double> rates_;
};

std::string_view HttpAnswer::header(std::string_view name) const {
  const auto found = std::ranges::find(
      headers, name, [](const auto& header) -> std::string_view { return header.first; });
  return found == headers.end() ? std::string_view{} : found->second;
}

HttpClient::HttpClient(HttpClientOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}
HttpClient::~HttpClient() = default;

Result<HttpAnswer> HttpClient::request(const HttpCall& call, const BodySink& sink,
                                       std::stop_token stop) {
  if (call.method != "GET" && call.method != "POST" && call.method != "PUT" &&
      call.method != "PATCH" && call.method != "DELETE") {
    return Error{ErrorCode::kInvalidArgument, "Not a method of requests: " + call.method + "."};
  }
  return impl_->perform(call, sink, stop);
}

Result<HttpAnswer> HttpClient::get(const std::string& url, const HttpHeaders& headers,
                                   const BodySink& sink, std::uint64_t max_bytes,
                                   std::stop_token stop) {
  return request({.url = url, .headers = headers, .max_bytes = max_bytes}, sink, stop);
}

Result<HttpAnswer> HttpClient::put(const std::string& url, const HttpHeaders& headers,
                                   const BodySource& source, std::uint64_t size_bytes,
                                   const BodySink& sink, std::stop_token stop) {
  return request({.method = "PUT",
                  .url = url,
                  .headers = headers,
                  .source = source,
                  .source_bytes = size_bytes},
                 sink, stop);
}

std::optional<double> HttpClient::bytes_per_second(std::string_view endpoint) const {
  return impl_->bytes_per_second(endpoint);
}

}  // namespace francine::net
