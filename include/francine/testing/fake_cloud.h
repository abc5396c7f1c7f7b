// FakeCloud: what FakeDropbox and FakeGoogleDrive have in common. Real HTTP servers on
// loopback, which speak the protocols that their services document, and misbehave when
// they are told to.
//
//     francine::testing::FakeDropbox dropbox;
//     dropbox.put("/scenes/a.obj", bytes);
//     dropbox.set_faults({.torn = 2, .after_bytes = 1000});
//     // a master whose configuration has dropbox.url() for its base URLs
//     auto agreed = dropbox.agree(authorize_url);   // what the user does
//
// OAuth is that of the services: codes count once and for their redirect URI only,
// access tokens expire (expire_access_tokens()), refresh tokens are given for offline
// access only and can be withdrawn. Nothing is decided by a clock.
//
// Thread safety: any thread. The constructors throw std::runtime_error when no port can
// be opened.

#ifndef FRANCINE_TESTING_FAKE_CLOUD_H
#define FRANCINE_TESTING_FAKE_CLOUD_H

#include <cstdint>
#include <memory>
#include <string>

namespace francine::testing {

struct FakeCloudOptions {
  std::string client_id = "fake client";
  std::string client_secret = "fake secret";
  std::int64_t token_lifetime_s = 14'400;  ///< as told; see expire_access_tokens()
};

/// What goes wrong. Counts are of requests for content that follow; where several apply,
/// the first of them does, and each is used up before the next begins.
struct CloudFaults {
  unsigned throttled = 0;           ///< "too many requests", the service's way
  std::uint32_t retry_after_s = 0;  ///< of those; 0: not told
  unsigned broken = 0;              ///< 503
  unsigned torn = 0;                ///< the connection breaks after `after_bytes` of the body
  unsigned stalled = 0;             ///< nothing comes after them, until the client goes
  std::uint64_t after_bytes = 0;
  std::uint64_t bytes_per_second = 0;  ///< of each answer; 0: as fast as it goes
  unsigned corrupted = 0;              ///< one bit of the body is another
  unsigned change_after = 0;           ///< answers after which the file has other bytes
  bool ignore_ranges = false;          ///< always the whole, as a 200
};

struct CloudCounts {
  std::uint64_t content_requests = 0;  ///< with those that failed
  std::uint64_t content_bytes = 0;     ///< sent
  std::uint64_t exchanges = 0;         ///< of codes, that succeeded
  std::uint64_t refreshes = 0;         ///< that succeeded
};

/// What a user brings back.
struct Agreement {
  std::string code;
  std::string state;
  std::string error;  ///< not empty: the service refused the URL, and this says why
};

class FakeCloudServer;

class FakeCloud {
 public:
  virtual ~FakeCloud();
  FakeCloud(const FakeCloud&) = delete;
  FakeCloud& operator=(const FakeCloud&) = delete;

  std::string url() const;  ///< "http://127.0.0.1:<port>", base of all its URLs
  virtual std::string authorize_url() const = 0;
  virtual std::string token_url() const = 0;

  /// Opens the URL as a user does who agrees to everything.
  Agreement agree(const std::string& authorize_url);
  /// An access token without all that.
  std::string access_token();
  void expire_access_tokens();  ///< all that were given so far
  void withdraw();              ///< all that users have agreed to so far

  void set_faults(const CloudFaults& faults);
  CloudCounts counts() const;

 protected:
  explicit FakeCloud(FakeCloudOptions options);
  FakeCloudServer& server() { return *server_; }
  const FakeCloudServer& server() const { return *server_; }

 private:
  std::unique_ptr<FakeCloudServer> server_;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_FAKE_CLOUD_H
