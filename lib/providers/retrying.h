// Trying again: when, how often, and what is said when it was in vain. Internal to
// lib/providers.
//
// Thread safety: none; one for each fetch.

#ifndef FRANCINE_PROVIDERS_RETRYING_H
#define FRANCINE_PROVIDERS_RETRYING_H

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>

#include <francine/result.h>

#include <francine/providers.h>

namespace francine::providers {

/// Why an attempt failed, and what may help. The sentence continues "cannot fetch X: ".
struct Failure {
  enum class Cure : std::uint8_t {
    kNone,   ///< nothing that we could do
    kLater,  ///< the same again, later
    kRenew,  ///< other credentials
  };
  Error error;
  Cure cure = Cure::kNone;
};

/// What a status says by itself: 408, 425, 429 and 5xx (but for 501 and 505) may be
/// different later. `who` begins the sentence ("Dropbox").
Failure failure_of_status(int status, std::uint32_t retry_after_s, const std::string& who);

class Retrying {
 public:
  explicit Retrying(const Retries& retries) : retries_(retries) {}

  /// After an attempt that failed with Cure::kLater and had reached byte `position`:
  /// waits and succeeds when it shall be tried again. Otherwise the error to give up
  /// with: the failure's, with the number of attempts; or kCancelled.
  Result<void> wait(const Error& error, std::uint64_t position, const std::stop_token& stop);

 private:
  Error give_up(const Error& error) const;

  const Retries& retries_;
  unsigned in_row_ = 0;
  unsigned attempts_ = 0;
  std::chrono::milliseconds waited_{0};
  std::uint64_t row_position_ = 0;  ///< at the first failure of the row
};

}  // namespace francine::providers

#endif  // FRANCINE_PROVIDERS_RETRYING_H
