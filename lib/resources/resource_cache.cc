#include "resources/resource_cache.h"

#include <map>
#include <mutex>
#include <set>
#include <system_error>
#include <utility>

#include "resources/single_flight.h"

namespace francine::resources {
namespace {

namespace fs = std::filesystem;

Error cancelled(const char* why) { return {ErrorCode::kCancelled, why}; }

/// What a session holds from its first acquire() to its release().
struct Holding {
  std::set<std::string> contents;             ///< SHA-256s, each counted in users
  std::shared_ptr<const SessionFiles> files;  ///< empty until laid out
};

}  // namespace

class ResourceCache::Impl {
 public:
  Impl(std::unique_ptr<ContentStore> store, fs::path sessions_directory, Placing placing,
       Fetch fetch)
      : store_(std::move(store)),
        sessions_directory_(std::move(sessions_directory)),
        placing_(placing),
        fetch_(std::move(fetch)) {}

  ~Impl() {
    sessions_.clear();
    std::error_code ignored;
    fs::remove_all(sessions_directory_, ignored);
  }

  Result<std::shared_ptr<const SessionFiles>> acquire(SessionId session,
                                                      std::span<const SessionFile> files,
                                                      const std::stop_token& stop) {
    if (stop.stop_requested()) return cancelled("cancelled before its resources were fetched");
    hold(session, files);
    auto prepared = preparing_.run(session, stop, [&] { return prepare(session, files, stop); });
    if (!prepared.ok()) return prepared.error();
    const std::scoped_lock lock(mutex_);
    const auto entry = sessions_.find(session);
    if (entry == sessions_.end() || !entry->second.files) {
      return cancelled("the session was deleted");
    }
    return entry->second.files;
  }

  Result<StoredFile> add(SessionId session,
                         const std::function<Result<StoredFile>(const ContentStore&)>& make) {
    auto stored = make(*store_);
    if (!stored.ok()) return stored;
    const std::scoped_lock lock(mutex_);
    if (sessions_[session].contents.insert(stored->sha256).second &&
        ++users_[stored->sha256] == 1) {
      store_->pin(stored->sha256);
    }
    return stored;
  }

  Result<StoredFile> hold(SessionId session, const std::string& sha256) {
    if (!store_->has(sha256)) return Error{ErrorCode::kNotFound, "it is not here"};
    const SessionFile file{{}, sha256};
    hold(session, std::span(&file, 1));  // first: so it is not taken away while it is looked at
    auto manifest = store_->manifest(sha256);
    if (!manifest.ok()) return manifest.error();
    return StoredFile{sha256, manifest->size_bytes};
  }

  void release(SessionId session) {
    Holding gone;  // its directory is removed after the lock is given back
    const std::scoped_lock lock(mutex_);
    const auto entry = sessions_.find(session);
    if (entry == sessions_.end()) return;
    gone = std::move(entry->second);
    sessions_.erase(entry);
    for (const std::string& sha256 : gone.contents) {
      const auto user = users_.find(sha256);
      if (--user->second > 0) continue;
      users_.erase(user);
      store_->unpin(sha256);
      if (!retired_) static_cast<void>(store_->remove(sha256));
    }
  }

  void retire() {
    const std::scoped_lock lock(mutex_);
    retired_ = true;
  }

  std::vector<SessionId> sessions() const {
    const std::scoped_lock lock(mutex_);
    std::vector<SessionId> ids;
    ids.reserve(sessions_.size());
    for (const auto& [id, holding] : sessions_) ids.push_back(id);
    return ids;
  }

  const ContentStore& store() const { return *store_; }

 private:
  /// Counts the session as a user of its contents, so that no release of another
  /// one removes them.
  void hold(SessionId session, std::span<const SessionFile> files) {
    const std::scoped_lock lock(mutex_);
    Holding& holding = sessions_[session];
    for (const SessionFile& file : files) {
      if (!holding.contents.insert(file.sha256).second) continue;
      if (++users_[file.sha256] == 1) store_->pin(file.sha256);
    }
  }

  Result<void> prepare(SessionId session, std::span<const SessionFile> files,
                       const std::stop_token& stop) {
    {
      const std::scoped_lock lock(mutex_);
      const auto entry = sessions_.find(session);
      if (entry == sessions_.end()) return cancelled("the session was deleted");
      if (entry->second.files) return {};
    }
    // Links are as quickly made as the files are looked for.
    if (placing_ == Placing::kLink) {
      auto laid_out = lay_out(session, files);
      if (laid_out.ok() || laid_out.error().code != ErrorCode::kNotFound) return laid_out;
    }
    for (const SessionFile& file : files) {
      auto fetched =
          fetching_.run(file.sha256, stop, [&] { return fetch(session, file.sha256, stop); });
      if (fetched.ok()) continue;
      Error error = fetched.error();
      error.message = "cannot fetch \"" + file.dst + "\": " + error.message;
      return error;
    }
    return lay_out(session, files);
  }

