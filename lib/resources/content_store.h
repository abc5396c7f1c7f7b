// ContentStore: files by what is in them.
//
// A file's name is the SHA-256 of its bytes, so equal files are stored once, a
// stored file never changes, and whoever has the name can check what he gets.
// A file is written once: into a temporary file while it is hashed, then renamed
// into place; a reader sees all of it or nothing, and what a crash left behind is
// swept when the store is opened again.
//
//     directory/                  0700, of one ContentStore at a time (an flock on `lock`)
//       lock
//       incoming/<name>           being written
//       <2 hex>/<64 hex>          the files, 0400
//       <2 hex>/<64 hex>.chunks   the SHA-256s of its chunks (manifest.h), of those over 64 KiB
//       marks                     what the small ones look like (file_marks.h), of a store that
//                                 was closed and is not open again
//
// Quota. With max_bytes, a file that comes makes room for itself: those placed or stored
// longest ago go, also over restarts, but never one that is pinned; where those leave no
// room it is refused, and nothing changes. What is being written, and the manifests, do
// not count.
//
// Thread safety: all methods from any thread; puts of the same content at the
// same time are fine and all succeed. A ContentWriter is used by one thread at a
// time and must not outlive its store.
//
// Errors: kTooLarge, over max_file_bytes; kUnavailable, the disk is full, read-only or
// broken, the directory not usable or the quota used up; kInvalidArgument, other content than
// expected; kNotFound, no such file; an error of the caller's reader is passed on. After an error
// nothing half-written remains (what a broken disk does not let go is swept when the
// store is opened again); the whole file may, where only its last steps failed.

#ifndef FRANCINE_RESOURCES_CONTENT_STORE_H
#define FRANCINE_RESOURCES_CONTENT_STORE_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <francine/result.h>

#include "base/crypto.h"
#include "base/posix.h"
#include "resources/file_marks.h"
#include "resources/manifest.h"
#include "resources/quota.h"

namespace francine::resources {

/// Fills at most `size` bytes of `buffer` and returns how many; 0 is the end.
using Reader = std::function<Result<std::size_t>(char* buffer, std::size_t size)>;

struct ContentStoreOptions {
  std::filesystem::path directory;  ///< made if it does not exist
  std::uint64_t max_file_bytes = std::uint64_t{16} << 30;
  /// Whether a put waits until its file would survive a loss of power. A master
  /// acknowledges what it stores and wants it; a worker can fetch again.
  bool sync = false;
  std::uint64_t max_bytes = 0;  ///< of all files; 0: no bound
  /// Whether a file's manifest is made while it is written, which costs another SHA-256 of
  /// what is beyond its first chunk.
  bool manifests = true;
  /// Whether make() asks for the manifest of each file, so that what is damaged is gone.
  bool check = false;
};

struct StoredFile {
  std::string sha256;  ///< 64 hexadecimal digits
  std::uint64_t size_bytes = 0;
};

/// How a file gets from the store to a place outside it.
enum class Placing {
  /// A hard link, else a copy. Only for readers that do not write to it: who may
  /// change the mode of the file could change the store through it.
  kLink,
  /// A file of its own: a reflink where the file system has them, else a copy.
  kCopy,
};

/// "sha256:<64 hexadecimal digits>", the id that clients see.
std::string content_id(std::string_view sha256);
/// The digits of such an id. kInvalidArgument names `field` ("resources[0].id").
Result<std::string> sha256_of_id(std::string_view id, std::string_view field);

class ContentStore;

/// A file that is being written: in order by write(), or by write_at() and digest_to(),
/// also from several threads as long as they write different places and one at a time
/// digests. Without a successful finish() nothing remains.
class ContentWriter {
 public:
  ContentWriter(ContentWriter&& other) noexcept;
  ContentWriter& operator=(ContentWriter&&) = delete;
  ~ContentWriter();

  /// After an error the writer can only be destroyed.
  Result<void> write(std::string_view bytes);
  Result<void> write_at(std::uint64_t offset, std::string_view bytes);
  /// Everything up to there has been written.
  Result<void> digest_to(std::uint64_t end);
  std::uint64_t digested() const { return digest_.size_bytes(); }
  /// What has been written there, all of the buffer; also after finish(), from any thread.
  Result<void> read_at(std::uint64_t offset, std::span<char> buffer) const;
  /// Puts the file into the store under its SHA-256; with `expected`, only if it
  /// has that one. Called once, last.
  Result<StoredFile> finish(std::string_view expected = {});

 private:
  friend class ContentStore;
  ContentWriter(const ContentStore& store, std::filesystem::path path, base::UniqueFd file);

