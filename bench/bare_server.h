// BareServer: a bare cpp-httplib server whose handler returns a constant, for comparison:
// what a machine gives when nothing is done for a request. A process of its own, on a
// free port of this machine, ended with the object; it sends without Nagle's delay. Each
// of its threads serves one connection.

#ifndef FRANCINE_BENCH_BARE_SERVER_H
#define FRANCINE_BENCH_BARE_SERVER_H

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace francine::bench {

class BareServer {
 public:
  /// Answers GET and POST of /constant with `answer`, on so many connections at a time.
  /// Throws std::runtime_error when it does not start.
  BareServer(const std::string& answer, std::size_t connections);
  ~BareServer();
  BareServer(const BareServer&) = delete;
  BareServer& operator=(const BareServer&) = delete;

  std::uint16_t port() const { return static_cast<std::uint16_t>(port_); }

 private:
  pid_t pid_ = 0;
  int port_ = 0;
};

/// Of an HTTP answer at the start of `received`: its head and the body that
/// Content-Length announces; 0: not all of it is there. An AnswerSize of load.h.
std::size_t http_answer_size(std::string_view received);

}  // namespace francine::bench

#endif  // FRANCINE_BENCH_BARE_SERVER_H
