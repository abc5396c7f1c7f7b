// rest: requests a second of the REST API on kept-alive connections, and how long one
// takes, beside a bare cpp-httplib server whose handler returns a constant as long as
// the answer of GET /sessions/:name. Both servers are processes of their own, are asked
// by the same client in turn, and send without Nagle's delay. There are as many
// connections as the bare server has threads, each of which serves one connection.
//
// Values are the medians of kRounds rounds; the ratios, of the rounds' ratios.

#include <httplib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <charconv>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "load.h"
#include "report.h"
#include "server_process.h"

namespace {

using namespace francine;

constexpr int kConnections = 8;
constexpr int kRounds = 5;
constexpr auto kDuration = std::chrono::milliseconds(1000);

/// The head and the body that Content-Length announces.
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

std::string get(const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

std::string post(const std::string& path, const std::string& body) {
  return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// A bare cpp-httplib server in a process of its own.
class BareServer {
 public:
  explicit BareServer(const std::string& answer) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("no pipe");
    pid_ = fork();
    if (pid_ < 0) throw std::runtime_error("no process");
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      serve(answer, ends[1]);
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
  static void serve(const std::string& answer, int port_pipe) {
    httplib::Server server;
    server.set_tcp_nodelay(true);
    server.set_keep_alive_max_count(std::size_t{1} << 40);
    server.new_task_queue = [] { return new httplib::ThreadPool(kConnections); };
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

bench::Latencies measure(std::uint16_t port, const std::string& request) {
  std::vector<std::unique_ptr<bench::Connection>> connections;
  for (int i = 0; i < kConnections; ++i) {
    connections.push_back(std::make_unique<bench::Connection>(port, http_answer_size));
  }
  return bench::measure_load(connections, request, 1, kDuration);
}

// Francine's answers to `request` beside the bare server's to one of the same kind.
void compare(const char* name, std::uint16_t port, const std::string& request,
             std::uint16_t bare_port, const std::string& bare_request) {
  std::vector<double> ratios;
  std::vector<double> rates;
  std::vector<double> bare_rates;
  std::vector<double> p50;
  std::vector<double> p99;
  std::vector<double> bare_p99;
  for (int round = 0; round < kRounds; ++round) {
    const bench::Latencies ours = measure(port, request);
    const bench::Latencies bare = measure(bare_port, bare_request);
    ratios.push_back(ours.per_second / bare.per_second);
    rates.push_back(ours.per_second);
    bare_rates.push_back(bare.per_second);
    p50.push_back(ours.p50_us);
    p99.push_back(ours.p99_us);
    bare_p99.push_back(bare.p99_us);
  }
  bench::Report(name, bench::median(ratios), "of a bare cpp-httplib handler")
      .with("requests_per_s", bench::median(rates))
      .with("bare_requests_per_s", bench::median(bare_rates))
      .with("p50_us", bench::median(p50))
      .with("p99_us", bench::median(p99))
      .with("bare_p99_us", bench::median(bare_p99))
      .with("connections", kConnections)
      .print();
}

void run() {
  const std::string session = R"({"producer":"ao"})";
  // Room for the sessions that POST makes.
  const bench::ServerProcess server({"--static-instance-size", "1", "--max-sessions", "100000000",
                                     "--max-requests-per-second", "0"});
  bench::Connection asking(server.rest_port(), http_answer_size);
  const std::string made = asking.ask(post("/sessions", session));
  const std::size_t at = made.find(R"("name":")");
  if (at == std::string::npos) throw std::runtime_error("no session: " + made);
  const std::string path = "/sessions/" + made.substr(at + 8, made.find('"', at + 8) - at - 8);
  const std::string found = asking.ask(get(path));
  if (!found.starts_with("HTTP/1.1 200")) throw std::runtime_error(found);

  const BareServer bare(found.substr(found.find("\r\n\r\n") + 4));
  compare("rest-get-session", server.rest_port(), get(path), bare.port(), get("/constant"));
  compare("rest-post-sessions", server.rest_port(), post("/sessions", session), bare.port(),
          post("/constant", session));
}

}  // namespace

int main() { return francine::bench::run_or_say("rest", run); }
