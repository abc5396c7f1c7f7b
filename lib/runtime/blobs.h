// Blobs: bulk data between workers and master, past JSON-RPC. Two
// implementations: over the resource ports with signed tokens (http_blobs.h) and
// in memory for workers of one process (memory_blobs.h), which hands over the
// very objects, neither copied nor encoded.

#ifndef FRANCINE_RUNTIME_BLOBS_H
#define FRANCINE_RUNTIME_BLOBS_H

#include <cstddef>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include <francine/ids.h>
#include <francine/image.h>
#include <francine/result.h>

#include "image/partial.h"
#include "resources/arrival.h"

namespace francine::runtime {

/// Fetches from other processes or workers. Thread safety: any thread; calls
/// block until done, failed or stopped. `endpoint` is the peer's, as it told the
/// master on joining. kNotFound: the peer answers and does not have it;
/// kUnavailable: the peer cannot be reached; kInvalidArgument: what came is damaged.
class Blobs {
 public:
  virtual ~Blobs() = default;
  virtual Result<std::shared_ptr<const image::Partial>> fetch_partial(const std::string& endpoint,
                                                                      TaskId partial,
                                                                      std::stop_token stop) = 0;
  virtual Result<std::shared_ptr<const EncodedImage>> fetch_picture(const std::string& endpoint,
                                                                    TaskId task, Format format,
                                                                    std::stop_token stop) = 0;
  /// Puts what the peer has, and what it still gets, of that stripe of the session's files
  /// into `into`, but for what is there; returns when that is all. `news`: something has
  /// come, also before an error. kConflict: there are no stripes to be had of anybody.
  virtual Result<void> receive_stripe(const std::string& endpoint, SessionId session,
                                      std::size_t stripe, resources::Arrival& into, bool& news,
                                      std::stop_token stop) = 0;
  /// Writes the resource to `target`, a file that does not exist yet.
  virtual Result<void> fetch_resource(const std::string& endpoint, const std::string& sha256,
                                      const std::filesystem::path& target,
                                      std::stop_token stop) = 0;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_BLOBS_H
