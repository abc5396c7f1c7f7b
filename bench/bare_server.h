// BareServer: a bare cpp-httplib server whose handler returns a constant, for comparison:
// what a machine gives when nothing is done for a request. A process of its own, on a
// free port of this machine, ended with the object; it sends without Nagle's delay. Each
// of its threads serves one connection.

#ifndef FRANCINE_BENCH_BARE_SERVER_H
#define FRANCINE_BENCH_BARE_SERVER_H

#include <httplib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

namespace francine::bench {

/// The head and the body that Content-Length announces.
inline std::size_t http_answer_size(std::string_view received) {
  const std::size_t head = received.find("\r\n\r\n");
  if (head == std::string_view::npos) return 0;
  constexpr std::string_view kLength = "\r\nContent-Length: ";
  const std::size_t at = received.find(kLength);
  if (at > head) throw std::runtime_error("an answer without Content-Length");
  std::size_t length = 0;
  std::from_chars(received.data() + at + kLength.size(), received.data() + head, length);
  const std::size_t size = head + 4 + length;
  return received.size() < size ? 0 : size;
}

class BareServer {
 public:
  /// Answers GET and POST of /constant with `answer`, on so many connections at a time.
  BareServer(const std::string& answer, std::size_t connections) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("no pipe");
    pid_ = fork();
    if (pid_ < 0) throw std::runtime_error("no process");
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      serve(answer, connections, ends[1]);
      std::_Exit(1);
    }
    if (read(ends[0], &port_, sizeof(port_)) != sizeof(port_)) {
      throw std::runtime_error("the bare server did not start");
    }
    close(ends[0]);
    close(ends[1]);
  }
  ~BareServer() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  BareServer(const BareServer&) = delete;
  BareServer& operator=(const BareServer&) = delete;

  std::uint16_t port() const { return static_cast<std::uint16_t>(port_); }

 private:
  static void serve(const std::string& answer, std::size_t connections, int port_pipe) {
    httplib::Server server;
    server.set_tcp_nodelay(true);
    server.set_keep_alive_max_count(std::size_t{1} << 40);
    server.new_task_queue = [connections] { return new httplib::ThreadPool(connections); };
    const auto handler = [&answer](const httplib::Request&, httplib::Response& response) {
      response.set_content(answer, "application/json");
    };
    server.Get("/constant", handler);
    server.Post("/constant", handler);
    const int port = server.bind_to_any_port("127.0.0.1");
    if (write(port_pipe, &port, sizeof(port)) != sizeof(port)) return;
    server.listen_after_bind();
  }

  pid_t pid_ = 0;
  int port_ = 0;
};

}  // namespace francine::bench

#endif  // FRANCINE_BENCH_BARE_SERVER_H
