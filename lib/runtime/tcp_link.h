// The link between a master and a worker over TCP: the worker protocol on a
// connection that has proved the cluster secret. Both ends are here.
//
// The life of a link. The worker's first message is Join; the master answers it
// with Welcome (send it) or refuses (close with a reason before any Welcome).
// From then on both send what they like. A malformed message closes the link: the
// peer has proved who it is, so it can only be a defect, and the log says so.
//
// A worker whose link is lost keeps its tasks and partials, and joins afresh: at once
// the first time, then with a back-off that is spread at random, until it is orphaned
// (no Welcome for orphan_timeout). Each Join is made when its connection stands, and
// says what the worker runs and keeps by then. What the two ends have described to
// each other belongs to one connection.
//
// Threads: events are called on the IoThread, must return soon and must not throw.

#ifndef FRANCINE_RUNTIME_TCP_LINK_H
#define FRANCINE_RUNTIME_TCP_LINK_H

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <francine/result.h>

#include "net/cluster_keys.h"
#include "net/frame_connection.h"
#include "net/io_thread.h"
#include "runtime/link.h"

namespace francine::runtime {

/// For the connections of both ends. A session of 10,000 resources with long
/// names takes about 15 MB to describe.
inline constexpr net::FrameLimits kLinkLimits{std::size_t{64} << 20, std::size_t{128} << 20};

/// The master's end. send() writes to the socket at once when nothing is queued;
/// the peer's failure to read, up to kLinkLimits.max_outbox_bytes, closes the link.
class TcpWorkerLink : public WorkerLink {
 public:
  /// Takes over a proven connection; to be called where it was handed over
  /// (net::RpcListenerEvents::on_connection). All messages of one wake-up of this
  /// connection come in one on_messages; net::IoThread::set_batch_end tells when
  /// all connections have been served.
  static std::shared_ptr<TcpWorkerLink> start(std::shared_ptr<net::FrameConnection> connection,
                                              WorkerLinkEvents events);
  /// Closes the link. on_closed is still called, once, soon.
  ~TcpWorkerLink() override;

  void send(const MasterMessage& message) override;
  void close(const std::string& reason) override;
  const std::string& peer() const;  ///< its address, for the log

 private:
  class Impl;
  explicit TcpWorkerLink(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

struct TcpMasterLinkOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::shared_ptr<const net::TlsContext> tls;  ///< a client's; empty: plain
  /// Since start() or the last life's end, without a Welcome.
  std::chrono::milliseconds orphan_timeout = std::chrono::minutes(10);
  /// A connected master has this long to answer Join.
  std::chrono::milliseconds join_timeout = std::chrono::seconds(10);
  std::chrono::milliseconds first_backoff = std::chrono::milliseconds(100);
  std::chrono::milliseconds longest_backoff = std::chrono::seconds(10);
};

struct TcpMasterLinkEvents {
  /// Asked for the Join of each connection. What is sent from here on until the
  /// Welcome is lost, so whoever answers holds it back (TaskRunner::report).
  std::function<Join()> make_join;
  /// Welcome is the first message of each life.
  std::function<void(MasterMessage&& message)> on_message;
  /// A life that was welcomed is over; another one is tried for.
  std::function<void(const std::string& reason)> on_lost;
  /// No more lives. kUnauthenticated: the secret is wrong; kConflict: the master
  /// refused the first join, or speaks another protocol, or TLS where we do not; kUnavailable:
  /// orphaned. The last call (after on_lost, if a life was under way).
  std::function<void(const Error& error)> on_ended;
  /// Something for the log: attempts that fail, refusals that are tried again.
  std::function<void(LogLevel level, const std::string& line)> on_note;
};

/// The worker's end: one link through many lives, each of one connection. A message
/// that is sent before the Welcome of a life or after its end, or of which the
/// connection breaks, is lost. A refusal of the first join
/// (a name in use, say) ends it; a later one is tried again, since a master may
/// not be ready for it. A master that is silent for four ping periods (at least 10 s)
/// is taken for lost.
class TcpMasterLink : public MasterLink {
 public:
  /// `io` must outlive the link.
  TcpMasterLink(net::IoThread& io, TcpMasterLinkOptions options, const net::ClusterKeys& keys);
  /// Says goodbye (the worker is gone, with all that it had) and ends. When it returns, no event is
  /// running or will be called. Not on the IoThread.
  ~TcpMasterLink() override;

  /// Begins to dial; once.
  void start(TcpMasterLinkEvents events);

  void send(const WorkerMessage& message) override;
  /// Ends the present life only.
  void close(const std::string& reason) override;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_TCP_LINK_H
