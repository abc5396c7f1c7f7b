// RequestLog: who asked what, when, with what answer: a JSON line for each request of
// REST and each command of WebSocket, in a file.
//
//     {"time":"2026-01-31T12:00:00.123456Z","user":"anna","address":"10.0.0.7",
//      "interface":"rest","request":"POST /sessions","status":201,"microseconds":412,
//      "bytes":181,"id":"..."}
//
// `request` is the method and the path as sent, without the query, or the command; `id`
// names what was made. Bodies, tokens, headers and queries are never written, so that no
// secret is.
//
// Lines are written by a thread of its own; add() takes a lock and no more. Bounded: at
// most kMaxWaiting entries wait, more are dropped, counted and the count logged. The file
// is put aside as FILE.1, that as FILE.2 and so on when it has an eighth of the bytes; the
// oldest of the eight goes. Files are for their owner only (0600).
//
// Thread safety: any thread.

#ifndef FRANCINE_SERVER_REQUEST_LOG_H
#define FRANCINE_SERVER_REQUEST_LOG_H

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <francine/result.h>

#include "base/posix.h"

namespace francine::server {

struct RequestEntry {
  std::int64_t time_us = 0;  ///< since 1970, of the request's arrival
  std::string user;
  std::string address;
  std::string interface;  ///< "rest" or "websocket"
  std::string request;
  int status = 200;  ///< of REST, or what REST would have answered
  std::int64_t microseconds = 0;
  std::uint64_t bytes = 0;  ///< of the answer's body
  std::string id;           ///< empty: nothing was made
};

class RequestLog {
 public:
  static constexpr std::size_t kMaxWaiting = 20'000;
  static constexpr int kFiles = 8;

  /// Entries wait until open().
  RequestLog() = default;
  /// Writes what waits, if it was opened.
  ~RequestLog();
  RequestLog(const RequestLog&) = delete;
  RequestLog& operator=(const RequestLog&) = delete;

  /// Called once. kUnavailable: the file cannot be written, and why.
  Result<void> open(const std::filesystem::path& file, std::uint64_t max_bytes);

  void add(RequestEntry entry);

 private:
  Result<void> reopen();
  void run();
  void write(const std::vector<RequestEntry>& entries, std::uint64_t dropped);
  void rotate();

  std::filesystem::path file_;  ///< this and the next: constant once it is open
  std::uint64_t max_file_bytes_ = 0;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<RequestEntry> waiting_;
  std::uint64_t dropped_ = 0;
  bool stopping_ = false;

  // Of the thread.
  base::UniqueFd fd_;
  std::uint64_t file_bytes_ = 0;
  bool failing_ = false;  ///< the last write failed, and that has been said
  std::thread thread_;
};

}  // namespace francine::server

#endif  // FRANCINE_SERVER_REQUEST_LOG_H
