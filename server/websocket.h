// WebSocket: the WebSocket adapter. It maps messages to commands and results to
// answers, and knows nothing else; docs/api.md describes what clients see.
//
// Messages are taken apart on the I/O thread. What is answered from memory
// (getSession, getExecution, info and the like) is answered there; what waits, for the
// master's loop, a disk or the hash of a password, goes to a bounded pool, so answers
// may come in any order. createExecution holds no thread while its execution runs.
//
// Bounds of all connections: messages over 4 KiB that wait for work take at most
// socket.max_inbound_bytes, as sent; a further one is refused. Smaller ones are bounded
// by max_waiting.
//
// Bounds of one connection: of commands that the pool has, max_in_flight; then nothing
// more is read from it until one has been answered. Of pictures that it waits for, and
// of subscriptions, as many again; one more is answered with an error. One picture at a
// time is taken out of the store for it, once it has read most of what came before.
// What is sent at intervals (enableStatus, subscribe) is left out while it does not
// read, and the next one says how many it missed.
//
// Where users are configured, every command but authenticate and info needs an
// authenticated connection: by a token in the headers of its opening, or by
// authenticate. A connection is closed that has not done so in time; until then its
// messages have at most max_stranger_bytes, and those beyond the rate of requests are not
// even parsed. It stays authenticated as long as it is open.
//
// Thread safety: any thread, after the constructor.

#ifndef FRANCINE_SERVER_WEBSOCKET_H
#define FRANCINE_SERVER_WEBSOCKET_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <francine/result.h>

#include "net/websocket_server.h"
#include "server/access.h"
#include "server/auth.h"
#include "server/commands.h"
#include "server/request_log.h"

namespace francine::server {

struct WebSocketOptions {
  net::WebSocketOptions socket;
  std::size_t max_in_flight = 256;
  std::size_t threads = 16;          ///< for commands that wait
  std::size_t log_in_threads = 2;    ///< for authenticate
  std::size_t provider_threads = 2;  ///< for registerResourceToken
  std::size_t max_waiting = 4096;    ///< commands that wait for a thread, of all connections
  std::size_t max_stranger_bytes = 16 << 10;  ///< of a message before authentication
  std::chrono::milliseconds authentication_timeout = std::chrono::seconds(10);
  /// How often it is looked at what enableStatus and subscribe report; they report no
  /// more often.
  std::chrono::milliseconds report_period = std::chrono::milliseconds(50);
  /// How often enableStatus reports although nothing has changed.
  std::chrono::milliseconds status_interval = std::chrono::seconds(10);
  RequestLog* request_log = nullptr;  ///< null: none; else it outlives the adapter
};

class WebSocket {
 public:
  /// All three must outlive the object.
  WebSocket(Commands& commands, Auth& auth, Access& access, const WebSocketOptions& options);
  /// stop() with no patience.
  ~WebSocket();
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;

  /// Opens the port. kUnavailable names the address and port, and why.
  Result<void> start();
  std::uint16_t port() const;

  /// Accepts no connection and no command any more, closes connections (1001) as soon as
  /// nothing is in flight on them, and all of them after `patience`. Idempotent.
  void stop(std::chrono::milliseconds patience);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace francine::server

#endif  // FRANCINE_SERVER_WEBSOCKET_H
