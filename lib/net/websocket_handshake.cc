#include "net/websocket_handshake.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <stdexcept>

#include "base/base64.h"
#include "net/http_engine.h"
#include "net/json_writer.h"

namespace francine::net {
namespace {

constexpr std::string_view kVersion = "13";
/// RFC 6455, 1.3: a text that nobody but a WebSocket server appends.
constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr int kUpgradeRequired = 426;

/// Whether one of the headers of this name lists the word.
bool any_lists(const HttpHead& head, std::string_view name, std::string_view word) {
  return std::any_of(head.headers.begin(), head.headers.end(), [&](const auto& header) {
    return equal_ignoring_case(header.first, name) && list_holds(header.second, word);
  });
}

std::ptrdiff_t occurrences(const HttpHead& head, std::string_view name) {
  return std::count_if(head.headers.begin(), head.headers.end(),
                       [&](const auto& header) { return equal_ignoring_case(header.first, name); });
}

/// 16 bytes in Base64: 22 digits and two signs of padding.
bool is_key(std::string_view key) {
  return key.size() == 24 && key.ends_with("==") &&
         std::all_of(key.begin(), key.end() - 2,
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '+' || c == '/'; });
}

}  // namespace

std::optional<HttpProblem> check_upgrade(const HttpHead& head) {
  if (!any_lists(head, "Upgrade", "websocket") || !any_lists(head, "Connection", "upgrade")) {
    return HttpProblem{kUpgradeRequired,
                       "This port speaks WebSocket only; plain HTTP requests go to the REST port."};
  }
  if (head.method != "GET" || head.http_1_0 || head.has_body()) {
    return HttpProblem{400, "A WebSocket opens with GET of HTTP/1.1, without a body."};
  }
  for (const std::string_view name :
       {"Sec-WebSocket-Version", "Sec-WebSocket-Key", "Origin", "Authorization", "X-API-Token"}) {
    if (occurrences(head, name) > 1) {
      return HttpProblem{400, "There are several headers " + std::string(name) + "."};
    }
  }
  if (head.header("Sec-WebSocket-Version") != kVersion) {
    return HttpProblem{kUpgradeRequired, "Only version 13 of the WebSocket protocol is spoken."};
  }
  if (!is_key(head.header("Sec-WebSocket-Key").value_or(""))) {
    return HttpProblem{400, "Sec-WebSocket-Key must be 16 bytes in Base64."};
  }
  return std::nullopt;
}

std::string accept_value(std::string_view key) {
  const std::string text = std::string(key).append(kGuid);
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1) {
    throw std::runtime_error("OpenSSL has no SHA-1");
  }
  return base::base64({digest.data(), size});
}

std::string upgrade_answer(const HttpHead& head) {
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Accept: " +
         accept_value(head.header("Sec-WebSocket-Key").value_or("")) + "\r\n\r\n";
}

std::string refusal_answer(const HttpProblem& problem, bool without_body) {
  HttpResponse response;
  response.status = problem.status;
  JsonWriter(response.body).begin_object().member("error", problem.reason).end_object();
  if (problem.status == kUpgradeRequired) {
    response.headers.emplace_back("Upgrade", "websocket");
    response.headers.emplace_back("Sec-WebSocket-Version", kVersion);
  }
  if (problem.status == 429 || problem.status == 503) {
    response.headers.emplace_back("Retry-After", "1");
  }
  return last_words(response, without_body);
}

}  // namespace francine::net
