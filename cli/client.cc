#include "cli/client.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <span>
#include <utility>

#include "api/client.h"
#include "base/posix.h"
#include "cli/files.h"

namespace francine::cli {
namespace {

constexpr std::uint64_t kMaxAnswerBytes = std::uint64_t{256} << 20;

net::HttpClientOptions http_options(const ClientOptions& options) {
  net::HttpClientOptions http;
  http.connect_timeout = std::min(options.timeout, std::chrono::milliseconds(10'000));
  http.stall_timeout = options.timeout;
  http.ca_file = options.ca_file;
  // A proxy has nothing to do with this machine, whatever the environment says.
  http.environment_proxy = !is_loopback(options.server);
  return http;
}

/// Gathers the body in `text`.
net::BodySink into(std::string& text) {
  return [&text](std::span<const std::uint8_t> piece) -> Result<void> {
    text.append(piece.begin(), piece.end());
    return {};
  };
}

/// Whether it was a success; else what the server says, or all that can be said.
Result<void> check(const net::HttpAnswer& answer) {
  if (answer.success()) return {};
  std::string sentence = api::read_error(answer.refusal);
  if (sentence.empty()) {
    sentence = "the server answers with the HTTP status " + std::to_string(answer.status) +
               "; is it a francine-server?";
  }
  return Error{api::error_code(answer.status), std::move(sentence), answer.retry_after_s};
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

}  // namespace

Client::Client(const ClientOptions& options)
    : server_(options.server), token_(options.token), http_(http_options(options)) {}

net::HttpHeaders Client::headers() const {
  net::HttpHeaders headers;
  if (!token_.empty()) headers.emplace_back("X-API-Token", token_);
  return headers;
}

Result<std::string> Client::request(net::HttpCall call, std::stop_token stop) {
  call.url = server_ + call.url;
  for (auto& header : headers()) call.headers.push_back(std::move(header));
  call.max_bytes = kMaxAnswerBytes;
  std::string text;
  const Result<net::HttpAnswer> answer = http_.request(call, into(text), std::move(stop));
  if (!answer) return answer.error();
  reached_ = true;
  const Result<void> checked = check(*answer);
  if (!checked) return checked.error();
  return text;
}

Result<std::string> Client::get(const std::string& path, std::stop_token stop) {
  return request({.method = "GET", .url = path}, std::move(stop));
}

Result<std::string> Client::post(const std::string& path, std::string body, const std::string& key,
                                 std::stop_token stop) {
  net::HttpCall call{.method = "POST", .url = path, .body = std::move(body)};
  call.headers.emplace_back("Content-Type", "application/json");
  if (!key.empty()) call.headers.emplace_back("Idempotency-Key", key);
  return request(std::move(call), std::move(stop));
}

Result<std::string> Client::remove(const std::string& path, std::stop_token stop) {
  return request({.method = "DELETE", .url = path}, std::move(stop));
}

Result<std::string> Client::send_file(net::HttpCall call, const std::string& file,
                                      std::uint64_t begin, std::uint64_t end,
                                      const std::function<void(std::uint64_t)>& progress,
                                      std::stop_token stop) {
  const base::UniqueFd descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status = {};
  if (!descriptor || ::fstat(descriptor.get(), &status) != 0 ||
      ::lseek(descriptor.get(), static_cast<off_t>(begin), SEEK_SET) < 0) {
    return file_error(errno, "cannot read " + file);
  }
  if (static_cast<std::uint64_t>(status.st_size) != end) {
    return Error{ErrorCode::kInternal, file + " was changed while it was read"};
  }
  std::uint64_t left = end - begin;
  call.source_bytes = left;
  call.source = [&](std::span<std::uint8_t> buffer) -> Result<std::size_t> {
    const ssize_t count =
        ::read(descriptor.get(), buffer.data(), std::min<std::uint64_t>(buffer.size(), left));
    if (count < 0) return file_error(errno, "cannot read " + file);
    if (count == 0 && left > 0) {
      return Error{ErrorCode::kInternal, file + " became shorter while it was read"};
    }
    left -= static_cast<std::uint64_t>(count);
    progress(end - begin - left);
    return static_cast<std::size_t>(count);
  };
  return request(std::move(call), std::move(stop));
}

Result<std::optional<Format>> Client::get_picture(const std::string& path,
                                                  const net::BodySink& sink, std::stop_token stop) {
  const Result<net::HttpAnswer> answer = http_.get(
      server_ + path, headers(), sink, std::numeric_limits<std::uint64_t>::max(), std::move(stop));
  if (!answer) return answer.error();
  reached_ = true;
  const Result<void> checked = check(*answer);
  if (!checked) return checked.error();
  return api::format_of_content_type(answer->content_type);
}

Result<std::string> server_url(std::string_view text) {
  std::string url(text);
  if (url.find("://") == std::string::npos) url = "http://" + url;
  while (url.ends_with('/')) url.pop_back();
  const bool known = url.starts_with("http://") || url.starts_with("https://");
  const std::string rest = url.substr(std::min(url.size(), url.find("://") + 3));
  const bool plain =
      std::all_of(rest.begin(), rest.end(), [](char c) { return c > ' ' && c < 127; });
  if (!known || rest.empty() || !plain || rest.find_first_of("?#@") != std::string::npos) {
    return Error{ErrorCode::kInvalidArgument,
                 "the server must be a URL such as http://127.0.0.1:3000 or https://farm.example"};
  }
  return url;
}

bool is_loopback(std::string_view url) {
  const std::size_t begin = url.find("://") + 3;
  const std::string_view host = url.substr(begin, url.find_first_of(":/", begin + 1) - begin);
  return host == "localhost" || host.starts_with("127.") || url.substr(begin).starts_with("[::1]");
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (is_unreserved(c)) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += '%';
      encoded += kDigits[byte >> 4U];
      encoded += kDigits[byte & 15U];
    }
  }
  return encoded;
}

std::string session_path(std::string_view session) {
  return "/sessions/" + percent_encoded(session);
}

std::string execution_path(std::string_view session, std::string_view execution) {
  return session_path(session) + "/executions/" + percent_encoded(execution);
}

}  // namespace francine::cli
