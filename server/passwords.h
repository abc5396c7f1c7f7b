// Passwords in the configuration: as they are, or hashed.
//
// A hash is that of Argon2id (RFC 9106), computed by its reference implementation,
// libargon2, which does this one thing, and written in its self-describing form:
//
//     $argon2id$v=19$m=65536,t=3,p=1$<salt>$<hash>
//
// New ones take 64 MiB and three passes (the RFC's choice where memory is scarce, on one
// thread). Whoever reads them from elsewhere accepts up to 1 GiB, 64 passes and 16
// threads: what costs more would be an attack on this server.
//
// Thread safety: pure functions.

#ifndef FRANCINE_SERVER_PASSWORDS_H
#define FRANCINE_SERVER_PASSWORDS_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <francine/result.h>

namespace francine::server {

inline constexpr std::size_t kMaxPasswordBytes = 1024;

/// What computing a hash takes.
struct HashCost {
  std::uint32_t memory_kib = 65'536;
  std::uint32_t passes = 3;
  std::uint32_t threads = 1;
};

/// Whether a configured password is meant as a hash: it begins with "$argon2".
bool is_password_hash(std::string_view configured);

/// The cost of a hash, without computing it. kInvalidArgument: it is none that we
/// read (the sentence does not repeat it).
Result<HashCost> cost_of_hash(std::string_view hash);

/// Hashes with a random salt. kInvalidArgument: empty or over kMaxPasswordBytes.
Result<std::string> hash_password(std::string_view password, HashCost cost = {});

/// A hash of this cost that no password has: costs as much to try as a real one.
std::string decoy_hash(HashCost cost);

/// Whether `password` has this hash. Compares in constant time.
bool verify_password(std::string_view password, const std::string& hash);

}  // namespace francine::server

#endif  // FRANCINE_SERVER_PASSWORDS_H
