// Uploads: what each user has uploaded into a ContentStore, and what he is uploading.
//
// The store has equal bytes once, whoever sent them. Who has sent them, all of them, is
// remembered here, and a file that a user has never sent is not found for him, whether it
// is in the store or not: he can neither use it nor learn that it is there. So two users
// send the same file twice, and it is stored once. The owner "" is nobody in particular:
// where nobody is told from anybody else, everything in the store is his.
//
//     directory/                       0700; on the file system of the store
//       <SHA-256 of the owner>/
//         sent/<64 hex>                empty; he has sent this file, and used it last when
//                                      it was touched
//         unfinished/<64 hex>.<bytes>  the beginning of a file of this SHA-256 and size
//
// A mark in `sent` is made once its file is in the store, and before put() or append()
// returns; with `sync` both survive a loss of power then. A crash between the two leaves
// a file that nobody owns: its user sends it again. A mark whose file is no longer in the
// store is not found. Nothing here removes files from the store: marks go, files stay.
//
// Unfinished uploads. A large file may be sent in parts: begin(), then append() from
// where it stands, again after each break, also one of this process. What is there of it
// is never trusted: the whole file is hashed, and one that is something else than was
// announced is removed. A loss of power may do that to what came last before it; then it
// is sent anew. Who sends to an upload to which somebody sends already takes it over: the
// other one hangs, most of the time, on a connection that has died.
//
// Bounds. Of an owner, max_files marks are kept: those used longest ago go, and are to be
// sent again. His unfinished uploads are at most kMaxUnfinished, and max_unfinished_bytes
// all together once finished; those that nobody is sending, longest untouched first, give
// way to new ones. They go when untouched for max_unfinished_age.
//
// Thread safety: any thread. Nothing is locked while a reader is waited for.
//
// Errors: kNotFound, as above; kConflict, the upload stands elsewhere, or was taken over or
// removed meanwhile; kResourceExhausted, over the bounds of unfinished uploads; else those
// of ContentStore. After an error of the reader or of the disk, what an upload has stays.

#ifndef FRANCINE_RESOURCES_UPLOADS_H
#define FRANCINE_RESOURCES_UPLOADS_H

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <francine/result.h>

#include "resources/content_store.h"

namespace francine::resources {

struct UploadsOptions {
  std::filesystem::path directory;  ///< made if it does not exist
  bool sync = false;                ///< as of the store
  std::size_t max_files = 100'000;  ///< whose sending is remembered, of an owner; at least 1
  std::uint64_t max_unfinished_bytes = std::uint64_t{64} << 30;  ///< of an owner
  std::chrono::seconds max_unfinished_age = std::chrono::hours(24);
};

/// Where an upload stands. It is finished, and its file in the store, where `offset` is
/// `size_bytes`.
struct UploadState {
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;

  bool finished() const { return offset == size_bytes; }
};

class Uploads {
 public:
  static constexpr std::size_t kMaxUnfinished = 1000;

  /// Finds what an earlier life has left. The store must outlive the object, and its
  /// directory's lock is this one's too. kUnavailable names the directory.
  static Result<std::unique_ptr<Uploads>> make(UploadsOptions options, const ContentStore& store);
  ~Uploads();
  Uploads(const Uploads&) = delete;
  Uploads& operator=(const Uploads&) = delete;

  /// Stores a file that the owner sends; with `expected`, only one of that SHA-256.
  Result<StoredFile> put(std::string_view owner, std::string_view expected, const Reader& read);
  Result<StoredFile> put_file(std::string_view owner, const std::filesystem::path& path);
  /// A file that the owner has sent. That is a use of it.
  Result<StoredFile> find(std::string_view owner, std::string_view sha256) const;

  /// Begins to send a file, or finds how far that has got; finished where the owner has
  /// sent it before. kInvalidArgument: no SHA-256, or another size than that file has;
  /// kConflict: it is being sent with another size; kTooLarge: over the store's bound.
  Result<UploadState> begin(std::string_view owner, std::string_view sha256,
                            std::uint64_t size_bytes);
  Result<UploadState> state(std::string_view owner, std::string_view sha256) const;
  /// Goes on at `offset`, where it must stand, with all that `read` gives; the last byte
  /// finishes it. kTooLarge: more than was announced; kInvalidArgument: the file is
  /// something else than was announced, and the upload is gone.
  Result<UploadState> append(std::string_view owner, std::string_view sha256, std::uint64_t offset,
                             const Reader& read);
  /// Gives an unfinished upload up.
  Result<void> remove(std::string_view owner, std::string_view sha256);

  /// Removes what has been untouched for too long. Called by a thread of the object's own,
  /// now and then.
  void sweep();

 private:
  struct Unfinished;
  using Key = std::pair<std::string, std::string>;  ///< the owner's directory, the SHA-256
  using Entry = std::shared_ptr<Unfinished>;

  Uploads(UploadsOptions options, const ContentStore& store);
  Result<void> load();
  void load_owner(const std::filesystem::path& directory);
  Result<void> mark(std::string_view owner, const std::string& sha256);
  void forget_oldest(const std::filesystem::path& sent);
  Entry entry(const Key& key) const;
  Result<Entry> make_entry(const Key& key, std::uint64_t size_bytes);
  Result<void> make_room(const Key& key, std::uint64_t size_bytes);
  void drop(const Key& key, Unfinished& upload);
  Result<void> take(const Key& key, std::string_view owner, Unfinished& upload, std::uint64_t turn,
                    std::string_view bytes);
  void run(const std::stop_token& stop);

  const UploadsOptions options_;
  const ContentStore& store_;

  mutable std::mutex mutex_;  ///< of what follows; taken before that of an upload
  std::map<Key, Entry> unfinished_;

  std::mutex marks_mutex_;
  std::map<std::string, std::size_t> marks_;  ///< how many, of each owner's directory

  std::mutex sweep_mutex_;
  std::condition_variable_any sweep_now_;
  std::jthread sweeper_;
};

}  // namespace francine::resources

#endif  // FRANCINE_RESOURCES_UPLOADS_H
