// PictureCopies: puts a copy of each finished picture into an object store (`resultStore`),
// whatever becomes of its session:
//
//     <prefix><session>/<execution>.<png, jpg or exr>
//
// with the names that clients know. Of these only letters, digits, "-" and "_" stand as they
// are, so that nothing leads out of the prefix. Nothing is ever removed there.
//
//     expect()   the picture is in the result store, but its execution has not ended yet
//     put()      it has, and that is safe: the copy is due
//     forget()   the execution is deleted; a copy that is due is put nevertheless
//
// **Crashes.** expect() leaves a note on the disk (copy_notes.h), and what is in the result
// store stays there until the copy is. A later life of the master puts what is noted and has
// no copy. It may put again what was there already: these are the same bytes.
//
// **Failures.** While the store cannot be reached or answers 5xx, copies are tried in turns,
// each time later (TransferLimits::retries says from when to when), for as long as it takes.
// A copy that the store refuses (keys, bucket, rights), or whose picture is no longer kept,
// has failed; the former is tried again in the next life. No failure is that of an execution.
//
// Thread safety: any thread. put() never waits for a disk. One thread puts one copy at a
// time; callbacks come from it and from put(). The queue is no longer than the list of the
// executions that have finished.

#ifndef FRANCINE_RUNTIME_PICTURE_COPIES_H
#define FRANCINE_RUNTIME_PICTURE_COPIES_H

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <francine/ids.h>
#include <francine/image.h>
#include <francine/log.h>
#include <francine/providers.h>
#include <francine/result.h>
#include <francine/session.h>

#include "providers/object_store.h"
#include "runtime/copy_notes.h"
#include "runtime/result_store.h"

namespace francine::runtime {

struct PictureCopiesOptions {
  std::filesystem::path directory;  ///< of the notes
  providers::S3Options store;
  providers::TransferLimits limits{};
  /// What has become of the copy, for clients.
  std::function<void(ExecutionId execution, ResultCopy copy)> show;
  /// Of one execution, or with ExecutionId{} of the store.
  std::function<void(LogLevel level, ExecutionId execution, const std::string& text)> log;
};

/// What the key ends with.
std::string copy_path(std::string_view session, std::string_view execution, Format format);

class PictureCopies {
 public:
  /// The result store must outlive it. kInvalidArgument names what of `store` is wrong;
  /// kUnavailable: the directory.
  static Result<std::unique_ptr<PictureCopies>> make(ResultStore& results,
                                                     PictureCopiesOptions options);
  /// As stop().
  ~PictureCopies();

  /// A finished execution of an earlier life, and where its copy belongs.
  void restore(ExecutionId execution, const std::string& path);
  /// After the last restore(), before anything else: begins. `is_known`: whether there is
  /// such an execution, finished or not.
  void start(const std::function<bool(ExecutionId)>& is_known);

  /// An error: the disk does not take the note.
  Result<void> expect(ExecutionId execution, const std::string& sha256, const std::string& path);
  /// Does nothing the second time, nor without expect().
  void put(ExecutionId execution);
  void forget(ExecutionId execution);

  /// Leaves the rest to the next life. Idempotent.
  void stop();

 private:
  struct Copy {
    std::string sha256;
    std::string path;
    bool due = false;
    bool gone = false;  ///< its execution is
  };

  PictureCopies(ResultStore& results, PictureCopiesOptions options, CopyNotes notes,
                std::unique_ptr<providers::ObjectStore> store);
  void run(const std::stop_token& stop);
  /// Waits for one that may be tried now. Empty: told to stop.
  std::optional<std::pair<ExecutionId, Copy>> next(const std::stop_token& stop);
  void try_one(ExecutionId execution, const Copy& copy, const std::stop_token& stop);
  Result<void> send(const Copy& copy, const EncodedImage& picture, const std::stop_token& stop);
  void stored(ExecutionId execution, const Copy& copy);
  void try_later(ExecutionId execution, const Error& error);
  void fail(ExecutionId execution, const Error& error);
  /// Of one that is there, or never will be.
  void end(ExecutionId execution, bool has_note);

  ResultStore& results_;
  const PictureCopiesOptions options_;
  const CopyNotes notes_;
  const std::unique_ptr<providers::ObjectStore> store_;
  std::map<ExecutionId, CopyNote> found_;  ///< notes of earlier lives, until start()

  std::mutex mutex_;  ///< of what follows; never held while a disk or the store works
  std::condition_variable_any wake_;
  std::map<ExecutionId, Copy> copies_;  ///< that are not there yet
  std::deque<ExecutionId> due_;         ///< that nobody works on
  unsigned failures_in_row_ = 0;        ///< of the store
  std::chrono::steady_clock::time_point not_before_{};

  std::jthread thread_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_PICTURE_COPIES_H
