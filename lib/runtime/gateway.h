// Gateway: the master's links to its workers, over TCP and in memory, between the
// core's ids and the connections behind them.
//
// What workers say becomes events, posted to the loop in batches: one for all the
// connections that one wake-up of the I/O thread served. What a worker says of
// itself is checked before it becomes part of the state (join_check.h).
//
// A worker that dials again (the same name and life) replaces its connection at the
// moment of its Join: what came by the old one stands before that Join in the loop's
// queue, nothing comes after it, and its end is no WorkerLeft. So the core sees one
// connection of a worker after another. The same for one that the core has closed:
// nothing more is heard of it.
//
// Thread safety: listen(), adopt() and stop() by the master's owner; send(),
// accept() and close() on the loop's thread only; events come from the I/O thread
// and from the threads of memory links.

#ifndef FRANCINE_RUNTIME_GATEWAY_H
#define FRANCINE_RUNTIME_GATEWAY_H

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include <francine/chaos.h>
#include <francine/log.h>
#include <francine/result.h>

#include "net/cluster_keys.h"
#include "net/io_thread.h"
#include "net/rpc_listener.h"
#include "runtime/core_loop.h"
#include "runtime/link.h"
#include "runtime/memory_link.h"

namespace francine::runtime {

struct GatewayOptions {
  std::chrono::milliseconds ping_period{};
  std::string cluster = {};  ///< told in every Welcome
  ChaosOptions chaos = {};   ///< likewise
  LogSink log;
  /// Told of what workers log.
  std::function<void(const std::string& worker, std::vector<LogRecord> records,
                     std::uint64_t dropped)>
      worker_log;
};

class Gateway {
 public:
  /// `loop` must outlive the gateway, but may be stopped before it.
  Gateway(CoreLoop& loop, GatewayOptions options);
  /// As stop().
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  /// Opens the port where workers dial in; with a server's `tls`, by TLS only. kUnavailable names
  /// it and why not.
  Result<std::uint16_t> listen(const std::string& address, std::uint16_t port,
                               const net::ClusterKeys& keys,
                               std::shared_ptr<const net::TlsContext> tls);
  /// Where workers find the master's resources, told in every Welcome.
  void set_endpoint(std::string endpoint) { endpoint_ = std::move(endpoint); }

  /// Takes the master's end of a link to a worker of this process.
  void adopt(std::unique_ptr<MemoryWorkerLink> link);

  /// Closes the port and all links.
  void stop();

  /// The connection's worker is in the state: from now on it is `worker`, and what is
  /// sent to `worker` goes there.
  void accept(std::uint64_t connection, WorkerId worker);
  /// Nothing happens when the worker is gone.
  void send(WorkerId worker, const MasterMessage& message);
  /// Sends on the connection that the worker has now, from any thread, also when the
  /// gateway is gone; nothing happens when the connection is.
  std::function<void(const MasterMessage& message)> sender(WorkerId worker) const;
  void close(WorkerId worker, const std::string& reason);

 private:
  struct Connection;

  std::shared_ptr<Connection> add_connection();
  WorkerLinkEvents events_of(const std::shared_ptr<Connection>& connection);
  void on_messages(Connection& connection, std::span<WorkerMessage> messages);
  void on_join(Connection& connection, Join& join);
  std::shared_ptr<Connection> note_joined(Connection& connection, const core::WorkerSpec& spec);
  void on_pong(Connection& connection, WorkerId worker, Pong& pong);
  void on_closed(const std::shared_ptr<Connection>& connection, const std::string& reason);
  void forget(const Connection& connection);
  void post_left(const Connection& connection, const std::string& reason);
  void gather(core::Event event);
  void log(LogLevel level, const std::string& line) const;

  CoreLoop& loop_;
  const GatewayOptions options_;
  std::string endpoint_;
  std::unique_ptr<net::IoThread> io_;
  std::unique_ptr<net::RpcListener> listener_;
  bool tls_ = false;  ///< of the listener; then of its workers' resource ports as well

  std::mutex mutex_;  ///< of what follows
  /// Those that are open, and those that broke after their Join and before accept().
  std::map<std::uint64_t, std::shared_ptr<Connection>> connections_;
  std::map<std::string, std::shared_ptr<Connection>, std::less<>>
      joined_;  ///< the latest of a name
  std::uint64_t next_connection_ = 1;

  std::map<WorkerId, std::shared_ptr<Connection>> workers_;  ///< on the loop's thread

  std::mutex batch_mutex_;  ///< memory links have threads of their own
  std::vector<core::Event> batch_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_GATEWAY_H
