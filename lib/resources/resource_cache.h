// ResourceCache: a worker's resources. It fetches what is lacking once, checks
// it, and shares it between tasks and sessions.
//
// A session is acquired by each of its tasks and released once, when the master
// says that the session is deleted. Content is kept while a session that was
// acquired and not yet released needs it, also when fetching a part of it failed;
// the release removes what nobody else needs, so a deleted session leaves nothing
// behind.
//
// A cache that is made where another one was, which was killed or told to retire(), has its
// content still, but not its sessions: each file is looked at (ContentStoreOptions::check) and what
// is damaged is fetched anew. What no session needs any more goes when room is needed.
//
// Content whose name nobody knows yet is not acquired but added: whoever adds it learns
// its name.
//
// Thread safety: all methods from any thread. The same content is fetched by one
// thread at a time; others that need it wait for that fetch and share its outcome.
// A fetch that was cancelled is taken over by one of those who wait.
//
// Errors of acquire(): kCancelled, stop was requested or the session was released
// meanwhile; kInvalidArgument, a bad `dst` or content that is not what its name
// says; else those of the fetch function and of ContentStore. Each names the file.

#ifndef FRANCINE_RESOURCES_RESOURCE_CACHE_H
#define FRANCINE_RESOURCES_RESOURCE_CACHE_H

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include <francine/ids.h>
#include <francine/result.h>

#include "resources/content_store.h"
#include "resources/session_files.h"

namespace francine::resources {

/// Who may be asked for content.
enum class Trust {
  kAnybody,
  kMaster,  ///< somebody has sent other bytes than those of that name
};

/// Writes the content of that name, which the session needs, to `target`, a file that
/// does not exist yet and does not remain after an error. May be called from several threads at
/// once, for different contents. Need not check what it gets; returns soon with kCancelled once
/// stop is requested.
using Fetch = std::function<Result<void>(SessionId session, const std::string& sha256,
                                         const std::filesystem::path& target, Trust trust,
                                         std::stop_token stop)>;

struct ResourceCacheOptions {
  std::filesystem::path directory;  ///< made if it does not exist; the cache's alone
  std::uint64_t max_file_bytes = std::uint64_t{16} << 30;
  /// Of all content; 0: no bound. acquire() gives kUnavailable where what sessions need is
  /// more.
  std::uint64_t max_bytes = 0;
  /// Links suit producers inside this process, which promise not to write.
  Placing placing = Placing::kLink;
};

class ResourceCache {
 public:
  static Result<std::unique_ptr<ResourceCache>> make(ResourceCacheOptions options, Fetch fetch);

  /// Removes the sessions' directories. No call may be running, and no SessionFiles in use.
  ~ResourceCache();

  /// The session's files, laid out; fetches what is lacking. The directory lives
  /// while the session is not released or anybody holds what this returned.
  Result<std::shared_ptr<const SessionFiles>> acquire(SessionId session,
                                                      std::span<const SessionFile> files,
                                                      std::stop_token stop);

  /// Adds what `make` puts into the store, for that session, as if acquired for it.
  /// Errors: those of `make`.
  Result<StoredFile> add(SessionId session,
                         const std::function<Result<StoredFile>(const ContentStore&)>& make);

  /// Content that is in the store, from now on as if acquired for that session. kNotFound: it
  /// is not there, or damaged.
  Result<StoredFile> hold(SessionId session, const std::string& sha256);

  /// Forgets the session and removes what no other needs. An unknown one is fine.
  void release(SessionId session);

  /// The worker ends, its sessions do not: from now on a release removes no content.
  void retire();

  /// Those acquired and not yet released, in order.
  std::vector<SessionId> sessions() const;

  /// What has been fetched, to serve it to other workers.
  const ContentStore& store() const;

 private:
  class Impl;
  explicit ResourceCache(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace francine::resources

#endif  // FRANCINE_RESOURCES_RESOURCE_CACHE_H
