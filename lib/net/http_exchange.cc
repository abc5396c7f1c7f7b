#include "net/http_exchange.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <utility>

#include "net/http_engine.h"

namespace francine::net {
namespace {

constexpr std::size_t kPiece = 64 << 10;

int status_of(const Error& body_error) {
  switch (body_error.code) {
    case ErrorCode::kTooLarge:
      return 413;
    case ErrorCode::kInvalidArgument:
      return 400;
    default:
      return 408;
  }
}

}  // namespace

HttpExchange::HttpExchange(const HttpServerOptions& options, const std::atomic<bool>& breaking_off,
                           HttpConnection& connection)
    : options_(options),
      breaking_off_(breaking_off),
      connection_(connection),
      socket_(connection.socket.get(), connection.tls.get(),
              {options.body_grace, options.min_bytes_per_second},
              {options.write_grace, options.min_bytes_per_second}),
      body_(connection.head, connection.received, socket_),
      reusable_(connection.head.keep_alive) {}

HttpResponse HttpExchange::answer(const std::multimap<std::string, std::string>& query) {
  query_ = &query;
  HttpResponse response;
  if (const auto* problem = std::get_if<HttpProblem>(&connection_.target)) {
    response = refuse(problem->status, problem->reason);
    if (problem->status == 405) response.headers.emplace_back("Allow", connection_.allowed);
  } else {
    response = run(*std::get<HttpMatch>(connection_.target).route);
  }
  skip_rest_of_body();
  return response;
}

HttpResponse HttpExchange::run(const HttpRoute& route) {
  body_.set_limit(route.options.max_body_bytes);
  try {
    if (content_length().value_or(0) > route.options.max_body_bytes) {
      return refuse(413, "The body is over the limit of " +
                             std::to_string(route.options.max_body_bytes) + " bytes.");
    }
    if (!route.options.stream_body) {
      if (auto read = read_whole_body(); !read.ok()) {
        return refuse(status_of(read.error()), read.error().message);
      }
    }
    return route.handler(*this);
  } catch (...) {
    // What went wrong inside is nothing to tell to strangers.
    return refuse(500, "The request could not be served because of an error in the server.");
  }
}

Result<void> HttpExchange::read_whole_body() {
  std::array<char, kPiece> piece;
  while (!body_.done()) {
    auto count = body_.read(piece);
    if (!count.ok()) return count.error();
    whole_body_.append(piece.data(), *count);
  }
  return {};
}

/// What is left of the body would be taken for the next request.
void HttpExchange::skip_rest_of_body() {
  body_.skip_arrived();
  if (!body_.done()) reusable_ = false;
}

HttpResponse HttpExchange::refuse(int status, std::string_view reason) {
  HttpResponse response = refusal(status, reason);
  if (options_.on_refused) options_.on_refused(*this, response);
  return response;
}

HttpResponse HttpExchange::refusal(int status, std::string_view reason) {
  return error_answer(options_, status, reason);
}

std::string_view HttpExchange::capture(std::string_view name) const {
  const auto* match = std::get_if<HttpMatch>(&connection_.target);
  if (match == nullptr) return {};
  for (const auto& [known, part] : match->captures) {
    if (known == name) return part;
  }
  return {};
}

std::optional<std::string_view> HttpExchange::query(std::string_view name) const {
  // Equal keys stand in the order of the query.
  const auto first = query_->lower_bound(std::string(name));
  if (first == query_->end() || first->first != name) return std::nullopt;
  return first->second;
}

std::optional<std::string_view> HttpExchange::header(std::string_view name) const {
  return head().header(name);
}

Result<std::size_t> HttpExchange::read_body(std::span<std::uint8_t> buffer) {
  return body_.read({reinterpret_cast<char*>(buffer.data()), buffer.size()});
}

std::optional<std::uint64_t> HttpExchange::content_length() const {
  if (head().chunked) return std::nullopt;
  return head().content_length.value_or(0);
}

bool HttpExchange::disconnected() const {
  if (breaking_off_.load(std::memory_order_relaxed)) return true;
  pollfd entry{connection_.socket.get(), POLLRDHUP, 0};
  return ::poll(&entry, 1, 0) > 0;
}

}  // namespace francine::net
