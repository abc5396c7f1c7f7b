// The words of the journal's records: types and fields as they are written. Private to
// the encoder and the decoder.

#ifndef FRANCINE_JOURNAL_RECORD_FIELDS_H
#define FRANCINE_JOURNAL_RECORD_FIELDS_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <francine/image.h>

#include "core/effects.h"

namespace francine::journal {

/// The durable records. The order of kTypeWords.
enum class Type : std::uint8_t {
  kSessionCreated,
  kSessionDeleted,
  kExecutionCreated,
  kExecutionEnded,
  kRestarted,
  kMemberAdded,
  kMemberRemoved,
  kTokenKept,
  kResourcesKnown,
};
inline constexpr std::array<std::string_view, 9> kTypeWords = {
    "sessionCreated", "sessionDeleted", "executionCreated", "executionEnded", "restarted",
    "memberAdded",    "memberRemoved",  "tokenKept",        "resourcesKnown"};

/// Every field of a record, in the order in which they are written. The order of
/// kFieldWords.
enum class Field : std::uint8_t {
  kType,
  kIncarnation,
  kCluster,
  kExecution,
  kSession,
  kName,
  kOwner,
  kProducer,
  kFormat,
  kUpdate,
  kParallel,
  kSeed,
  kPriority,
  kSettings,
  kWidth,
  kHeight,
  kPhase,
  kError,
  kSha256,
  kBytes,
  kRetries,
  kColdStarts,
  kFetchingUs,
  kProducingUs,
  kReducingUs,
  kAt,
  kNextSession,
  kNextExecution,
  kResources,
  kUser,
  kProvider,
  kSealed,
};
inline constexpr std::array<std::string_view, 32> kFieldWords = {
    "type",       "incarnation", "cluster",     "execution",     "session",    "name",
    "owner",      "producer",    "format",      "update",        "parallel",   "seed",
    "priority",   "settings",    "width",       "height",        "phase",      "error",
    "sha256",     "bytes",       "retries",     "coldStarts",    "fetchingUs", "producingUs",
    "reducingUs", "at",          "nextSession", "nextExecution", "resources",  "user",
    "provider",   "sealed"};
inline constexpr std::size_t kFields = kFieldWords.size();

/// The fields of a resource; all are text but `bytes`. The last is left out where it is empty.
inline constexpr std::array<std::string_view, 6> kResourceWords = {"provider", "id",    "dst",
                                                                   "sha256",   "bytes", "version"};

/// The order of Format.
inline constexpr std::array<std::string_view, 3> kFormatWords = {"png", "jpg", "exr"};

/// The order of core::ExecutionPhase. Those in which an execution has not ended are
/// never written.
inline constexpr std::array<std::string_view, 5> kPhaseWords = {"running", "storing", "finished",
                                                                "failed", "cancelled"};

template <std::size_t kCount, typename Enum>
constexpr std::string_view word(const std::array<std::string_view, kCount>& words, Enum value) {
  return words[static_cast<std::size_t>(value)];
}

}  // namespace francine::journal

#endif  // FRANCINE_JOURNAL_RECORD_FIELDS_H