  Result<void> lay_out(SessionId session, std::span<const SessionFile> files) {
    auto laid_out = SessionFiles::lay_out(*store_, sessions_directory_, files, placing_);
    if (!laid_out.ok()) return laid_out.error();
    auto shared = std::make_shared<const SessionFiles>(std::move(*laid_out));
    const std::scoped_lock lock(mutex_);
    const auto entry = sessions_.find(session);
    if (entry == sessions_.end()) return cancelled("the session was deleted");
    entry->second.files = std::move(shared);
    return {};
  }

  Result<void> fetch(SessionId session, const std::string& sha256, const std::stop_token& stop) {
    if (stop.stop_requested()) return cancelled("cancelled while its resources were fetched");
    if (store_->has(sha256)) return {};
    if (!base::is_sha256_hex(sha256)) {
      return Error{ErrorCode::kInvalidArgument, "its name is not a SHA-256"};
    }
    auto fetched = fetch_checked(session, sha256, Trust::kAnybody, stop);
    if (!fetched.ok() && fetched.error().code == ErrorCode::kInvalidArgument) {
      fetched = fetch_checked(session, sha256, Trust::kMaster, stop);
    }
    return fetched.ok() ? keep_if_used(sha256) : fetched;
  }

  Result<void> fetch_checked(SessionId session, const std::string& sha256, Trust trust,
                             const std::stop_token& stop) {
    const fs::path incoming = store_->incoming_path();
    auto fetched = fetch_(session, sha256, incoming, trust, stop);
    if (!fetched.ok()) {
      std::error_code ignored;
      fs::remove(incoming, ignored);
      return fetched;
    }
    auto adopted = store_->adopt(incoming, sha256);
    if (!adopted.ok()) return adopted.error();
    return {};
  }

  /// Its last user may have been released while it came.
  Result<void> keep_if_used(const std::string& sha256) {
    const std::scoped_lock lock(mutex_);
    if (users_.contains(sha256)) return {};
    if (!retired_) static_cast<void>(store_->remove(sha256));
    return cancelled("the session was deleted");
  }

  const std::unique_ptr<ContentStore> store_;
  const fs::path sessions_directory_;
  const Placing placing_;
  const Fetch fetch_;
  SingleFlight<std::string> fetching_;
  SingleFlight<SessionId> preparing_;

  mutable std::mutex mutex_;
  std::map<SessionId, Holding> sessions_;
  std::map<std::string, std::uint64_t> users_;  ///< sessions that hold each content
  bool retired_ = false;
};

ResourceCache::ResourceCache(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ResourceCache::~ResourceCache() = default;

Result<std::unique_ptr<ResourceCache>> ResourceCache::make(ResourceCacheOptions options,
                                                           Fetch fetch) {
  auto store = ContentStore::make({.directory = options.directory / "content",
                                   .max_file_bytes = options.max_file_bytes,
                                   .max_bytes = options.max_bytes,
                                   .check = true});
  if (!store.ok()) return store.error();
  const fs::path sessions = options.directory / "sessions";
  std::error_code error;
  fs::remove_all(sessions, error);
  if (error) {
    return base::errno_error(error.value(), "cannot remove " + sessions.string());
  }
  if (auto made = base::make_directories(sessions); !made.ok()) return made.error();
  return std::unique_ptr<ResourceCache>(new ResourceCache(
      std::make_unique<Impl>(std::move(*store), sessions, options.placing, std::move(fetch))));
}

Result<std::shared_ptr<const SessionFiles>> ResourceCache::acquire(
    SessionId session, std::span<const SessionFile> files, std::stop_token stop) {
  return impl_->acquire(session, files, stop);
}

Result<StoredFile> ResourceCache::add(
    SessionId session, const std::function<Result<StoredFile>(const ContentStore&)>& make) {
  return impl_->add(session, make);
}

Result<StoredFile> ResourceCache::hold(SessionId session, const std::string& sha256) {
  return impl_->hold(session, sha256);
}

void ResourceCache::release(SessionId session) { impl_->release(session); }
void ResourceCache::retire() { impl_->retire(); }
std::vector<SessionId> ResourceCache::sessions() const { return impl_->sessions(); }
const ContentStore& ResourceCache::store() const { return impl_->store(); }

}  // namespace francine::resources
