#include "bare_server.h"

#include <httplib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace francine::bench {
namespace {

void serve(const std::string& answer, std::size_t connections, int port_pipe) {
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

}  // namespace

BareServer::BareServer(const std::string& answer, std::size_t connections) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("no pipe");
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("no process");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    serve(answer, connections, ends[1]);
    std::_Exit(1);
  }
  close(ends[1]);
  const bool started = read(ends[0], &port_, sizeof(port_)) == sizeof(port_);
  close(ends[0]);
  if (!started) throw std::runtime_error("the bare server did not start");
}

BareServer::~BareServer() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

std::size_t http_answer_size(std::string_view received) {
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

}  // namespace francine::bench
