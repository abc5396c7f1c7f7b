#include "runtime/scene_cache.h"

#include <exception>
#include <new>
#include <string>
#include <utility>

#include "runtime/stopwatch.h"

namespace francine::runtime {

/// The scene is destroyed before the files that it was made of.
struct SceneCache::Prepared {
  std::shared_ptr<const resources::SessionFiles> files;
  std::shared_ptr<const Scene> scene;
};

namespace {

Error cancelled() { return {ErrorCode::kCancelled, "the task was cancelled"}; }

Result<std::shared_ptr<const Scene>> call_prepare(const Producer& producer,
                                                  const SceneFiles& files) {
  const std::string name(producer.name());
  try {
    auto scene = producer.prepare(files);
    if (scene.ok() && *scene == nullptr) {
      return Error{ErrorCode::kInternal, "producer " + name + " prepared no scene"};
    }
    return scene;
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kResourceExhausted,
                 "producer " + name + " had not enough memory to prepare the scene"};
  } catch (const std::exception& thrown) {
    return Error{ErrorCode::kInternal, "producer " + name + " threw: " + thrown.what()};
  } catch (...) {
    return Error{ErrorCode::kInternal, "producer " + name + " threw something unknown"};
  }
}

}  // namespace

SceneCache::SceneCache(const producers::ProducerTable& producers,
                       resources::ResourceCache& resources)
    : producers_(producers), resources_(resources) {}

std::shared_ptr<const Scene> SceneCache::find(SessionId session) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(session);
  if (found == entries_.end()) return nullptr;
  found->second.last_use = ++uses_;
  const auto& prepared = found->second.prepared;
  return {prepared, prepared->scene.get()};
}

Result<void> SceneCache::prepare(SessionId session, const core::SessionSpec& spec,
                                 core::TaskTimes& times, const std::stop_token& stop) {
  const auto producer = producers_.find(spec.producer);
  if (!producer.ok()) return producer.error();
  std::vector<resources::SessionFile> wanted;
  wanted.reserve(spec.resources.size());
  for (const core::Resource& resource : spec.resources) {
    wanted.push_back({resource.dst, resource.sha256});
  }
  auto prepared = std::make_shared<Prepared>();
  {
    const Stopwatch watch(times.fetching_us);
    auto files = resources_.acquire(session, wanted, stop);
    if (!files.ok()) return files.error();
    prepared->files = std::move(*files);
  }
  if (stop.stop_requested()) return cancelled();
  const Stopwatch watch(times.producing_us);
  auto scene = call_prepare(**producer, prepared->files->scene_files());
  if (!scene.ok()) return scene.error();
  prepared->scene = std::move(*scene);
  return keep(session, std::move(prepared), stop);
}

Result<void> SceneCache::keep(SessionId session, std::shared_ptr<const Prepared> prepared,
                              const std::stop_token& stop) {
  std::shared_ptr<const Prepared> oldest;  // freed after the lock is released
  const std::lock_guard lock(mutex_);
  // A release comes after the stop, so it has happened or will find the entry.
  if (stop.stop_requested()) return cancelled();
  entries_[session] = {std::move(prepared), ++uses_};
  auto victim = entries_.end();
  std::size_t idle = 0;
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (entry->first == session || entry->second.prepared.use_count() > 1) continue;
    ++idle;
    if (victim == entries_.end() || entry->second.last_use < victim->second.last_use) {
      victim = entry;
    }
  }
  if (idle > kMaxIdle) {
    oldest = std::move(victim->second.prepared);
    entries_.erase(victim);
  }
  return {};
}

Result<std::shared_ptr<const Scene>> SceneCache::acquire(SessionId session,
                                                         const core::SessionSpec& spec,
                                                         core::TaskTimes& times,
                                                         std::stop_token stop) {
  if (stop.stop_requested()) return cancelled();
  if (auto scene = find(session)) return scene;
  const auto prepared = preparing_.run(session, stop, [&]() -> Result<void> {
    if (find(session)) return {};
    return prepare(session, spec, times, stop);
  });
  if (!prepared.ok()) return prepared.error();
  if (auto scene = find(session)) return scene;
  return cancelled();
}

void SceneCache::release(SessionId session) {
  decltype(entries_)::node_type entry;
  {
    const std::lock_guard lock(mutex_);
    entry = entries_.extract(session);
  }
  if (entry) entry.mapped().prepared.reset();  // the scene before its files
  resources_.release(session);
}

void SceneCache::release_all() {
  decltype(entries_) entries;
  {
    const std::lock_guard lock(mutex_);
    entries.swap(entries_);
  }
  entries.clear();
  for (const SessionId session : resources_.sessions()) resources_.release(session);
}

}  // namespace francine::runtime
