// Blobs between workers and master of one process: a directory of their stores by
// endpoint. A fetch hands over the very object, or a link to the file.
//
// Endpoints are "memory:<worker's name>"; any other endpoint is taken for the
// master's. Thread safety: all methods may be called from any thread. A store
// that is removed while it is read lives until the reader is done (the removal waits, where
// it has files).

#ifndef FRANCINE_RUNTIME_MEMORY_BLOBS_H
#define FRANCINE_RUNTIME_MEMORY_BLOBS_H

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "resources/content_store.h"
#include "runtime/blobs.h"
#include "runtime/partial_store.h"

namespace francine::runtime {

class MemoryBlobs : public Blobs {
 public:
  /// `master_store` must outlive the object.
  explicit MemoryBlobs(const resources::ContentStore& master_store);

  static std::string endpoint_of(std::string_view worker_name);

  /// `files` must live until they are removed.
  void add(const std::string& endpoint, std::shared_ptr<const PartialStore> store,
           const resources::ContentStore& files);
  void remove(const std::string& endpoint);

  Result<std::shared_ptr<const image::Partial>> fetch_partial(const std::string& endpoint,
                                                              TaskId partial,
                                                              std::stop_token stop) override;
  Result<std::shared_ptr<const EncodedImage>> fetch_picture(const std::string& endpoint,
                                                            TaskId task, Format format,
                                                            std::stop_token stop) override;
  /// kConflict: a link costs less.
  Result<void> receive_stripe(const std::string& endpoint, SessionId session, std::size_t stripe,
                              resources::Arrival& into, bool& news, std::stop_token stop) override;
  /// Links the file, of that worker or else of the master; copies it where the file systems
  /// differ.
  Result<void> fetch_resource(const std::string& endpoint, const std::string& sha256,
                              const std::filesystem::path& target, std::stop_token stop) override;

 private:
  std::shared_ptr<const PartialStore> store(const std::string& endpoint) const;

  const resources::ContentStore& master_store_;
  mutable std::mutex mutex_;
  struct Stores {
    std::shared_ptr<const PartialStore> partials;
    const resources::ContentStore* files = nullptr;
  };
  std::map<std::string, Stores> stores_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_MEMORY_BLOBS_H
