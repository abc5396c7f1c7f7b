// The heads and bodies of HTTP requests, as a client's bytes come in.

#include "fuzz.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <variant>

#include "base/posix.h"
#include "net/http_body.h"
#include "net/http_head.h"
#include "net/http_router.h"
#include "net/patient_socket.h"

namespace francine::fuzz {
namespace {

constexpr std::size_t kMaxBody = 64 << 10;
constexpr std::size_t kLimit = 10'000;

/// Where the head ends when bytes come a few at a time; the whole at once says the same.
std::size_t head_end(std::string_view input) {
  std::size_t scanned = 0;
  for (std::size_t size = 0;; size = std::min(input.size(), size * 2 + 1)) {
    const auto found = net::find_head_end(input.substr(0, size), scanned);
    const std::size_t* end = std::get_if<std::size_t>(&found);
    if (end == nullptr) return 0;
    if (*end != 0) {
      std::size_t none = 0;
      const auto at_once = net::find_head_end(input, none);
      check(std::get<std::size_t>(at_once) == *end);
      return *end;
    }
    if (size == input.size()) return 0;
  }
}

void read_body(const net::HttpHead& head, std::string_view body) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) return;
  const base::UniqueFd ours(ends[0]);
  const base::UniqueFd theirs(ends[1]);
  // Some has come together with the head, some comes later.
  std::string received(body.substr(0, body.size() / 2));
  const std::string_view later = body.substr(received.size());
  static_cast<void>(!send(theirs.get(), later.data(), later.size(), MSG_NOSIGNAL));
  shutdown(theirs.get(), SHUT_WR);

  const net::Patience patience{std::chrono::seconds(1), 1};
  net::PatientSocket socket(ours.get(), nullptr, patience, patience);
  net::HttpBody reader(head, received, socket);
  reader.set_limit(kLimit);
  std::array<char, 1000> piece;
  std::size_t total = 0;
  while (!reader.done()) {
    const Result<std::size_t> count = reader.read(piece);
    if (!count) break;
    check(*count <= piece.size());
    total += *count;
    if (*count == 0) check(reader.done());
  }
  check(total <= kLimit);
  if (reader.done() && head.content_length) check(total == *head.content_length);
  reader.skip_arrived();
}

}  // namespace

void one_input(std::string_view input) {
  const std::size_t end = head_end(input);
  if (end == 0) return;
  const auto parsed = net::parse_head(input.substr(0, end));
  const auto* head = std::get_if<net::HttpHead>(&parsed);
  if (head == nullptr) return;
  check(!(head->chunked && head->content_length));
  if (const auto segments = net::split_path(head->path)) {
    for (const std::string& segment : *segments) {
      check(segment != ".." && segment != "." && segment.find('/') == std::string::npos &&
            segment.find('\0') == std::string::npos);
    }
  }
  if (head->has_body()) read_body(*head, input.substr(end, kMaxBody));
}

}  // namespace francine::fuzz
