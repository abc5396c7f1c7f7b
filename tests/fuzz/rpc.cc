// JSON-RPC frames, and the words of the worker protocol in them: lines are the frames
// of one connection, once of one that has just begun and once of one that has joined.

#include "fuzz.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "net/json_rpc.h"
#include "runtime/join_check.h"
#include "runtime/worker_protocol.h"

namespace francine::fuzz {
namespace {

using namespace francine::runtime;

constexpr std::string_view kJoin =
    R"({"jsonrpc":"2.0","id":1,"method":"join","params":{"name":"w","arithmetic":"a",)"
    R"("endpoint":"e","slots":1,"partialBudget":1,"processId":1,"life":"f","report":)"
    R"({"cluster":"","running":[],"kept":[],"sessions":[]}}})";
constexpr std::string_view kWelcome =
    R"({"jsonrpc":"2.0","id":1,"result":{"endpoint":"e","pingPeriodMs":1,"cluster":"c"}})";

std::vector<std::string_view> lines(std::string_view input) {
  std::vector<std::string_view> all;
  while (!input.empty()) {
    const std::size_t end = std::min(input.find('\n'), input.size());
    all.push_back(input.substr(0, end));
    input.remove_prefix(std::min(end + 1, input.size()));
  }
  return all;
}

/// What was read can be written, and that can be read.
void check_again(const WorkerMessage& message) {
  std::string frame;
  WorkerDecoder decoder;
  const auto ignore = [](auto&&) {};
  if (const auto* join = std::get_if<Join>(&message)) {
    static_cast<void>(objection(*join, false));
  } else {
    check(decoder.decode(kJoin, ignore).ok());
  }
  encode_worker_message(message, frame);
  check(decoder.decode(frame, ignore).ok());
}

void check_again(const MasterMessage& message) {
  std::string frame;
  MasterDecoder decoder;
  const auto ignore = [](auto&&) {};
  if (!std::holds_alternative<Welcome>(message)) check(decoder.decode(kWelcome, ignore).ok());
  MasterEncoder encoder;
  encoder.encode(message, frame);
  check(decoder.decode(frame, ignore).ok());
}

template <typename Decoder, typename Message>
void converse(Decoder decoder, std::string_view opening,
              const std::vector<std::string_view>& frames) {
  // Looked at afterwards: decoders of one thread share their reader.
  std::vector<Message> heard;
  const auto sink = [&](auto&& said) {
    if (auto* message = std::get_if<Message>(&said)) heard.push_back(std::move(*message));
  };
  if (!opening.empty()) check(decoder.decode(opening, sink).ok());
  for (const std::string_view frame : frames) {
    const auto decoded = decoder.decode(frame, sink);
    for (const Message& message : std::exchange(heard, {})) check_again(message);
    if (decoded.ok()) continue;
    check(decoded.error().message.size() > 20);
    return;
  }
}

void read(std::string_view frame) {
  net::JsonRpcReader reader;
  const auto read = reader.read(frame, [](const net::JsonRpcMessage& message) -> Result<void> {
    if (message.id == nullptr) return {};
    // An id goes back as it came.
    std::string answer;
    net::begin_result(answer, *message.id);
    answer += "{}";
    net::end_rpc(answer);
    net::JsonRpcReader again;
    const auto nothing = [](const net::JsonRpcMessage&) -> Result<void> { return {}; };
    if (message.kind == net::JsonRpcMessage::Kind::kRequest) {
      check(again.read(answer, nothing).ok());
    }
    return {};
  });
  check(read.ok() || !read.error().message.empty());
}

}  // namespace

void one_input(std::string_view input) {
  read(input);
  const std::vector<std::string_view> frames = lines(input);
  converse<WorkerDecoder, WorkerMessage>({}, {}, frames);
  converse<WorkerDecoder, WorkerMessage>({}, kJoin, frames);
  converse<MasterDecoder, MasterMessage>({}, {}, frames);
  converse<MasterDecoder, MasterMessage>({}, kWelcome, frames);
}

}  // namespace francine::fuzz
