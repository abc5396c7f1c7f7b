// ResultStore: the pictures of finished executions, in the master's keeping.
//
// A picture is on disk (content-addressed, so that equal pictures are stored once)
// before put() returns, and stays until every execution that put it has dropped
// it. The pictures used last are kept in memory as well, up to cache_bytes. A store that
// is made where another one was finds its pictures again: restore() for each execution
// that has one, then sweep().
// Pictures of unrecorded sessions are only in memory, in the hands of who waits.
//
// Retention. Pictures that were put last longer than max_age ago, and beyond max_bytes those
// that were put least lately (but never the newest), are removed; get() says so of them. Looked
// after with each put and get, and by sweep().
//
// Thread safety: any thread.

#ifndef FRANCINE_RUNTIME_RESULT_STORE_H
#define FRANCINE_RUNTIME_RESULT_STORE_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <francine/image.h>
#include <francine/result.h>

#include "resources/content_store.h"

namespace francine::runtime {

struct ResultStoreOptions {
  std::filesystem::path directory;
  std::size_t cache_bytes = std::size_t{64} << 20;
  std::uint64_t max_bytes = 0;      ///< of all pictures; 0: no bound
  std::chrono::seconds max_age{0};  ///< 0: no bound
  std::function<std::chrono::system_clock::time_point()> now = std::chrono::system_clock::now;
};

class ResultStore {
 public:
  static Result<std::unique_ptr<ResultStore>> make(ResultStoreOptions options);

  /// Stores it and returns its SHA-256. kUnavailable: the disk is full or broken.
  Result<std::string> put(std::shared_ptr<const EncodedImage> picture);

  /// As put(), of a picture that an earlier life has put, or that is put and not dropped.
  void restore(const std::string& sha256);
  /// Removes what nobody has put or restored: pictures that were stored when the life
  /// before ended, before anybody could be told of them.
  void sweep();

  /// The picture that put() returned this SHA-256 for, and that is not yet dropped.
  /// kNotFound: it is no longer kept, and why; kInternal: what is on the disk is not what
  /// was put.
  Result<std::shared_ptr<const EncodedImage>> get(const std::string& sha256, Format format);

  /// Undoes one put().
  void drop(const std::string& sha256);

 private:
  struct Entry {
    std::uint64_t references = 0;
    bool kept = false;  ///< else removed by retention
    std::uint64_t bytes = 0;
    std::chrono::system_clock::time_point stored_at;
    std::list<std::string>::iterator age;        ///< meaningful while kept
    std::shared_ptr<const EncodedImage> cached;  ///< null: only on disk
    std::list<std::string>::iterator recent;     ///< meaningful while cached
  };

  ResultStore(std::unique_ptr<resources::ContentStore> store, ResultStoreOptions options);
  void keep(const std::string& sha256, Entry& entry, std::uint64_t bytes,
            std::chrono::system_clock::time_point stored_at);
  void remove(const std::string& sha256, Entry& entry);
  void expire();
  void cache(const std::string& sha256, Entry& entry, std::shared_ptr<const EncodedImage> picture);
  void uncache(Entry& entry);

  const std::unique_ptr<resources::ContentStore> store_;
  const ResultStoreOptions options_;
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;
  std::list<std::string> ages_;  ///< kept ones, the oldest first
  std::uint64_t kept_bytes_ = 0;
  std::list<std::string> recent_;  ///< cached ones, the one used last first
  std::size_t cached_bytes_ = 0;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_RESULT_STORE_H
