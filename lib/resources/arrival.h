// Arrival: the files of a session while they come, for those who wait for them and for
// those who are sent them meanwhile.
//
// A file is divided into blocks of 64 KiB, and the blocks of all files in turn into
// stripes, which come independently (core/spreading.h): block b of file f belongs to
// stripe (f + b) mod 2. Within a stripe the blocks of a file come in order; files come in
// any order. Each stripe has a journal of what has come, which all who are sent the stripe
// read from its beginning, so they may begin at any time and go on elsewhere.
//
// How a file is named is known when all of it is there: then it goes into the store, under
// the SHA-256 that it has; if another one was expected, it is refused. Until then its bytes
// are believed by nobody but passed on by all. A file that nobody will send this way (it is
// refused, or the sender does not have it) is *missing*: whoever wants it must get it by
// its name.
//
// Who waits may have *hints* at what files are. Of those, a sender that knows the name tells
// that first; where it is the hinted one, the file is taken from the store, and nothing of it
// is sent.
//
// Thread safety: all methods from any thread; each stripe, and each file that is brought
// by append(), is brought by one thread at a time. `store` must outlive the object.
//
// Errors of those who bring: kInvalidArgument, they brought what cannot be; else the store's
// own (a full disk), after which it has been broken off.

#ifndef FRANCINE_RESOURCES_ARRIVAL_H
#define FRANCINE_RESOURCES_ARRIVAL_H

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <francine/result.h>

#include "resources/content_store.h"

namespace francine::resources {

inline constexpr std::size_t kBlockBytes = 64 << 10;
inline constexpr std::size_t kStripes = 2;
inline constexpr std::size_t kMaxVersion = 1024;

/// What is told of a stripe, one thing after another.
struct StripeNews {
  enum class Kind : std::uint8_t {
    kNothing,  ///< nothing has come in time
    kBlock,    ///< `bytes` of the buffer are block `block` of the file
    kSize,     ///< the file has `size_bytes`
    kMissing,  ///< the file does not come this way
    kVersion,  ///< `bytes` of the buffer are the version of the file at its provider
    kName,     ///< `bytes` of the buffer are its SHA-256; nothing else of it is told
    kEnd,      ///< all has been told of all files
    kBroken,   ///< what was to come does not come: ask elsewhere
  };
  Kind kind = Kind::kNothing;
  std::uint32_t file = 0;
  std::uint32_t block = 0;
  std::size_t bytes = 0;
  std::uint64_t size_bytes = 0;
};

class Arrival {
 public:
  /// Puts the complete file into the store, by the writer's finish(); called on the
  /// threads that bring files.
  using Keep =
      std::function<Result<StoredFile>(ContentWriter& writer, const std::string& expected)>;

  /// Keeps what is in the store under that name from going, if it is there.
  using Hold = std::function<Result<StoredFile>(const std::string& sha256)>;

  /// `names`: the SHA-256 of each file, "" where it is not known. What the store has of
  /// these is there from the beginning. Without `hold` hints are of no use.
  Arrival(const ContentStore& store, std::vector<std::string> names, Keep keep, Hold hold = {});

  // --- who brings ---

  /// The next block of that file in its stripe; one that has come is ignored.
  Result<void> put(std::size_t file, std::uint64_t block, std::string_view bytes);
  /// Repeats are fine; another size than before is kInvalidArgument.
  Result<void> set_size(std::size_t file, std::uint64_t size_bytes);
  /// Which version of the file is coming, at most kMaxVersion long; "": nobody knows, which is
  /// told to nobody. Another one than before is kConflict.
  Result<void> set_version(std::size_t file, std::string_view version);
  /// The next bytes of a file that comes as a whole, or from resume() on.
  Result<void> append(std::size_t file, std::string_view bytes);
  /// append() has been given all of the file. The errors of `keep`; the file is missing then.
  /// kConflict: more of it had come before.
  Result<StoredFile> finish(std::size_t file);
  /// Whether somebody else could bring the rest of all files: it is known of which versions
  /// those are that have begun to come.
  bool resumable() const;
  /// From where on append() is to be given a file of which something has come.
  std::pair<std::uint64_t, std::string> resume(std::size_t file);
  /// The file has that name. False: it is to come as if nobody knew, since the store does not
  /// have it, or some of it has come already.
  bool take_stored(std::size_t file, const std::string& sha256);
  /// Somebody tells its name, as have() asked for. kUnavailable: that is of no use; the next
  /// have() does not ask again.
  Result<void> set_name(std::size_t file, std::string_view sha256);
  void set_missing(std::size_t file);
  /// Nobody brings anything any more.
  void break_off();
  /// Somebody does again. False: nothing is to come.
  bool go_on();

  // --- who waits ---

  /// The file may be that one. Ignored unless the store has it, and where some of the file has
  /// come.
  void set_hint(std::size_t file, const std::string& sha256);

