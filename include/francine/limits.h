// Limits: bounds on what clients of a master may ask for.

#ifndef FRANCINE_LIMITS_H
#define FRANCINE_LIMITS_H

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace francine {

/// Bounds on what clients may ask for. A request over one is refused before
/// anything is recorded, with a sentence that names the field and the bound.
struct Limits {
  std::uint32_t max_parallel = 65'536;
  std::uint64_t max_pixels = std::uint64_t{64} << 20;  ///< width * height
  std::size_t max_update_bytes = 64 << 10;             ///< of one update, and of the settings
  std::size_t max_updates = 10'000;                    ///< of one session
  std::size_t max_sessions = 10'000;
  /// Of one owner. The owner "" is nobody in particular, and not bounded by these.
  std::size_t max_sessions_per_owner = 1000;
  std::size_t max_running_executions_per_owner = 1000;
  std::size_t max_executions_per_session = 10'000;
  std::size_t max_resources_per_session = 10'000;
  std::uint64_t max_resource_bytes = std::uint64_t{16} << 30;  ///< of one file
  /// Files of one owner whose upload is remembered; those used longest ago are to be
  /// uploaded again. The owner "" is nobody in particular, and has what anybody has uploaded.
  std::size_t max_uploads_per_owner = 100'000;
  /// Of one owner's unfinished uploads, all together once finished; idle ones give way.
  std::uint64_t max_unfinished_upload_bytes_per_owner = std::uint64_t{64} << 30;
  std::chrono::seconds max_unfinished_upload_age = std::chrono::hours(24);  ///< untouched
  std::uint64_t max_result_bytes = 0;      ///< of all stored pictures, the oldest go; 0: no bound
  std::chrono::seconds max_result_age{0};  ///< of a stored picture; 0: no bound
  std::uint32_t max_attempts = 4;          ///< of one task that fails, before its execution does
  std::uint32_t max_losses = 20;           ///< of one task whose workers die, likewise
};

}  // namespace francine

#endif  // FRANCINE_LIMITS_H
