// FakeCloudServer: the HTTP server of a fake cloud, its OAuth and its faults. Internal to
// lib/testing.
//
// Thread safety: routes before start(); everything else from any thread.

#ifndef FRANCINE_TESTING_FAKE_CLOUD_SERVER_H
#define FRANCINE_TESTING_FAKE_CLOUD_SERVER_H

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <francine/testing/fake_cloud.h>

#include "net/http_server.h"

namespace francine::testing {

/// A file's bytes, with what its service says of them in headers.
struct FakeContent {
  std::string bytes;
  std::vector<std::pair<std::string, std::string>> headers;
  std::function<void()> change;  ///< gives the file other bytes
};

class FakeCloudServer {
 public:
  explicit FakeCloudServer(FakeCloudOptions options);

  net::HttpServer& http() { return http_; }
  void start();
  /// Ends what is being answered. Handlers use the fake's files, so a fake calls this
  /// before those are gone.
  void stop();
  std::string url() const;

  /// GET of where users agree. `offline` and `required` are parameters ("a=b"): without
  /// the former there will be no refresh token, without the latter nothing.
  void route_authorize(const std::string& path, std::vector<std::string> required,
                       std::vector<std::string> offline);
  void route_token(const std::string& path);

  enum class Access : std::uint8_t { kGiven, kExpired, kUnknown };
  Access access(const net::HttpRequest& request) const;

  enum class Trouble : std::uint8_t { kNone, kThrottled, kBroken };
  /// Counts a request for content; whether it is refused, and how.
  Trouble begin_content(std::uint32_t& retry_after_s);
  /// A content's answer, its range and its faults included.
  net::HttpResponse content(const net::HttpRequest& request, const FakeContent& content);

  std::string access_token();
  void expire_access_tokens();
  void withdraw();
  void set_faults(const CloudFaults& faults);
  CloudCounts counts() const;

 private:
  struct Code {
    std::string redirect_uri;
    bool offline = false;
  };

  net::HttpResponse authorize(const net::HttpRequest& request,
                              const std::vector<std::string>& required,
                              const std::vector<std::string>& offline);
  net::HttpResponse token(const net::HttpRequest& request);
  net::HttpResponse tokens(bool with_refresh);
  bool send(const net::HttpSink& sink, std::string_view bytes, const CloudFaults& faults);

  const FakeCloudOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable closing_changed_;
  bool closing_ = false;
  CloudFaults faults_;
  CloudCounts counts_;
  std::map<std::string, Code> codes_;
  std::set<std::string> access_tokens_;
  std::set<std::string> expired_;
  std::set<std::string> refresh_tokens_;
  net::HttpServer http_;
};

/// JSON text as an answer.
net::HttpResponse json_answer(int status, std::string json);

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_FAKE_CLOUD_SERVER_H
