// Producer: code that renders a share of an execution. Implement it to put a
// renderer of your own on a farm of your own (examples/custom_producer.cc).
//
// A session names its producer. The master uses the producer to check requests
// (apply_update, image_size, check); each worker prepares a Scene once per
// session and renders shares from it on all its slots at the same time. So a
// producer must be known, under the same name, to the master and to its workers
// (MasterOptions::producers, WorkerOptions::producers).
//
// `settings` is the JSON object (UTF-8 text) that results from a session's
// updates so far; an execution is pinned to the settings of its creation.
//
// Thread safety: every method may be called from several threads at once, on
// the same object. Methods must not throw; failures are Results.

#ifndef FRANCINE_PRODUCER_H
#define FRANCINE_PRODUCER_H

#include <cstdint>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <francine/image.h>
#include <francine/result.h>

namespace francine {

/// The immutable files of a session, laid out in a directory of their own.
struct SceneFiles {
  std::filesystem::path directory;  ///< exists; must not be written to
  std::vector<std::string> names;   ///< each file's `dst`, relative to the directory, sorted
};

/// One share: one independent estimate of the whole image.
struct ShareRequest {
  std::uint32_t index = 0;    ///< 0 .. parallel - 1
  std::uint64_t seed = 0;     ///< a function of the execution's seed and the index alone
  std::string_view settings;  ///< JSON object, accepted by apply_update before
  std::stop_token stop;       ///< when requested, return soon with kCancelled
};

/// A scene prepared for rendering, shared by the slots of a worker.
class Scene {
 public:
  virtual ~Scene() = default;

  /// Renders one share into `image`, which has the size that image_size(settings)
  /// gave and is zero. Pixels are linear light; the share's estimates of all
  /// shares are averaged with equal weight. The result must depend on the
  /// settings and the seed alone, never on threads or time, and estimates of
  /// different seeds must be independent.
  virtual Result<void> render(const ShareRequest& share, Image& image) const = 0;
};

class Producer {
 public:
  virtual ~Producer() = default;

  /// The name that sessions ask for: 1 to 32 characters of [a-z0-9_-].
  virtual std::string_view name() const = 0;

  /// Applies an update (JSON object text, already known to be well-formed) to
  /// the settings so far and returns the new settings. An update that this
  /// producer cannot use is refused with kInvalidArgument and a sentence that
  /// names the member; nothing has changed then. The default merges the update
  /// into the settings as RFC 7396 (JSON Merge Patch) says and accepts all.
  virtual Result<std::string> apply_update(std::string_view settings,
                                           std::string_view update) const;

  /// The size of the image that these settings render.
  virtual Result<ImageSize> image_size(std::string_view settings) const = 0;

  /// Checks a session's files before the session is recorded. May read them; the
  /// default accepts all. kInvalidArgument names the file and what is wrong in it.
  virtual Result<void> check(const SceneFiles& files) const;

  /// Prepares a scene for rendering (parse, build acceleration structures). The
  /// files stay as they are while the scene lives.
  virtual Result<std::shared_ptr<const Scene>> prepare(const SceneFiles& files) const = 0;
};

/// The built-in ambient occlusion renderer, `ao`: the aobench scene without
/// files, any Wavefront OBJ mesh with one. Always known to masters and workers.
std::shared_ptr<const Producer> make_ao_producer();

}  // namespace francine

#endif  // FRANCINE_PRODUCER_H
