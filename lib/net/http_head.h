// HttpHead: the head of a request (its first line and headers), read strictly.
// Internal to lib/net.
//
// What two programs may read differently is refused, since requests come through
// proxies of others: bare line feeds, folded lines, spaces around names, several
// or contradicting lengths, a length beside a transfer coding (RFC 9112, 6.3 and
// 11.2). Pure; views are into the text that was given.

#ifndef FRANCINE_NET_HTTP_HEAD_H
#define FRANCINE_NET_HTTP_HEAD_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace francine::net {

/// The longest request target; 414 beyond.
inline constexpr std::size_t kMaxTargetBytes = 4096;
inline constexpr std::size_t kMaxHeaders = 256;

/// A request that is not served: the status and a sentence for its answer.
struct HttpProblem {
  int status = 400;
  std::string reason;
};

struct HttpHead {
  std::string_view method;
  std::string_view target;  ///< as sent
  std::string_view path;    ///< of the target, from its first "/", without the query
  std::string_view query;   ///< without its "?"
  std::vector<std::pair<std::string_view, std::string_view>> headers;
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool http_1_0 = false;
  bool keep_alive = true;
  bool expects_continue = false;

  bool has_body() const { return chunked || content_length.value_or(0) > 0; }
  std::optional<std::string_view> header(std::string_view name) const;
};

bool equal_ignoring_case(std::string_view a, std::string_view b);
/// Whether the comma-separated list holds `word`, in any case.
bool list_holds(std::string_view list, std::string_view word);

/// Where the head ends in what has been received: the offset behind its empty
/// line, 0 while that is not there, or a problem that is visible before. `scanned`
/// is kept by the caller between calls for the same head (0 at first), so that
/// bytes are looked at once.
std::variant<std::size_t, HttpProblem> find_head_end(std::string_view received,
                                                     std::size_t& scanned);

/// Reads a complete head, with its empty line.
std::variant<HttpHead, HttpProblem> parse_head(std::string_view text);

}  // namespace francine::net

#endif  // FRANCINE_NET_HTTP_HEAD_H