  const ContentStore* store_;
  std::filesystem::path path_;  ///< empty: nothing to remove
  base::UniqueFd file_;
  FileDigest digest_;
};

class ContentStore {
 public:
  /// Opens or makes a store and sweeps what a crash left behind. kUnavailable
  /// names the directory: not writable, of another user, in use by another store.
  static Result<std::unique_ptr<ContentStore>> make(ContentStoreOptions options);
  ~ContentStore();

  /// For data that arrives by itself; put() is for data that can be asked for.
  Result<ContentWriter> begin() const;
  Result<StoredFile> put(const Reader& read) const;
  /// Stores only what has this SHA-256; anything else is kInvalidArgument.
  Result<StoredFile> put_expected(std::string_view sha256, const Reader& read) const;
  /// Copies a regular file into the store.
  Result<StoredFile> put_file(const std::filesystem::path& path) const;

  /// A path for a file that somebody else writes and adopt() then takes: inside
  /// the store's directory, not existing, never given twice.
  std::filesystem::path incoming_path() const;
  /// Checks the file at a path that incoming_path() gave and moves it into the
  /// store. On an error it is removed.
  Result<StoredFile> adopt(const std::filesystem::path& incoming, std::string_view sha256) const;
  /// The same for a file that the caller has written himself, on the store's file system,
  /// and that is open in `file`: `digest` has seen all of it, and it is not read again. With
  /// an empty `expected` it is whatever it is.
  Result<StoredFile> adopt(const std::filesystem::path& incoming, int file, FileDigest digest,
                           std::string_view expected) const;

  /// These take 64 lower-case hexadecimal digits; any other text is not found.
  bool has(std::string_view sha256) const;
  Result<std::uint64_t> size(std::string_view sha256) const;
  /// Opens it for reading.
  Result<base::UniqueFd> open(std::string_view sha256) const;
  /// Fills the buffer from there on.
  Result<void> read_at(std::string_view sha256, std::uint64_t offset, std::span<char> buffer) const;
  /// Where the file is, if the store has it. For reading only. Needs the digits.
  std::filesystem::path path(std::string_view sha256) const;

  /// What the file consists of, and whether it is what was stored: its manifest (of a small
  /// one, its mark) says so where the file still has its size, time of change and inode; else,
  /// and where there is none, the file is read, and its manifest written. A file that is
  /// something else is removed, and not found.
  Result<Manifest> manifest(std::string_view sha256) const;
  /// Reads that chunk. kInternal: it is not what was stored; kInvalidArgument: the file
  /// has fewer chunks.
  Result<void> check_chunk(std::string_view sha256, std::size_t chunk) const;

  /// Makes `name` in the open directory: a file that does not exist yet, of mode
  /// 0400. Never follows a link.
  Result<void> place(std::string_view sha256, int directory, const std::string& name,
                     Placing placing) const;
  /// The same at a path, whose directory must exist.
  Result<void> place(std::string_view sha256, const std::filesystem::path& target,
                     Placing placing) const;

  /// Forgets the file; one that does not exist is fine. Who has it open, or has
  /// a link to it, keeps it.
  Result<void> remove(std::string_view sha256) const;
  /// The digests of all files; what cannot be read is left out.
  std::vector<std::string> all() const;

  /// Keeps the quota from removing it until it is unpinned as often; also before it is
  /// stored.
  void pin(const std::string& sha256) const;
  void unpin(const std::string& sha256) const;

  const ContentStoreOptions& options() const { return options_; }

 private:
  friend class ContentWriter;
  ContentStore(ContentStoreOptions options, base::UniqueFd lock);
  /// path() as text: what is done to thousands of files need not be taken apart again.
  std::string name_of(std::string_view sha256) const;
  std::filesystem::path manifest_path(std::string_view sha256) const;
  bool keeps_manifest(std::uint64_t size_bytes) const;
  bool keeps_mark(std::uint64_t size_bytes) const;
  void load_marks();
  void save_marks() const;
  Result<Manifest> read_through(std::string_view sha256, int file, FileMark mark) const;
  void look_at_files();
  void use(std::string_view sha256) const;
  // With mutex_ held:
  void touch(std::string_view sha256) const;
  Result<void> make_room(const std::string& sha256, std::uint64_t bytes) const;
  Result<void> move_in(const std::filesystem::path& incoming, const std::string& sha256) const;
  Result<void> remove_file(const std::string& sha256) const;

  ContentStoreOptions options_;
  base::UniqueFd lock_;
  mutable std::atomic<std::uint64_t> next_incoming_{0};
  mutable std::mutex mutex_;  ///< names change, and the quota with them
  mutable Quota quota_;
  mutable FileMarks marks_;  ///< of small files
};

}  // namespace francine::resources

#endif  // FRANCINE_RESOURCES_CONTENT_STORE_H
