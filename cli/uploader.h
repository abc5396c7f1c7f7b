// Uploader: files of this machine to the server, each content once and none that the
// server has from this user already.
//
// All files are hashed, then the server is asked what it knows, then the rest is sent,
// several files at a time. A large one goes in parts, and one whose sending broke goes on
// where it stands, in this call (for as long as --timeout has it) or, the file being the
// same, in the next one.
//
// Thread safety: none; it has threads of its own while it runs.

#ifndef FRANCINE_CLI_UPLOADER_H
#define FRANCINE_CLI_UPLOADER_H

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include <francine/result.h>

#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/resource_argument.h"

namespace francine::cli {

class Uploader {
 public:
  /// Both must outlive the object.
  Uploader(const Context& context, ProgressDisplay& display);

  /// The ids, in the order of the files. Errors name the file; kCancelled: Ctrl-C.
  Result<std::vector<std::string>> upload(const std::vector<ResourceArgument>& files);

 private:
  struct File {
    std::string path;
    std::string dst;
    std::string id;
    std::uint64_t bytes = 0;
  };

  Result<void> hash(File& file);
  Result<void> find_missing();
  Result<void> send_missing();
  void send_some();
  Result<void> send_patiently(const File& file);
  bool is_worth_waiting(const File& file, const Error& error) const;
  void count(std::uint64_t& sent, std::uint64_t now);
  Result<void> send(const File& file, std::uint64_t& sent);
  Result<void> send_parts(const File& file, std::uint64_t& sent);
  void show(const char* what, std::uint64_t bytes, std::uint64_t total);
  void say_what_was_sent() const;

  const Context& context_;
  ProgressDisplay& display_;
  std::vector<File> files_;
  std::vector<const File*> missing_;  ///< each content once
  std::uint64_t missing_bytes_ = 0;
  std::chrono::steady_clock::time_point shown_{};

  // While they are sent.
  std::stop_source stop_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<std::size_t> sent_files_ = 0;
  std::atomic<std::uint64_t> sent_bytes_ = 0;
  std::atomic<std::chrono::steady_clock::time_point> moved_{};  ///< when a byte last was
  std::mutex mutex_;                                            ///< of what follows
  std::condition_variable changed_;
  std::size_t senders_ = 0;
  std::optional<Error> error_;  ///< the first
};

}  // namespace francine::cli

#endif  // FRANCINE_CLI_UPLOADER_H
