// SceneCache: the scenes of sessions, prepared for rendering once each and shared
// by the slots of a worker.
//
// The first task of a session fetches the session's files and prepares the scene;
// others that need it meanwhile wait and share the outcome, also a failure. A
// failure is not kept: the next task tries again. A preparation that was cancelled
// is taken over by one of those who wait.
//
// A scene lives until its session is released, and on while a task renders it; of
// scenes that no task uses, the kMaxIdle most recently used are kept (another task
// prepares it again). Thread safety: all methods may be called from any thread.

#ifndef FRANCINE_RUNTIME_SCENE_CACHE_H
#define FRANCINE_RUNTIME_SCENE_CACHE_H

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <vector>

#include <francine/ids.h>
#include <francine/producer.h>
#include <francine/result.h>

#include "core/task.h"
#include "producers/table.h"
#include "resources/resource_cache.h"
#include "resources/single_flight.h"

namespace francine::runtime {

class SceneCache {
 public:
  static constexpr std::size_t kMaxIdle = 32;

  /// Both must outlive the object, and the scenes that it handed out.
  SceneCache(const producers::ProducerTable& producers, resources::ResourceCache& resources);

  /// The session's scene. Adds what fetching and preparing took to `times` of the
  /// task that does it. kCancelled: `stop` was requested or the session released;
  /// else what the producer or the resources answered. A producer that throws is
  /// kInternal.
  Result<std::shared_ptr<const Scene>> acquire(SessionId session, const core::SessionSpec& spec,
                                               core::TaskTimes& times, std::stop_token stop);

  /// Forgets the session: its scene and its files. Request the stop of its tasks
  /// before, and release it once more when they have ended: one that was about to
  /// fetch files may have brought the session back.
  void release(SessionId session);
  void release_all();

  /// Those acquired and not yet released.
  std::vector<SessionId> sessions() const { return resources_.sessions(); }

 private:
  struct Prepared;
  struct Entry {
    std::shared_ptr<const Prepared> prepared;
    std::uint64_t last_use = 0;
  };

  std::shared_ptr<const Scene> find(SessionId session);
  Result<void> prepare(SessionId session, const core::SessionSpec& spec, core::TaskTimes& times,
                       const std::stop_token& stop);
  Result<void> keep(SessionId session, std::shared_ptr<const Prepared> prepared,
                    const std::stop_token& stop);

  const producers::ProducerTable& producers_;
  resources::ResourceCache& resources_;
  resources::SingleFlight<SessionId> preparing_;
  std::mutex mutex_;
  std::map<SessionId, Entry> entries_;
  std::uint64_t uses_ = 0;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_SCENE_CACHE_H