  /// Every file is in the store or missing, or it has been broken off.
  bool ended() const;
  /// Every file is in the store.
  bool complete() const;
  /// The file, if it is in the store.
  std::optional<StoredFile> stored(std::size_t file) const;
  /// Whether all of the stripe has been told: nobody needs to bring more of it.
  bool has_stripe(std::size_t stripe) const;
  /// Waits until ended() or `stop`; false: stopped.
  bool wait(const std::stop_token& stop) const;
  /// How many bytes have come, for people.
  std::uint64_t bytes() const;

  // --- who is sent it ---

  /// What is there of the stripe, for Sending of a peer: "0-17,19:3,21?22" is all of the first
  /// 18 files and 3 blocks of the 20th; of the last two the name, if it is known, is wanted
  /// rather than they. At most about 4,000 characters: what does not fit is sent again.
  std::string have(std::size_t stripe) const;

  class Sending;

 private:
  struct File {
    std::shared_ptr<ContentWriter> writer;  ///< null: not begun, or in the store
    std::string name;                       ///< of the stored file, before: as expected
    std::string version;                    ///< at its provider; "": not known
    std::string hint;                       ///< what it may be, in the store; "": nobody knows
    std::optional<std::uint64_t> size_bytes;
    std::array<std::uint32_t, kStripes> blocks{};  ///< that have come, of each stripe
    std::uint64_t appended = 0;
    std::array<bool, kStripes> told{};  ///< all of it in that stripe
    bool digesting = false;             ///< a thread digests it
    bool stored = false;
    bool missing = false;
  };
  /// In a journal: the next block of this file, or with a mark, its size or that it is
  /// missing, or its version.
  using Entry = std::uint32_t;
  static constexpr Entry kEndMark = Entry{1} << 31;
  static constexpr Entry kVersionMark = Entry{1} << 30;

  static Error wrong(const char* what);
  /// The first block of a file in that stripe: 0 or 1.
  static std::uint64_t first_block(std::size_t file, std::size_t stripe);
  /// Of the first `blocks` blocks of a file those in that stripe.
  static std::uint32_t blocks_in(std::size_t file, std::size_t stripe, std::uint64_t blocks);

  // With mutex_ held:
  static bool begun(const File& file) { return file.writer || file.stored || file.missing; }
  Error fail(Error error);
  void tell_all(File& file, std::size_t number);
  void tell_end(std::size_t number);
  std::uint64_t contiguous(const File& file) const;
  /// What has changed of the file may have been the last of a stripe.
  void count_told(File& file, std::size_t number);
  Result<std::shared_ptr<ContentWriter>> writer_of(File& file);
  void settle(std::size_t number, const Result<StoredFile>& stored);
  /// Digests what is there, and puts the file into the store when that is all; `kept` is
  /// what came of that.
  Result<void> digest(std::unique_lock<std::mutex>& lock, std::size_t number,
                      std::optional<Result<StoredFile>>* kept = nullptr);
  void add_block(File& file, std::size_t number, std::size_t stripe, std::size_t bytes);

  const ContentStore& store_;
  const Keep keep_;
  const Hold hold_;
  mutable std::mutex mutex_;
  mutable std::condition_variable_any news_;
  std::vector<File> files_;
  std::array<std::vector<Entry>, kStripes> journals_;
  std::size_t to_come_ = 0;  ///< files neither stored nor missing
  std::size_t missing_ = 0;
  std::array<std::size_t, kStripes> untold_{};  ///< files of which something is to come
  std::uint64_t bytes_ = 0;
  bool broken_ = false;
};

/// A stripe of an Arrival as it is told to one peer. For one thread at a time.
class Arrival::Sending {
 public:
  /// `have` is as the peer's Arrival::have() says. kInvalidArgument: it is not.
  static Result<Sending> make(std::shared_ptr<const Arrival> arrival, std::size_t stripe,
                              std::string_view have);

  /// The next thing that the peer does not have, waiting for at most `patience`. A block's
  /// bytes are put into `buffer`, of at least kBlockBytes.
  Result<StripeNews> next(std::span<char> buffer, std::chrono::milliseconds patience);

 private:
  Sending(std::shared_ptr<const Arrival> arrival, std::size_t stripe);
  Result<void> read_have(std::string_view have);
  /// Nothing: what is told of the file is not its name.
  std::optional<StripeNews> name_of(std::uint32_t file, std::span<char> buffer);
  Result<StripeNews> read_block(std::unique_lock<std::mutex>& lock, std::uint32_t file,
                                std::uint32_t nth, std::span<char> buffer) const;

  std::shared_ptr<const Arrival> arrival_;
  std::size_t stripe_;
  std::size_t next_ = 0;             ///< in the journal
  std::vector<std::uint32_t> had_;   ///< blocks of each file that the peer has; kAll: everything
  std::vector<std::uint32_t> told_;  ///< blocks of each file met in the journal
  std::vector<bool> by_name_;        ///< rather its name, of which nothing has been told yet
};

}  // namespace francine::resources

#endif  // FRANCINE_RESOURCES_ARRIVAL_H
