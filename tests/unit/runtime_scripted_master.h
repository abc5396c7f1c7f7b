// A master that does what the test says: it accepts workers and records them.

#ifndef FRANCINE_TESTS_UNIT_RUNTIME_SCRIPTED_MASTER_H
#define FRANCINE_TESTS_UNIT_RUNTIME_SCRIPTED_MASTER_H

#include <memory>
#include <string>
#include <utility>

#include "net/cluster_keys.h"
#include "net/io_thread.h"
#include "net/rpc_listener.h"
#include "runtime/tcp_link.h"
#include "runtime_fakes.h"

namespace francine::runtime::testing {

/// A master that can be told what to do: a listener whose links are recorded.
class ScriptedMaster {
 public:
  struct Life {
    std::shared_ptr<TcpWorkerLink> link;
    std::shared_ptr<Inbox<WorkerMessage>> said = std::make_shared<Inbox<WorkerMessage>>();
    std::shared_ptr<Inbox<std::string>> closed = std::make_shared<Inbox<std::string>>();
  };

  explicit ScriptedMaster(const std::string& secret = "secret", std::uint16_t port = 0)
      : keys_(secret) {
    net::RpcListenerOptions options;
    options.port = port;
    options.limits = kLinkLimits;
    listener_ =
        net::RpcListener::start(
            io_, options, keys_,
            {[this](std::shared_ptr<net::FrameConnection> connection) {
               Life life;
               life.link = TcpWorkerLink::start(
                   std::move(connection),
                   {[said = life.said](std::span<WorkerMessage> messages) {
                      for (auto& message : messages) said->push(std::move(message));
                    },
                    [closed = life.closed](const std::string& reason) { closed->push(reason); }});
               lives.push(std::move(life));
             },
             [](const std::string&, const std::string&) {}})
            .value();
  }

  std::uint16_t port() const { return listener_->port(); }

  Inbox<Life> lives;

 private:
  net::ClusterKeys keys_;
  net::IoThread io_;
  std::unique_ptr<net::RpcListener> listener_;
};

}  // namespace francine::runtime::testing

#endif  // FRANCINE_TESTS_UNIT_RUNTIME_SCRIPTED_MASTER_H
