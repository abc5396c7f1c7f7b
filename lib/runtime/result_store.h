// ResultStore: the pictures of finished executions, in the master's keeping.
//
// A picture is on disk (content-addressed, so that equal pictures are stored once)
// before put() returns, and stays until every execution that put it has dropped
// it. The pictures used last are kept in memory as well, up to cache_bytes. A store that
// is made where another one was finds its pictures again: restore() for each execution
// that has one, then sweep().
// Pictures of unrecorded sessions are only in memory, in the hands of who waits.
//
// Thread safety: any thread.

#ifndef FRANCINE_RUNTIME_RESULT_STORE_H
#define FRANCINE_RUNTIME_RESULT_STORE_H

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <francine/image.h>
#include <francine/result.h>

#include "resources/content_store.h"

namespace francine::runtime {

class ResultStore {
 public:
  static Result<std::unique_ptr<ResultStore>> make(const std::filesystem::path& directory,
                                                   std::size_t cache_bytes);

  /// Stores it and returns its SHA-256. kUnavailable: the disk is full or broken.
  Result<std::string> put(std::shared_ptr<const EncodedImage> picture);

  /// As put(), of a picture that an earlier life has put.
  void restore(const std::string& sha256);
  /// Removes what nobody has put or restored: pictures that were stored when the life
  /// before ended, before anybody could be told of them.
  void sweep();

  /// The picture that put() returned this SHA-256 for, and that is not yet dropped.
  /// kInternal: what is on the disk is not what was put.
  Result<std::shared_ptr<const EncodedImage>> get(const std::string& sha256, Format format);

  /// Undoes one put().
  void drop(const std::string& sha256);

 private:
  struct Entry {
    std::uint64_t references = 0;
    std::shared_ptr<const EncodedImage> cached;  ///< null: only on disk
    std::list<std::string>::iterator recent;     ///< meaningful while cached
  };

  explicit ResultStore(std::unique_ptr<resources::ContentStore> store, std::size_t cache_bytes);
  void cache(const std::string& sha256, Entry& entry, std::shared_ptr<const EncodedImage> picture);
  void uncache(Entry& entry);

  const std::unique_ptr<resources::ContentStore> store_;
  const std::size_t cache_bytes_;
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;
  std::list<std::string> recent_;  ///< cached ones, the one used last first
  std::size_t cached_bytes_ = 0;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_RESULT_STORE_H
