// Chain: sums that tie a list of texts together, so that one which is changed, missing,
// added or out of order is noticed.
//
//     sum(0) = first 16 bytes of SHA-256(what the list is)
//     sum(n) = first 16 bytes of SHA-256(sum(n-1), n as 8 big-endian bytes, text(n))
//
// It finds damage, not fraud: who can write the journal can compute sums as well.
//
// Thread safety: one thread at a time.

#ifndef FRANCINE_JOURNAL_CHAIN_H
#define FRANCINE_JOURNAL_CHAIN_H

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/crypto.h"

namespace francine::journal {

using Sum = std::array<std::uint8_t, 16>;

class Chain {
 public:
  /// Of the list that `what` describes, before its first text.
  explicit Chain(std::string_view what);
  /// Goes on behind the text `number`, whose sum is `sum`.
  Chain(std::uint64_t number, const Sum& sum) : number_(number), sum_(sum) {}

  /// Adds the next text; its sum.
  const Sum& add(std::string_view text);

  std::uint64_t number() const { return number_; }
  const Sum& sum() const { return sum_; }
  /// Goes back to an earlier state of it.
  void rewind(std::uint64_t number, const Sum& sum) {
    number_ = number;
    sum_ = sum;
  }

 private:
  std::uint64_t number_ = 0;
  Sum sum_{};
  base::Sha256 hasher_;
};

/// The bytes of a sum as they are stored.
inline std::string_view bytes_of(const Sum& sum) {
  return {reinterpret_cast<const char*>(sum.data()), sum.size()};
}
std::optional<Sum> sum_from_bytes(std::string_view bytes);
/// From 32 lower-case hexadecimal digits.
std::optional<Sum> sum_from_hex(std::string_view digits);

}  // namespace francine::journal

#endif  // FRANCINE_JOURNAL_CHAIN_H
