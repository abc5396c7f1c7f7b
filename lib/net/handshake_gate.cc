#include "net/handshake_gate.h"

#include <utility>

namespace francine::net {

HandshakeGate::HandshakeGate(IoThread& io, std::shared_ptr<FrameConnection> connection,
                             HandshakeOptions options, const ClusterKeys& keys,
                             FrameLimits proven_limits)
    : io_(io),
      connection_(std::move(connection)),
      handshake_(options, keys),
      proven_limits_(proven_limits) {}

void HandshakeGate::start(std::chrono::milliseconds timeout, Done done) {
  done_ = std::move(done);
  io_.post_after(timeout, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->abandon("it did not complete the handshake in time");
    }
  });
  connection_->start({[self = shared_from_this()](auto frames) { self->on_frames(frames); },
                      [self = shared_from_this()](const std::string& reason) {
                        std::optional<HandshakeFailure> failure;
                        if (self->connection_->misfit()) failure = HandshakeFailure::kTls;
                        self->finish({false, failure, reason});
                      }});
  if (const auto frame = handshake_.first_frame()) connection_->send(*frame);
}

void HandshakeGate::abandon(const std::string& reason) { finish({false, std::nullopt, reason}); }

void HandshakeGate::on_frames(std::span<const std::string_view> frames) {
  for (std::size_t i = 0; i < frames.size() && done_; ++i) {
    if (const auto answer = handshake_.on_frame(frames[i])) connection_->send(*answer);
    if (handshake_.failed()) {
      finish({false, handshake_.failure(), handshake_.reason()});
    } else if (handshake_.done()) {
      connection_->set_limits(proven_limits_);
      const auto connection = connection_;
      finish({true, std::nullopt, ""});
      connection->hand_over(frames.subspan(i + 1));
    }
  }
}

void HandshakeGate::finish(GateOutcome outcome) {
  if (!done_) return;
  const Done done = std::exchange(done_, nullptr);
  if (!outcome.proven) connection_->close(outcome.reason);
  done(outcome);
}

}  // namespace francine::net
