// Auth: who is asking?
//
// Users and their passwords stand in the configuration. log_in() gives a token, a
// JWT (RFC 7519) signed with HMAC-SHA256 under `private_key`, whose claims are
//
//     {"userName": "anna", "iat": 1700000000, "exp": 1700086400, "pw": "16 digits"}
//
// (times in seconds since 1970). `pw` is a keyed fingerprint of what the
// configuration says of the password, so that a token ends with its password, and
// with its user; nothing is kept of tokens.
//
// Tokens are made and read here and not by a JWT library: those let the token's
// header choose the algorithm (whence the attacks "alg: none" and HMAC with a
// public key), decode base64 leniently and parse JSON with a parser of their own.
// Here the header is one constant that is compared, never parsed; the signature is
// compared in constant time, over the text as it came, before anything of the
// claims is looked at; and the claims are read by the reader of all other JSON.
//
// Without users everybody is nobody in particular (open()).
//
// Passwords are guessed slowly: of the attempts that fail, each user name and each
// address has `failures_per_minute`, of which `failures_at_once` may come together, and at most a
// few passwords are hashed at a time (each takes 64 MiB). A user that does not exist costs as much
// time as one that does.
//
// Thread safety: any thread.

#ifndef FRANCINE_SERVER_AUTH_H
#define FRANCINE_SERVER_AUTH_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include <francine/log.h>
#include <francine/result.h>

#include "server/caller.h"

namespace francine::server {

struct AuthOptions {
  /// Names, and passwords as they are or as hash_password() has them.
  std::map<std::string, std::string> users;
  std::set<std::string> admins;  ///< names of users who see what belongs to others
  std::string private_key;       ///< needed where there are users
  std::chrono::seconds token_lifetime = std::chrono::hours(24);
  double failures_per_minute = 10;  ///< that fail, of a user name and of an address
  double failures_at_once = 10;     ///< after a pause
  LogSink log{};                    ///< told of log-ins that fail
  /// The clocks of this machine, but for tests.
  std::function<std::int64_t()> unix_seconds{};
  std::function<std::chrono::steady_clock::time_point()> steady_now{};
};

class Auth {
 public:
  /// kInvalidArgument names what is wrong with the options, and the cure.
  static Result<std::unique_ptr<Auth>> make(AuthOptions options);
  ~Auth();
  Auth(const Auth&) = delete;
  Auth& operator=(const Auth&) = delete;

  /// No users are configured.
  bool open() const;

  /// Whose token this is. Takes microseconds. kUnauthenticated: it is none of ours,
  /// forged, too old, or of a user or a password that is no more; also where no users
  /// are configured.
  Result<Caller> caller_of(std::string_view token) const;

  /// A token for the user. kUnauthenticated: user or password are wrong, without
  /// saying which, or no users are configured; kResourceExhausted: too many attempts.
  /// Blocks for as long as hashing takes, some 0.1 s. `address` is the client's,
  /// without port.
  Result<std::string> log_in(std::string_view user, std::string_view password,
                             std::string_view address);

 private:
  class Impl;
  explicit Auth(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace francine::server

#endif  // FRANCINE_SERVER_AUTH_H
