#include "runtime/gateway.h"

#include <atomic>
#include <utility>

#include "runtime/join_check.h"
#include "runtime/tcp_link.h"

namespace francine::runtime {

/// One link, from its first byte to its last.
struct Gateway::Connection {
  std::uint64_t number = 0;
  std::string peer;
  std::shared_ptr<WorkerLink> link;
  bool in_memory = false;

  // On the link's thread.
  bool spoke = false;    ///< it has said Join, or something else
  bool goodbye = false;  ///< the worker will not come back with what it has

  // Guarded by the gateway's mutex.
  bool open = true;
  bool joined = false;  ///< with a Join that is passed on; accept() follows
  std::string name;     ///< of the worker, once it has joined; likewise
  std::string life;

  std::atomic<std::uint64_t> worker{0};  ///< 0 until accept(); set under the mutex
  std::atomic<bool> over{false};         ///< replaced or closed: nothing more is heard of it

  WorkerId worker_id() const { return WorkerId{worker.load()}; }
};

Gateway::Gateway(CoreLoop& loop, GatewayOptions options)
    : loop_(loop), options_(std::move(options)) {}

Gateway::~Gateway() { stop(); }

Result<std::uint16_t> Gateway::listen(const std::string& address, std::uint16_t port,
                                      const net::ClusterKeys& keys,
                                      std::shared_ptr<const net::TlsContext> tls) {
  io_ = std::make_unique<net::IoThread>();
  io_->set_batch_end([this] {
    const std::lock_guard lock(batch_mutex_);
    loop_.post(batch_);
  });
  net::RpcListenerOptions options;
  options.role = net::Role::kMaster;
  options.bind_address = address;
  options.port = port;
  options.limits = kLinkLimits;
  tls_ = tls != nullptr;
  options.tls = std::move(tls);
  net::RpcListenerEvents events;
  events.on_connection = [this](std::shared_ptr<net::FrameConnection> connection) {
    const auto added = add_connection();
    added->peer = connection->peer();
    added->link = TcpWorkerLink::start(std::move(connection), events_of(added));
  };
  events.on_refused = [this](const std::string& peer, const std::string& reason) {
    log(LogLevel::kWarning, "refused a worker at " + peer + ": " + reason);
  };
  auto listener = net::RpcListener::start(*io_, std::move(options), keys, std::move(events));
  if (!listener) return listener.error();
  listener_ = std::move(listener).value();
  return listener_->port();
}

void Gateway::adopt(std::unique_ptr<MemoryWorkerLink> link) {
  const auto added = add_connection();
  added->peer = "this process";
  added->in_memory = true;
  MemoryWorkerLink& started = *link;
  added->link = std::move(link);
  started.start(events_of(added));
}

void Gateway::stop() {
  if (listener_) listener_->stop();
  std::map<std::uint64_t, std::shared_ptr<Connection>> connections;
  {
    const std::lock_guard lock(mutex_);
    connections.swap(connections_);
    joined_.clear();
  }
  for (const auto& [number, connection] : connections) {
    if (connection->link) connection->link->close("the master has stopped");
  }
  if (io_) io_->stop();
  for (const auto& [number, connection] : connections) connection->link.reset();
}

std::shared_ptr<Gateway::Connection> Gateway::add_connection() {
  auto connection = std::make_shared<Connection>();
  const std::lock_guard lock(mutex_);
  connection->number = next_connection_++;
  connections_.emplace(connection->number, connection);
  return connection;
}

WorkerLinkEvents Gateway::events_of(const std::shared_ptr<Connection>& connection) {
  WorkerLinkEvents events;
  // Weak: the connection owns the link, which owns these.
  const std::weak_ptr<Connection> weak = connection;
  events.on_messages = [this, weak](std::span<WorkerMessage> messages) {
    if (const auto held = weak.lock()) on_messages(*held, messages);
  };
  events.on_closed = [this, weak](const std::string& reason) {
    if (const auto held = weak.lock()) on_closed(held, reason);
  };
  events.on_goodbye = [weak] {
    if (const auto held = weak.lock()) held->goodbye = true;
  };
  return events;
}

void Gateway::on_messages(Connection& connection, std::span<WorkerMessage> messages) {
  const WorkerId worker = connection.worker_id();
  for (WorkerMessage& message : messages) {
    if (connection.over) return;
    if (auto* join = std::get_if<Join>(&message)) {
      on_join(connection, *join);
    } else if (worker == WorkerId{}) {
      connection.link->close("it spoke before it was welcomed");
      return;
    } else if (auto* finished = std::get_if<core::TaskFinished>(&message)) {
      gather(core::WorkerFinished{worker, std::move(*finished)});
    } else if (auto* failed = std::get_if<core::TaskFailed>(&message)) {
      gather(core::WorkerFailed{worker, std::move(*failed)});
    } else if (auto* fetched = std::get_if<core::FetchedFiles>(&message)) {
      gather(core::WorkerFetched{worker, std::move(*fetched)});
    } else if (auto* received = std::get_if<core::ReceivedFiles>(&message)) {
      gather(core::WorkerReceived{worker, *received});
    } else {
      on_pong(connection, worker, std::get<Pong>(message));
    }
  }
  if (connection.in_memory) {
    const std::lock_guard lock(batch_mutex_);
    loop_.post(batch_);
  }
}

void Gateway::on_join(Connection& connection, Join& join) {
  const std::string why = connection.spoke ? "it joined twice" : objection(join, tls_);
  connection.spoke = true;
  if (!why.empty()) {
    log(LogLevel::kWarning, "refused a worker at " + connection.peer + ": " + why);
    connection.link->close("refused: " + why);
    return;
  }
  connection.name = join.name;
  auto spec = std::make_shared<core::WorkerSpec>();
  spec->name = join.name;
  spec->life = join.life;
  spec->endpoint = join.endpoint;
  spec->arithmetic = join.arithmetic;
  spec->zone = join.zone;
  spec->slots = join.slots;
  spec->partial_budget_bytes = join.partial_budget_bytes;
  if (const auto replaced = note_joined(connection, *spec)) {
    replaced->link->close("the worker has joined again");
  }
  gather(core::WorkerJoined{std::move(spec), connection.number, std::move(join.report)});
}

/// The connection that this one replaces, if the worker has another one. From here on
/// nothing more comes of it: whatever it said is in the queue before this Join.
std::shared_ptr<Gateway::Connection> Gateway::note_joined(Connection& connection,
                                                          const core::WorkerSpec& spec) {
  const std::lock_guard lock(mutex_);
  const auto self = connections_.find(connection.number);
  if (self == connections_.end()) return nullptr;  // stop() has begun
  connection.name = spec.name;
  connection.life = spec.life;
  connection.joined = true;
  std::shared_ptr<Connection>& latest = joined_[spec.name];
  const auto before = std::exchange(latest, self->second);
  if (!before || before->life != spec.life) return nullptr;
  before->over = true;
  return before;
}

void Gateway::on_pong(Connection& connection, WorkerId worker, Pong& pong) {
  if (options_.worker_log && (!pong.logs.empty() || pong.dropped_logs != 0)) {
    options_.worker_log(connection.name, std::move(pong.logs), pong.dropped_logs);
  }
  gather(core::WorkerHeard{worker, std::move(pong.cached_sessions)});
}

void Gateway::on_closed(const std::shared_ptr<Connection>& connection, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  connection->open = false;
  if (connection->worker_id() != WorkerId{}) {
    post_left(*connection, reason);
  } else if (connection->joined && !connection->over) {
    return;  // accept() will find that it is no longer open
  }
  forget(*connection);
}

/// Under the mutex, as is the look at who has replaced it: no Join of a later
/// connection of the worker gets into the queue between the two.
void Gateway::post_left(const Connection& connection, const std::string& reason) {
  if (connection.over) return;
  const std::lock_guard lock(batch_mutex_);
  batch_.emplace_back(
      core::WorkerLeft{connection.worker_id(), reason, connection.in_memory || connection.goodbye});
  loop_.post(batch_);
}

void Gateway::forget(const Connection& connection) {
  const auto latest = joined_.find(connection.name);
  if (latest != joined_.end() && latest->second.get() == &connection) joined_.erase(latest);
  connections_.erase(connection.number);
}

void Gateway::accept(std::uint64_t number, WorkerId worker) {
  std::shared_ptr<Connection> connection;
  {
    const std::lock_guard lock(mutex_);
    const auto it = connections_.find(number);
    if (it == connections_.end()) return;  // stop() has begun
    connection = it->second;
    connection->worker = static_cast<std::uint64_t>(worker);
    if (!connection->open) {
      post_left(*connection, "its connection broke while it joined");
      forget(*connection);
    }
  }
  workers_[worker] = connection;
  connection->link->send(
      Welcome{endpoint_, options_.ping_period, options_.cluster, options_.chaos});
}

void Gateway::send(WorkerId worker, const MasterMessage& message) {
  const auto it = workers_.find(worker);
  if (it != workers_.end()) it->second->link->send(message);
}

std::function<void(const MasterMessage&)> Gateway::sender(WorkerId worker) const {
  const auto it = workers_.find(worker);
  if (it == workers_.end()) return [](const MasterMessage&) {};
  return [weak = std::weak_ptr(it->second)](const MasterMessage& message) {
    const auto connection = weak.lock();
    if (connection && !connection->over) connection->link->send(message);
  };
}

void Gateway::close(WorkerId worker, const std::string& reason) {
  const auto it = workers_.find(worker);
  if (it == workers_.end()) return;
  const std::shared_ptr<Connection> connection = it->second;
  workers_.erase(it);
  connection->over = true;
  connection->link->close(reason);
}

void Gateway::gather(core::Event event) {
  const std::lock_guard lock(batch_mutex_);
  batch_.push_back(std::move(event));
}

void Gateway::log(LogLevel level, const std::string& line) const {
  if (options_.log) options_.log(log_record(level, line));
}

}  // namespace francine::runtime
