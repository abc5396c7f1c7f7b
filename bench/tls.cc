// tls: what TLS costs where bytes travel: MB/s of one stream from an HttpServer to an
// HttpClient over loopback, as a resource port sends partials and files, and requests
// a second on a kept connection, with TLS and without, in turns in one run.
//
//     tls-transfer   bodies of 64 MiB: MB/s with TLS over those without
//     tls-requests   small answers: requests a second with TLS over those without
//
// Server and client share the machine's cores, as workers of one machine do; the
// certificate is made by `openssl`, as docs/deployment.md says.

#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "net/http_client.h"
#include "net/http_server.h"
#include "net/tls.h"
#include "report.h"

namespace {

using namespace francine;

constexpr std::size_t kBodyBytes = std::size_t{64} << 20;
constexpr int kRounds = 7;
constexpr int kRequests = 2000;

/// A directory with a certificate for 127.0.0.1, which is its own CA.
class Certificate {
 public:
  Certificate() {
    std::string name = (std::filesystem::temp_directory_path() / "francine-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
    directory_ = name;
    make({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
          "-nodes", "-days", "1", "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1",
          "-keyout", key(), "-out", certificate()});
  }
  ~Certificate() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  std::string certificate() const { return directory_ / "certificate.pem"; }
  std::string key() const { return directory_ / "key.pem"; }

 private:
  static void make(std::vector<std::string> words) {
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_t child = 0;
    int status = 1;
    if (::posix_spawnp(&child, arguments[0], nullptr, nullptr, arguments.data(), environ) != 0 ||
        ::waitpid(child, &status, 0) != child || status != 0) {
      throw std::runtime_error("openssl does not work");
    }
  }

  std::filesystem::path directory_;
};

class Port {
 public:
  explicit Port(const Certificate* certificate)
      : server_(server_options(certificate)), client_(client_options(certificate)) {
    const auto body = std::make_shared<const std::vector<std::uint8_t>>(kBodyBytes, 0x5a);
    server_.route("GET", "/large", [body](net::HttpRequest&) {
      net::HttpResponse response;
      response.content_type = "application/octet-stream";
      response.bytes = body;
      return response;
    });
    server_.route("GET", "/small", [](net::HttpRequest&) {
      net::HttpResponse response;
      response.body = "{}";
      return response;
    });
    server_.start().value();
    base_ = (certificate == nullptr ? "http" : "https") + std::string("://127.0.0.1:") +
            std::to_string(server_.port());
    get("/small");
  }

  double megabytes_per_s() {
    const double seconds = bench::seconds_of([&] { get("/large"); });
    return static_cast<double>(kBodyBytes) / 1e6 / seconds;
  }
  double requests_per_s() {
    const double seconds = bench::seconds_of([&] {
      for (int i = 0; i < kRequests; ++i) get("/small");
    });
    return kRequests / seconds;
  }

 private:
  static net::HttpServerOptions server_options(const Certificate* certificate) {
    net::HttpServerOptions options;
    if (certificate == nullptr) return options;
    options.tls =
        net::TlsContext::server({certificate->certificate(), certificate->key(), ""}).value();
    return options;
  }
  static net::HttpClientOptions client_options(const Certificate* certificate) {
    net::HttpClientOptions options;
    if (certificate != nullptr) options.ca_file = certificate->certificate();
    return options;
  }
  void get(const std::string& path) {
    const auto drop = [](std::span<const std::uint8_t>) { return Result<void>(); };
    if (!client_.get(base_ + path, {}, drop, kBodyBytes).value().success()) {
      throw std::runtime_error("the port does not serve");
    }
  }

  net::HttpServer server_;
  net::HttpClient client_;
  std::string base_;
};

template <typename Measure>
void compare(const char* name, const char* unit, Port& tls, Port& plain, const Measure& measure) {
  std::vector<double> with;
  std::vector<double> without;
  for (int round = 0; round < kRounds; ++round) {
    without.push_back(measure(plain));
    with.push_back(measure(tls));
  }
  const double of_tls = bench::median(with);
  const double of_plain = bench::median(without);
  bench::Report(name, of_tls / of_plain, "of plain HTTP")
      .with(std::string("tls_") + unit, of_tls)
      .with(std::string("plain_") + unit, of_plain)
      .print();
}

}  // namespace

int main() {
  const Certificate certificate;
  Port plain(nullptr);
  Port tls(&certificate);
  compare("tls-transfer", "mb_per_s", tls, plain,
          [](Port& port) { return port.megabytes_per_s(); });
  compare("tls-requests", "requests_per_s", tls, plain,
          [](Port& port) { return port.requests_per_s(); });
}
