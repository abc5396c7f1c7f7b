#include "api/messages.h"

#include <array>
#include <utility>

#include "api/answers.h"
#include "base/base64.h"
#include "net/json_writer.h"

namespace francine::api {
namespace {

using Type = JsonValue::Type;

constexpr std::string_view kWhat = "the message";
constexpr std::array<std::string_view, 2> kIds = {"requestId", "responseId"};

Error wrong(std::string_view member, std::string_view wanted, const JsonValue* given) {
  return {ErrorCode::kInvalidArgument,
          std::string(member) + " must be " + std::string(wanted) +
              (given == nullptr ? " and is missing" : ", not " + quote(*given))};
}

/// The opening, and after it a member that is not yet written.
std::string begun(std::string_view opening, std::size_t more) {
  std::string text;
  text.reserve(opening.size() + more + 8);
  text.append(opening);
  return text;
}

}  // namespace

Result<Message> parse_message(std::string_view text) {
  Result<Body> body = parse_body(std::string(text), kWhat);
  if (!body) return body.error();
  Message message;
  message.body = *std::move(body);
  const JsonValue* command = message.body.json.find("command");
  if (command == nullptr || !command->is(Type::kString)) {
    return wrong("command", "a string", command);
  }
  message.command = command->text;
  message.opening = "{\"command\":";
  net::append_json_string(message.opening, message.command);
  for (const std::string_view name : kIds) {
    const JsonValue* id = message.body.json.find(name);
    if (id == nullptr) continue;
    if (!id->is(Type::kNumber) || id->text.size() > kMaxIdLength) {
      return wrong(name, "a number of at most " + std::to_string(kMaxIdLength) + " characters", id);
    }
    message.ids.append(",\"").append(name).append("\":").append(id->text);
  }
  message.opening += message.ids;
  return message;
}

std::string answer(std::string_view opening, std::string_view body) {
  std::string text = begun(opening, body.size());
  if (body != "{}") text.push_back(',');
  text.append(body.substr(1));
  return text;
}

std::string error_answer(std::string_view opening, std::string_view reason) {
  return answer(opening, error_json(reason));
}

std::string picture_answer(std::string_view opening, const EncodedImage& picture) {
  std::string text = begun(opening, picture.bytes.size() / 3 * 4 + 64);
  text.append(",\"format\":\"").append(format_name(picture.format)).append("\",\"image\":\"");
  base::append_base64(text, picture.bytes);
  text.append("\"}");
  return text;
}

std::string binary_picture_answer(std::string_view opening, const EncodedImage& picture) {
  std::string text = begun(opening, 64);
  text.append(",\"format\":\"").append(format_name(picture.format));
  text.append("\",\"binary\":true,\"bytes\":").append(std::to_string(picture.bytes.size()));
  text.push_back('}');
  return text;
}

std::string answer_with_missed(std::string_view opening, std::string_view body,
                               std::uint64_t missed) {
  std::string text = answer(opening, body);
  if (missed == 0) return text;
  text.pop_back();
  return text.append(",\"missed\":").append(std::to_string(missed)).append("}");
}

Result<std::string_view> required_name(const Body& body, std::string_view member) {
  const JsonValue* value = body.json.find(member);
  if (value == nullptr || !value->is(Type::kString)) return wrong(member, "a string", value);
  return std::string_view(value->text);
}

Result<std::string_view> optional_name(const Body& body, std::string_view member) {
  if (body.json.find(member) == nullptr) return std::string_view();
  return required_name(body, member);
}

Result<bool> wants_binary(const Body& body) {
  const JsonValue* value = body.json.find("binary");
  if (value == nullptr) return false;
  if (!value->is(Type::kBool)) return wrong("binary", "true or false", value);
  return value->boolean;
}

std::string cluster_state_json(const ClusterInfo& info, const std::vector<WorkerInfo>& workers) {
  std::string text;
  net::JsonWriter json(text);
  json.begin_object();
  json.member("sessions", info.sessions);
  json.member("executions", info.executions);
  json.member("timeouts", info.running_tasks);
  json.key("workers").begin_array();
  for (const WorkerInfo& worker : workers) json.value(activity_name(worker.activity));
  json.end_array();
  json.key("tasks").begin_object();
  json.member("waiting", info.pending_shares + info.pending_reductions);
  json.member("running", info.running_tasks).end_object();
  json.end_object();
  return text;
}

std::string progress_json(const ExecutionInfo& info) {
  const bool running = info.state == ExecutionState::kRunning;
  const double done = info.shares_done;
  const double all = info.parallel;
  std::string text;
  net::JsonWriter json(text);
  json.begin_object().member("name", info.name).member("sessionName", info.session_name);
  json.member("state", state_name(info.state));
  json.member("parallel", info.parallel);
  json.member("sharesDone", info.shares_done);
  json.member("weight", all > 0 ? done / all : 0.0);
  json.member("elapsed", info.times.total_ms);
  json.key("timeLeft");
  if (!running) {
    json.value(0);
  } else if (done > 0) {
    // The rest as fast as so far.
    json.value(
        static_cast<std::int64_t>(static_cast<double>(info.times.total_ms) * (all - done) / done));
  } else {
    json.null();
  }
  json.member("finished", !running);
  if (!info.error.empty()) json.member("error", info.error);
  json.end_object();
  return text;
}

}  // namespace francine::api
