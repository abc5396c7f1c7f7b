#include "runtime/gateway.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "runtime/tcp_link.h"

namespace francine::runtime {
namespace {

constexpr std::size_t kMaxNameBytes = 64;
constexpr std::size_t kMaxTextBytes = 256;  ///< of an endpoint or an arithmetic

bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= kMaxNameBytes &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

/// Why this worker cannot join; empty if it can.
std::string objection(const Join& join, bool tls) {
  if (!is_name(join.name)) return "its name is not 1 to 64 characters of [A-Za-z0-9._-]";
  if (join.slots < 1 || join.slots > kMaxSlots) {
    return "it has " + std::to_string(join.slots) + " slots, not 1 to " + std::to_string(kMaxSlots);
  }
  if (join.arithmetic.empty() || join.arithmetic.size() > kMaxTextBytes) {
    return "it does not name its arithmetic";
  }
  if (join.endpoint.empty() || join.endpoint.size() > kMaxTextBytes) {
    return "it does not name its resource port";
  }
  if (tls && !join.endpoint.starts_with("https://")) {
    return "its resource port does not speak TLS";
  }
  return {};
}

}  // namespace

/// One link, from its first byte to its last. `worker` is 0 until accept().
struct Gateway::Connection {
  std::uint64_t number = 0;
  std::string peer;
  std::shared_ptr<WorkerLink> link;
  std::atomic<std::uint64_t> worker{0};
  bool in_memory = false;
  bool joined = false;  ///< it has said Join; on the link's thread
  std::string name;     ///< of the worker, when it has joined; likewise

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
  return events;
}

void Gateway::on_messages(Connection& connection, std::span<WorkerMessage> messages) {
  const WorkerId worker = connection.worker_id();
  for (WorkerMessage& message : messages) {
    if (const auto* join = std::get_if<Join>(&message)) {
      on_join(connection, *join);
    } else if (worker == WorkerId{}) {
      connection.link->close("it spoke before it was welcomed");
      return;
    } else if (auto* finished = std::get_if<core::TaskFinished>(&message)) {
      gather(core::WorkerFinished{worker, std::move(*finished)});
    } else if (auto* failed = std::get_if<core::TaskFailed>(&message)) {
      gather(core::WorkerFailed{worker, std::move(*failed)});
    } else {
      on_pong(connection, worker, std::get<Pong>(message));
    }
  }
  if (connection.in_memory) {
    const std::lock_guard lock(batch_mutex_);
    loop_.post(batch_);
  }
}

void Gateway::on_join(Connection& connection, const Join& join) {
  const std::string why = connection.joined ? "it joined twice" : objection(join, tls_);
  connection.joined = true;
  if (!why.empty()) {
    log(LogLevel::kWarning, "refused a worker at " + connection.peer + ": " + why);
    connection.link->close("refused: " + why);
    return;
  }
  connection.name = join.name;
  auto spec = std::make_shared<core::WorkerSpec>();
  spec->name = join.name;
  spec->endpoint = join.endpoint;
  spec->arithmetic = join.arithmetic;
  spec->slots = join.slots;
  spec->partial_budget_bytes = join.partial_budget_bytes;
  gather(core::WorkerJoined{std::move(spec), connection.number});
}

void Gateway::on_pong(Connection& connection, WorkerId worker, Pong& pong) {
  if (options_.worker_log && (!pong.logs.empty() || pong.dropped_logs != 0)) {
    options_.worker_log(connection.name, std::move(pong.logs), pong.dropped_logs);
  }
  gather(core::WorkerHeard{worker, std::move(pong.cached_sessions)});
}

void Gateway::on_closed(const std::shared_ptr<Connection>& connection, const std::string& reason) {
  {
    const std::lock_guard lock(mutex_);
    connections_.erase(connection->number);
  }
  // Only on the loop's thread is it known whether it has been accepted.
  loop_.call([this, connection, reason](const core::State&) {
    const WorkerId worker = connection->worker_id();
    if (worker == WorkerId{}) return;  // accept() will not find the connection
    workers_.erase(worker);
    loop_.post(core::WorkerLeft{worker, reason});
  });
}

void Gateway::accept(std::uint64_t number, WorkerId worker) {
  std::shared_ptr<Connection> connection;
  {
    const std::lock_guard lock(mutex_);
    const auto it = connections_.find(number);
    if (it != connections_.end()) connection = it->second;
  }
  if (!connection) {
    loop_.post(core::WorkerLeft{worker, "its connection broke while it joined"});
    return;
  }
  connection->worker = static_cast<std::uint64_t>(worker);
  workers_.emplace(worker, connection);
  connection->link->send(Welcome{endpoint_, options_.ping_period});
}

void Gateway::send(WorkerId worker, const MasterMessage& message) {
  const auto it = workers_.find(worker);
  if (it != workers_.end()) it->second->link->send(message);
}

void Gateway::close(WorkerId worker, const std::string& reason) {
  const auto it = workers_.find(worker);
  if (it == workers_.end()) return;
  const std::shared_ptr<Connection> connection = it->second;
  workers_.erase(it);
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
