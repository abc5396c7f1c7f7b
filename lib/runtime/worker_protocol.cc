#include "runtime/worker_protocol.h"

#include <rapidjson/document.h>

#include <array>
#include <cstdint>
#include <span>

#include "base/crypto.h"
#include "net/json_rpc.h"
#include "net/json_writer.h"
#include "runtime/fetch_words.h"
#include "runtime/join_words.h"
#include "runtime/log_words.h"
#include "runtime/means_words.h"
#include "runtime/params_reader.h"
#include "runtime/spec_words.h"

namespace francine::runtime {
namespace {

using net::JsonRpcMessage;
using net::JsonWriter;
using Json = rapidjson::Value;

constexpr std::uint64_t kJoinRequest = 1;
constexpr int kJoinRefused = -32010;

constexpr std::size_t kMaxName = 256;
constexpr std::size_t kMaxText = 64 << 10;

constexpr std::array<std::string_view, 10> kCodes{
    "invalidArgument", "unauthenticated",   "forbidden",   "notFound",  "conflict",
    "tooLarge",        "resourceExhausted", "unavailable", "cancelled", "internal"};

template <typename Enum, std::size_t N>
std::string_view word(const std::array<std::string_view, N>& words, Enum value) {
  return words.at(static_cast<std::size_t>(value));
}

template <typename Id>
std::uint64_t number(Id id) {
  return static_cast<std::uint64_t>(id);
}

// --- Writing ------------------------------------------------------------------

template <typename Id>
void write_ids(JsonWriter& json, std::span<const Id> ids) {
  json.begin_array();
  for (const Id id : ids) json.value(number(id));
  json.end_array();
}

void write_times(JsonWriter& json, const core::TaskTimes& times) {
  json.key("times").begin_array();
  json.value(times.fetching_us).value(times.producing_us).value(times.reducing_us).end_array();
}

void write_close(std::string_view reason, bool gone, std::string& out) {
  net::begin_notification(out, "close");
  JsonWriter json(out);
  json.begin_object().member("reason", reason);
  if (gone) json.member("gone", true);
  json.end_object();
  net::end_rpc(out);
}

void write(const Join& join, std::string& out) {
  net::begin_request(out, "join", kJoinRequest);
  JsonWriter json(out);
  json.begin_object().member("name", join.name).member("arithmetic", join.arithmetic);
  json.member("endpoint", join.endpoint).member("slots", join.slots);
  json.member("partialBudget", join.partial_budget_bytes).member("processId", join.process_id);
  if (!join.zone.empty()) json.member("zone", join.zone);
  json.member("life", join.life).key("report");
  write_report(json, join.report);
  json.end_object();
}

void write(const Pong& pong, std::string& out) {
  net::begin_notification(out, "pong");
  JsonWriter json(out);
  json.begin_object().key("cachedSessions");
  write_ids<SessionId>(json, pong.cached_sessions);
  json.key("logs");
  write_logs(json, pong.logs);
  json.member("droppedLogs", pong.dropped_logs).end_object();
}

void write(const core::TaskFinished& finished, std::string& out) {
  net::begin_notification(out, "finish");
  JsonWriter json(out);
  json.begin_object().member("task", number(finished.task));
  write_times(json, finished.times);
  json.member("bytes", finished.bytes);
  if (!finished.sha256.empty()) json.member("sha256", finished.sha256);
  if (finished.means) json.member("means", means_text(*finished.means));
  json.end_object();
}

void write(const core::TaskFailed& failed, std::string& out) {
  net::begin_notification(out, "failed");
  JsonWriter json(out);
  json.begin_object().member("task", number(failed.task));
  write_times(json, failed.times);
  json.member("code", word(kCodes, failed.code)).member("reason", failed.reason);
  json.key("missingInputs");
  write_ids<TaskId>(json, failed.missing_inputs);
  json.end_object();
}

void write(const core::ReceivedFiles& received, std::string& out) {
  net::begin_notification(out, "received");
  JsonWriter(out).begin_object().member("session", number(received.session)).end_object();
}

void write(const core::FetchedFiles& fetched, std::string& out) {
  net::begin_notification(out, "fetched");
  JsonWriter json(out);
  write_fetched(json, fetched);
}

// --- Reading ------------------------------------------------------------------

Result<WorkerMessage> read_join(const Json& params) {
  ParamsReader in(params);
  Join join;
  join.name = in.text("name", kMaxName);
  join.arithmetic = in.text("arithmetic", kMaxName);
  join.endpoint = in.text("endpoint", kMaxText);
  join.slots = static_cast<std::uint32_t>(in.uint("slots", kMaxSlots, 1));
  join.partial_budget_bytes = in.uint("partialBudget");
  join.process_id = in.integer("processId");
  join.life = in.text("life", kMaxName);
  if (in.member("zone") != nullptr) join.zone = in.text("zone", kMaxName);
  std::optional<Error> error = in.error();
  const Json* report = in.member("report");
  if (report == nullptr) return wrong_message("\"report\"", "is not there");
  join.report = read_report(*report, error);
  if (error) return *error;
  return WorkerMessage(std::move(join));
}

Result<WorkerMessage> read_pong(const Json& params) {
  ParamsReader in(params);
  Pong pong;
  pong.cached_sessions = in.session_ids("cachedSessions");
  pong.logs = read_logs(in);
  pong.dropped_logs = in.uint("droppedLogs");
  if (in.error()) return *in.error();
  return WorkerMessage(std::move(pong));
}

Result<WorkerMessage> read_finish(const Json& params) {
  ParamsReader in(params);
  core::TaskFinished finished;
  finished.task = TaskId{in.uint("task")};
  finished.times = in.times("times");
  finished.bytes = in.uint("bytes");
  if (const Json* sha256 = in.member("sha256")) {
    finished.sha256 = in.text("sha256", sha256, kMaxName);
    if (!base::is_sha256_hex(finished.sha256)) in.fail("sha256", "is not a SHA-256");
  }
  if (const Json* means = in.member("means")) finished.means = read_means(in, "means", means);
  if (in.error()) return *in.error();
  return WorkerMessage(std::move(finished));
}

Result<WorkerMessage> read_failed(const Json& params) {
  ParamsReader in(params);
  core::TaskFailed failed;
  failed.task = TaskId{in.uint("task")};
  failed.times = in.times("times");
  failed.code = in.one_of<ErrorCode>("code", kCodes);
  failed.reason = in.text("reason", kMaxText);
  failed.missing_inputs = in.task_ids("missingInputs");
  if (in.error()) return *in.error();
  return WorkerMessage(std::move(failed));
}

Result<WorkerMessage> read_files(const Json& params) {
  auto fetched = read_fetched(params);
  if (!fetched.ok()) return fetched.error();
  return WorkerMessage(std::move(*fetched));
}

Result<WorkerMessage> read_received(const Json& params) {
  ParamsReader in(params);
  const core::ReceivedFiles received{SessionId{in.uint("session")}};
  if (in.error()) return *in.error();
  return WorkerMessage(received);
}

Result<Welcome> read_welcome(const Json& result) {
  ParamsReader in(result);
  Welcome welcome;
  welcome.endpoint = in.text("endpoint", kMaxText);
  constexpr std::uint64_t kDayMs = 86'400'000;
  welcome.ping_period = std::chrono::milliseconds(in.uint("pingPeriodMs", kDayMs));
  welcome.cluster = in.text("cluster", kMaxName);
  std::optional<Error> error = in.error();
  if (const Json* chaos = in.member("chaos")) welcome.chaos = read_chaos(*chaos, error);
  if (error) return *error;
  return welcome;
}

Result<Closing> read_close(const Json& params) {
  ParamsReader in(params);
  Closing closing{std::string(in.text("reason", kMaxText)), in.flag("gone")};
  if (in.error()) return *in.error();
  return closing;
}

// Parsing needs some memory, which stays warm when the connections of a thread share it.
net::JsonRpcReader& reader() {
  thread_local net::JsonRpcReader reader;
  return reader;
}

const Json& params_of(const JsonRpcMessage& message) {
  static const Json empty(rapidjson::kObjectType);
  return message.params == nullptr ? empty : *message.params;
}

bool answers_join(const JsonRpcMessage& message) {
  return message.id != nullptr && message.id->IsUint64() && message.id->GetUint64() == kJoinRequest;
}

}  // namespace

// --- The master's end -----------------------------------------------------------

void MasterEncoder::encode_run(const core::RunTask& run, std::string& out) {
  net::begin_notification(out, "run");
  JsonWriter json(out);
  json.begin_object().member("task", number(run.task)).member("kind", word(kTaskKinds, run.kind));
  json.key("shares").begin_array().value(run.shares.begin).value(run.shares.end).end_array();
  if (run.finish) json.member("finish", true);
  json.member("session", number(run.session_id)).member("execution", number(run.execution_id));
  if (!run.inputs.empty()) write_inputs(json, run.inputs);
  if (!run.drop.empty()) {
    json.key("drop");
    write_ids<TaskId>(json, run.drop);
  }
  if (run.scout) {
    json.member("scout", true).key("access");
    write_access(json, run.access);
    write_hints(json, run.hints);
  }
  describe(json, run.session_id, run.session, run.scout);
  if (executions_.find(run.execution_id) == nullptr) {
    json.key("executionSpec");
    write_execution(json, *run.execution);
    executions_.remember(run.execution_id, run.session_id);
  }
  json.end_object();
}

void MasterEncoder::encode_receive(const core::ReceiveFiles& files, std::string& out) {
  net::begin_notification(out, "receive");
  JsonWriter json(out);
  json.begin_object().member("session", number(files.session_id)).key("parents");
  write_parents(json, files.parents);
  if (files.hints) write_hints(json, *files.hints);
  describe(json, files.session_id, files.session, false);
  json.end_object();
}

void MasterEncoder::describe(JsonWriter& json, SessionId id,
                             const std::shared_ptr<const core::SessionSpec>& session,
                             bool for_scout) {
  const Described* known = sessions_.find(id);
  if (known != nullptr && known->spec == session && (known->for_scout || !for_scout)) return;
  json.key("sessionSpec");
  write_session(json, *session, for_scout);
  sessions_.remember(id, {session, for_scout});
}

void MasterEncoder::encode(const MasterMessage& message, std::string& out) {
  if (const auto* run = std::get_if<core::RunTask>(&message)) {
    encode_run(*run, out);
  } else if (const auto* files = std::get_if<core::ReceiveFiles>(&message)) {
    encode_receive(*files, out);
  } else if (const auto* welcome = std::get_if<Welcome>(&message)) {
    net::begin_result(out, kJoinRequest);
    JsonWriter json(out);
    json.begin_object().member("endpoint", welcome->endpoint);
    json.member("pingPeriodMs", welcome->ping_period.count());
    json.member("cluster", welcome->cluster);
    if (welcome->chaos.percent > 0) {
      json.key("chaos");
      write_chaos(json, welcome->chaos);
    }
    json.end_object();
  } else if (std::holds_alternative<Ping>(message)) {
    net::begin_notification(out, "ping");
    JsonWriter(out).begin_object().end_object();
  } else if (const auto* cancel = std::get_if<core::CancelTask>(&message)) {
    net::begin_notification(out, "cancel");
    JsonWriter(out).begin_object().member("task", number(cancel->task)).end_object();
  } else if (const auto* drop = std::get_if<core::DropPartials>(&message)) {
    net::begin_notification(out, "deleteCache");
    JsonWriter json(out);
    json.begin_object().key("partials");
    write_ids<TaskId>(json, drop->partials);
    json.end_object();
  } else {
    const SessionId session = std::get<core::DeleteCache>(message).session;
    net::begin_notification(out, "deleteCache");
    JsonWriter(out).begin_object().member("session", number(session)).end_object();
    sessions_.forget([session](SessionId id, auto) { return id == session; });
    executions_.forget([session](ExecutionId, SessionId of) { return of == session; });
  }
  net::end_rpc(out);
}

void MasterEncoder::encode_close(std::string_view reason, bool joined, std::string& out) {
  if (joined) {
    write_close(reason, false, out);
    return;
  }
  const Json id(kJoinRequest);
  net::append_error(out, &id, kJoinRefused, reason);
}

Result<void> WorkerDecoder::decode(std::string_view frame, const Sink& sink) {
  return reader().read(frame, [&](const JsonRpcMessage& message) -> Result<void> {
    const Json& params = params_of(message);
    const bool request = message.kind == JsonRpcMessage::Kind::kRequest;
    if (!request && message.kind != JsonRpcMessage::Kind::kNotification) {
      return wrong_message("it", "answers a request that was not made");
    }
    if (message.method == "close" && !request) {
      auto closing = read_close(params);
      if (closing.ok()) sink(std::move(*closing));
      return closing.ok() ? Result<void>() : closing.error();
    }
    Result<WorkerMessage> read = wrong_message("the method", "is not known, or not at this time");
    if (message.method == "join") {
      if (!joined_ && request && answers_join(message)) read = read_join(params);
      joined_ = true;
    } else if (joined_ && !request) {
      if (message.method == "finish") read = read_finish(params);
      if (message.method == "failed") read = read_failed(params);
      if (message.method == "pong") read = read_pong(params);
      if (message.method == "fetched") read = read_files(params);
      if (message.method == "received") read = read_received(params);
    }
    if (!read.ok()) return read.error();
    sink(std::move(*read));
    return {};
  });
}

// --- The worker's end -----------------------------------------------------------

void encode_worker_message(const WorkerMessage& message, std::string& out) {
  std::visit([&](const auto& words) { write(words, out); }, message);
  net::end_rpc(out);
}

void encode_worker_close(std::string_view reason, bool gone, std::string& out) {
  write_close(reason, gone, out);
}

void MasterDecoder::forget(SessionId session) {
  sessions_.forget([session](SessionId id, const auto&) { return id == session; });
  executions_.forget(
      [session](ExecutionId, const Execution& known) { return known.session == session; });
}

std::shared_ptr<const core::SessionSpec> MasterDecoder::described(const ParamsReader& in,
                                                                  SessionId id,
                                                                  std::optional<Error>& error) {
  if (const Json* spec = in.member("sessionSpec")) {
    sessions_.remember(id, read_session(*spec, error));
  }
  const auto* session = sessions_.find(id);
  return session == nullptr ? nullptr : *session;
}

Result<core::ReceiveFiles> MasterDecoder::decode_receive(const Json& params) {
  ParamsReader in(params);
  core::ReceiveFiles files;
  files.session_id = SessionId{in.uint("session")};
  std::optional<Error> error = in.error();
  files.parents = read_parents(in, error);
  if (auto hints = read_hints(in, error); !hints.empty()) {
    files.hints = std::make_shared<const std::vector<core::FileHint>>(std::move(hints));
  }
  files.session = described(in, files.session_id, error);
  if (error) return *error;
  if (files.session == nullptr) {
    return wrong_message("receive", "names a session that was not described");
  }
  return files;
}

Result<core::RunTask> MasterDecoder::decode_run(const Json& params) {
  ParamsReader in(params);
  core::RunTask run;
  run.task = TaskId{in.uint("task")};
  run.kind = in.one_of<TaskKind>("kind", kTaskKinds);
  if (const auto range = in.list("shares", 2, 2); !range.empty()) {
    run.shares = in.shares("shares", range.data());
  }
  run.finish = in.flag("finish");
  run.session_id = SessionId{in.uint("session")};
  run.execution_id = ExecutionId{in.uint("execution")};
  run.inputs = read_inputs(in);
  run.drop = in.task_ids("drop");
  run.scout = in.flag("scout");
  std::optional<Error> error = in.error();
  if (run.scout) {
    run.access = read_access(in, error);
    run.hints = read_hints(in, error);
  }
  if (error) return *error;

  run.session = described(in, run.session_id, error);
  if (const Json* spec = in.member("executionSpec")) {
    executions_.remember(run.execution_id, {run.session_id, read_execution(*spec, error)});
  }
  if (error) return *error;
  const Execution* execution = executions_.find(run.execution_id);
  if (run.session == nullptr || execution == nullptr) {
    return wrong_message("run", "names a session or execution that was not described");
  }
  run.execution = execution->spec;
  if (run.shares.end > run.execution->parallel) {
    return wrong_message("\"shares\"", "is not within the execution");
  }
  return run;
}

Result<void> MasterDecoder::decode_call(std::string_view method, const Json& params,
                                        const Sink& sink) {
  ParamsReader in(params);
  if (method == "run") {
    auto run = decode_run(params);
    if (!run.ok()) return run.error();
    sink(MasterMessage(std::move(*run)));
  } else if (method == "receive") {
    auto files = decode_receive(params);
    if (!files.ok()) return files.error();
    sink(MasterMessage(std::move(*files)));
  } else if (method == "ping") {
    sink(MasterMessage(Ping{}));
  } else if (method == "cancel") {
    const core::CancelTask cancel{TaskId{in.uint("task")}};
    if (in.error()) return *in.error();
    sink(MasterMessage(cancel));
  } else if (method == "deleteCache") {
    if (in.member("session") != nullptr) {
      const core::DeleteCache deleted{SessionId{in.uint("session")}};
      if (in.error()) return *in.error();
      forget(deleted.session);
      sink(MasterMessage(deleted));
    } else {
      core::DropPartials drop{in.task_ids("partials")};
      if (in.error()) return *in.error();
      sink(MasterMessage(std::move(drop)));
    }
  } else {
    return wrong_message("the method", "is not known");
  }
  return {};
}

Result<void> MasterDecoder::decode(std::string_view frame, const Sink& sink) {
  return reader().read(frame, [&](const JsonRpcMessage& message) -> Result<void> {
    if (message.kind == JsonRpcMessage::Kind::kError && !welcomed_) {
      sink(Closing{std::string(message.error_message)});
      return {};
    }
    if (message.kind == JsonRpcMessage::Kind::kResult && !welcomed_ && answers_join(message)) {
      auto welcome = read_welcome(*message.result);
      if (!welcome.ok()) return welcome.error();
      welcomed_ = true;
      sink(MasterMessage(std::move(*welcome)));
      return {};
    }
    if (message.kind != JsonRpcMessage::Kind::kNotification) {
      return wrong_message("it", "is neither the answer to join nor a notification");
    }
    if (message.method == "close") {
      auto closing = read_close(params_of(message));
      if (closing.ok()) sink(std::move(*closing));
      return closing.ok() ? Result<void>() : closing.error();
    }
    if (!welcomed_) return wrong_message("the method", "comes before the answer to join");
    return decode_call(message.method, params_of(message), sink);
  });
}

}  // namespace francine::runtime
