#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/tcp_link.h"
#include "runtime/worker_protocol.h"

namespace francine::runtime {

class TcpWorkerLink::Impl : public std::enable_shared_from_this<TcpWorkerLink::Impl> {
 public:
  Impl(std::shared_ptr<net::FrameConnection> connection, WorkerLinkEvents events)
      : connection_(std::move(connection)), events_(std::move(events)) {}

  void start() {
    // The connection keeps this alive until it is closed, whatever its owner does.
    connection_->start({[self = shared_from_this()](std::span<const std::string_view> frames) {
                          self->on_frames(frames);
                        },
                        [self = shared_from_this()](const std::string& reason) {
                          self->events_.on_closed(reason);
                        }});
  }

  void send(const MasterMessage& message) {
    // The order of encoding is the order of sending: the peer remembers what was
    // described in the messages before.
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    welcomed_ = welcomed_ || std::holds_alternative<Welcome>(message);
    buffer_.clear();
    encoder_.encode(message, buffer_);
    connection_->send(buffer_);
    if (buffer_.capacity() > kMaxKeptBuffer) std::string().swap(buffer_);
  }

  void close(const std::string& reason) {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = true;
    std::string goodbye;
    encoder_.encode_close(reason, welcomed_, goodbye);
    connection_->send(goodbye);
    connection_->close(reason);
  }

  const std::string& peer() const { return connection_->peer(); }

 private:
  static constexpr std::size_t kMaxKeptBuffer = 64 << 10;

  void on_frames(std::span<const std::string_view> frames) {
    batch_.clear();
    std::optional<std::string> end;
    bool gone = false;
    const auto sink = [&](std::variant<WorkerMessage, Closing>&& message) {
      if (auto* closing = std::get_if<Closing>(&message)) {
        end = "the worker said: " + closing->reason;
        gone = closing->gone;
      } else {
        batch_.push_back(std::get<WorkerMessage>(std::move(message)));
      }
    };
    for (const std::string_view frame : frames) {
      if (end) break;
      const auto decoded = decoder_.decode(frame, sink);
      if (!decoded.ok()) end = decoded.error().message;
    }
    if (!batch_.empty()) events_.on_messages(batch_);
    if (gone && events_.on_goodbye) events_.on_goodbye();
    if (end) close(*end);
  }

  const std::shared_ptr<net::FrameConnection> connection_;
  const WorkerLinkEvents events_;

  // On the IoThread only.
  WorkerDecoder decoder_;
  std::vector<WorkerMessage> batch_;

  std::mutex mutex_;
  MasterEncoder encoder_;
  std::string buffer_;
  bool welcomed_ = false;
  bool closed_ = false;
};

std::shared_ptr<TcpWorkerLink> TcpWorkerLink::start(
    std::shared_ptr<net::FrameConnection> connection, WorkerLinkEvents events) {
  auto impl = std::make_shared<Impl>(std::move(connection), std::move(events));
  impl->start();
  return std::shared_ptr<TcpWorkerLink>(new TcpWorkerLink(std::move(impl)));
}

TcpWorkerLink::TcpWorkerLink(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
TcpWorkerLink::~TcpWorkerLink() { impl_->close("the master has let go of this worker"); }

void TcpWorkerLink::send(const MasterMessage& message) { impl_->send(message); }
void TcpWorkerLink::close(const std::string& reason) { impl_->close(reason); }
const std::string& TcpWorkerLink::peer() const { return impl_->peer(); }

}  // namespace francine::runtime
