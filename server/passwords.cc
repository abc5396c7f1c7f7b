#include "server/passwords.h"

#include <argon2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>
#include <vector>

#include "base/crypto.h"

namespace francine::server {
namespace {

constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kHashBytes = 32;
constexpr std::size_t kMaxHashText = 256;
constexpr HashCost kMaxCost{1 << 20, 64, 16};
constexpr std::string_view kPrefix = "$argon2id$v=19$";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Takes "m=65536" and what separates it from the next part off `text`.
bool take_number(std::string_view& text, std::string_view name, char end, std::uint32_t& number) {
  if (!text.starts_with(name)) return false;
  const std::size_t stop = text.find(end);
  if (stop == std::string_view::npos) return false;
  const std::string_view digits = text.substr(name.size(), stop - name.size());
  text.remove_prefix(stop + 1);
  const auto [rest, failure] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return failure == std::errc{} && rest == digits.data() + digits.size();
}

/// Base64 without padding, of a length that whole bytes have.
bool is_base64(std::string_view text, std::size_t min_bytes, std::size_t max_bytes) {
  const std::size_t bytes = text.size() * 3 / 4;
  return text.size() % 4 != 1 && bytes >= min_bytes && bytes <= max_bytes &&
         text.find_first_not_of(kBase64) == std::string_view::npos;
}

/// `bytes` of noise in base64 without padding. The last digit stands for less than
/// six bits; "A" fits whatever they are.
std::string random_base64(std::size_t bytes) {
  std::string text;
  for (const std::uint8_t byte : base::random_bytes((bytes * 8 + 5) / 6)) {
    text += kBase64[byte % kBase64.size()];
  }
  text.back() = 'A';
  return text;
}

}  // namespace

bool is_password_hash(std::string_view configured) { return configured.starts_with("$argon2"); }

Result<HashCost> cost_of_hash(std::string_view hash) {
  const Error none{ErrorCode::kInvalidArgument,
                   "it is not a hash as francine-server hash-password prints them"};
  if (hash.size() > kMaxHashText || !hash.starts_with(kPrefix)) return none;
  hash.remove_prefix(kPrefix.size());
  HashCost cost;
  if (!take_number(hash, "m=", ',', cost.memory_kib) ||
      !take_number(hash, "t=", ',', cost.passes) || !take_number(hash, "p=", '$', cost.threads)) {
    return none;
  }
  const std::size_t dollar = hash.find('$');
  if (dollar == std::string_view::npos || !is_base64(hash.substr(0, dollar), 8, 48) ||
      !is_base64(hash.substr(dollar + 1), 16, 64)) {
    return none;
  }
  if (cost.passes < 1 || cost.threads < 1 || cost.memory_kib < 8 * cost.threads) return none;
  if (cost.memory_kib > kMaxCost.memory_kib || cost.passes > kMaxCost.passes ||
      cost.threads > kMaxCost.threads) {
    return Error{ErrorCode::kInvalidArgument,
                 "the hash takes more than 1 GiB, 64 passes or 16 threads; make one with "
                 "francine-server hash-password"};
  }
  return cost;
}

Result<std::string> hash_password(std::string_view password, HashCost cost) {
  if (password.empty() || password.size() > kMaxPasswordBytes) {
    return Error{ErrorCode::kInvalidArgument,
                 "a password has 1 to " + std::to_string(kMaxPasswordBytes) + " bytes"};
  }
  const std::vector<std::uint8_t> salt = base::random_bytes(kSaltBytes);
  std::array<char, kMaxHashText> encoded{};
  const int result = argon2id_hash_encoded(cost.passes, cost.memory_kib, cost.threads,
                                           password.data(), password.size(), salt.data(),
                                           salt.size(), kHashBytes, encoded.data(), encoded.size());
  if (result != ARGON2_OK) throw std::runtime_error(argon2_error_message(result));
  return std::string(encoded.data());
}

std::string decoy_hash(HashCost cost) {
  return std::string(kPrefix) + "m=" + std::to_string(cost.memory_kib) +
         ",t=" + std::to_string(cost.passes) + ",p=" + std::to_string(cost.threads) + "$" +
         random_base64(kSaltBytes) + "$" + random_base64(kHashBytes);
}

bool verify_password(std::string_view password, const std::string& hash) {
  if (password.size() > kMaxPasswordBytes) return false;
  const int result = argon2id_verify(hash.c_str(), password.data(), password.size());
  if (result == ARGON2_MEMORY_ALLOCATION_ERROR) {
    throw std::runtime_error("no memory to check a password");
  }
  return result == ARGON2_OK;
}

}  // namespace francine::server
