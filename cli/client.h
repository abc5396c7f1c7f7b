// Client: requests to one server, with its token, and their answers as texts.
//
// A refusal of the server is an error with the code that its status means and its
// own sentence; kUnavailable also when it cannot be reached. Requests end early
// with kCancelled when their token is stopped.
//
// Thread safety: any thread.

#ifndef FRANCINE_CLI_CLIENT_H
#define FRANCINE_CLI_CLIENT_H

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include <francine/image.h>
#include <francine/result.h>

#include "net/http_client.h"

namespace francine::cli {

struct ClientOptions {
  std::string server;  ///< as server_url() gives it
  std::string token;   ///< empty: none
  std::string ca_file;
  std::chrono::milliseconds timeout{30'000};
};

class Client {
 public:
  explicit Client(const ClientOptions& options);

  /// `path` begins with "/".
  Result<std::string> get(const std::string& path, std::stop_token stop = {});
  /// With a `key` that is not empty, it creates what it creates once, however often it
  /// is repeated.
  Result<std::string> post(const std::string& path, std::string body, const std::string& key = {},
                           std::stop_token stop = {});
  Result<std::string> remove(const std::string& path, std::stop_token stop = {});

  /// Any call, whose URL is a path.
  Result<std::string> request(net::HttpCall call, std::stop_token stop);
  /// A PUT or PATCH with the bytes from `begin` to `end` of a file. `progress` is told how
  /// many of them are sent. kInternal: the file cannot be read, or does not end at `end`.
  Result<std::string> send_file(net::HttpCall call, const std::string& file, std::uint64_t begin,
                                std::uint64_t end,
                                const std::function<void(std::uint64_t bytes)>& progress,
                                std::stop_token stop);

  /// A picture, into `sink`; its format, if the server names one.
  Result<std::optional<Format>> get_picture(const std::string& path, const net::BodySink& sink,
                                            std::stop_token stop);

  const std::string& server() const { return server_; }
  bool has_token() const { return !token_.empty(); }
  /// Whether the server has answered anything yet.
  bool reached() const { return reached_; }

 private:
  net::HttpHeaders headers() const;

  std::string server_;
  std::string token_;
  net::HttpClient http_;
  std::atomic<bool> reached_ = false;
};

/// "localhost:3000/" -> "http://localhost:3000". kInvalidArgument: it is no URL of a
/// server, or one with a password.
Result<std::string> server_url(std::string_view text);

/// Whether the server of this URL is this machine.
bool is_loopback(std::string_view url);

/// RFC 3986, section 2.1: everything but letters, digits and "-._~".
std::string percent_encoded(std::string_view text);
/// "/sessions/NAME", "/sessions/NAME/executions/NAME", percent-encoded.
std::string session_path(std::string_view session);
std::string execution_path(std::string_view session, std::string_view execution);

}  // namespace francine::cli

#endif  // FRANCINE_CLI_CLIENT_H
