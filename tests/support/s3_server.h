// An S3 server for tests: GET and PUT of objects in one bucket, in path style. It checks
// every signature (AWS Signature Version 4) by the documentation, strictly, and misbehaves
// as FakeCloud does.
//
// Thread safety: any thread.

#ifndef FRANCINE_TESTS_SUPPORT_S3_SERVER_H
#define FRANCINE_TESTS_SUPPORT_S3_SERVER_H

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <francine/providers.h>

#include "testing/fake_cloud_server.h"

namespace francine::testing {

class S3Server {
 public:
  S3Server();
  ~S3Server();

  static constexpr const char* kBucket = "scenes-bucket";
  static constexpr const char* kRegion = "eu-test-1";
  static constexpr const char* kAccessKey = "AKIAFAKE";
  static constexpr const char* kSecretKey = "fake/secret+key";

  std::string url() const { return server_.url(); }
  FakeCloudServer& server() { return server_; }
  void put(const std::string& key, std::string bytes);
  std::optional<std::string> object(const std::string& key) const;
  std::size_t objects() const;
  /// As if somebody had removed it.
  void remove(const std::string& key);
  /// As the last put() of a client said; empty: there was none.
  std::string content_type(const std::string& key) const;

 private:
  net::HttpResponse get(const net::HttpRequest& request);
  net::HttpResponse receive(const net::HttpRequest& request);

  mutable std::mutex mutex_;
  std::map<std::string, std::string> objects_;
  std::map<std::string, std::string> content_types_;
  FakeCloudServer server_;
};

/// What opens its bucket; objects are below `prefix`.
inline providers::S3Options s3_options(const S3Server& server, std::string prefix = {}) {
  return {.endpoint = server.url(),
          .bucket = S3Server::kBucket,
          .region = S3Server::kRegion,
          .access_key = S3Server::kAccessKey,
          .secret_key = S3Server::kSecretKey,
          .path_style = true,
          .prefix = std::move(prefix)};
}

}  // namespace francine::testing

#endif  // FRANCINE_TESTS_SUPPORT_S3_SERVER_H
