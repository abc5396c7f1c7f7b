#include "testing/describe.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>
#include <variant>

#include "base/crypto.h"
#include "testing/text.h"

namespace francine::testing {

using namespace core;

std::string_view word_of(ExecutionPhase phase) {
  switch (phase) {
    case ExecutionPhase::kRunning:
      return "running";
    case ExecutionPhase::kStoring:
      return "storing";
    case ExecutionPhase::kFinished:
      return "finished";
    case ExecutionPhase::kFailed:
      return "failed";
    case ExecutionPhase::kCancelled:
      return "cancelled";
  }
  return "?";
}

std::string_view word_of(TaskOutcome outcome) {
  switch (outcome) {
    case TaskOutcome::kFailed:
      return "failed";
    case TaskOutcome::kLost:
      return "lost";
    case TaskOutcome::kCancelled:
      return "cancelled";
  }
  return "?";
}

std::string_view word_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid-argument";
    case ErrorCode::kUnauthenticated:
      return "unauthenticated";
    case ErrorCode::kForbidden:
      return "forbidden";
    case ErrorCode::kNotFound:
      return "not-found";
    case ErrorCode::kConflict:
      return "conflict";
    case ErrorCode::kTooLarge:
      return "too-large";
    case ErrorCode::kResourceExhausted:
      return "resource-exhausted";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "?";
}

std::string_view word_of(WorkerStanding standing) {
  switch (standing) {
    case WorkerStanding::kAlive:
      return "alive";
    case WorkerStanding::kSuspect:
      return "suspect";
    case WorkerStanding::kAway:
      return "away";
  }
  return "?";
}

std::string_view word_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "?";
}

Text& operator<<(Text& text, const TileMeans& means) {
  const bool alike =
      std::all_of(means.begin(), means.end(), [&](float mean) { return mean == means.front(); });
  text << "means";
  for (std::size_t tile = 0; tile < (alike ? 1 : kTiles); ++tile) {
    std::array<char, 32> number{};
    std::snprintf(number.data(), number.size(), "%.9g", static_cast<double>(means[tile]));
    text << number.data();
  }
  return text;
}

namespace {

void put(Text& text, const UnansweredTask& task) {
  text << task.task << task.session << task.execution << task.kind << task.shares;
  text.flag("finish", task.finish);
}

void put(Text& text, const TaskFinished& result) {
  text << result.task << result.times;
  text.field("bytes", result.bytes).field("sha256", result.sha256);
  if (result.means) text << *result.means;
}

}  // namespace

std::string sealed_text(std::string_view sealed) {
  if (sealed.empty()) return "none";
  return "sealed-" + base::sha256_hex(sealed).substr(0, 8);
}

void put(Text& text, const WorkerReport& report) {
  if (!report.cluster.empty()) text << "cluster" << report.cluster;
  for (const UnansweredTask& task : report.running) put(text << "running", task);
  for (const KeptResult& kept : report.kept) {
    put(text << "kept", kept.made_by);
    put(text, kept.result);
  }
  for (const SessionId session : report.sessions) text << session;
}

namespace {

void spec_to(Text& text, const ExecutionSpec& spec) {
  text << "parallel" << spec.parallel;
  text.field("seed", spec.seed).field("priority", spec.priority);
  if (!spec.settings.empty()) text << "settings" << spec.settings;
}

void reason_to(Text& text, std::string_view reason) {
  if (!reason.empty()) text.quoted(reason);
}

// --- records ----------------------------------------------------------------------

void put(Text& text, const SessionCreated& r) {
  text << "SessionCreated" << r.session;
  text.quoted(r.spec->name) << r.spec->producer;
  if (!r.spec->owner.empty()) text << "owner" << r.spec->owner;
  text.flag("unrecorded", r.spec->unrecorded);
}

void put(Text& text, const SessionDeleted& r) { text << "SessionDeleted" << r.session; }

void put(Text& text, const ExecutionCreated& r) {
  text << "ExecutionCreated" << r.execution << r.session;
  text.quoted(r.name);
  spec_to(text, *r.spec);
  if (!r.update.empty()) text << "update" << r.update;
  text << "at" << r.at;
}

void put(Text& text, const ExecutionEnded& r) {
  text << "ExecutionEnded" << r.execution << word_of(r.phase);
  reason_to(text, r.error);
  text << "at" << r.at;
  text.field("sha256", r.sha256).field("bytes", r.bytes).field("retries", r.retries);
  text.field("cold", r.cold_starts) << r.times;
}

void put(Text& text, const Restarted& r) {
  text << "Restarted" << r.incarnation << "cluster" << r.cluster << "at" << r.at;
  text << "next" << r.next_session << r.next_execution;
}

void put(Text& text, const MemberAdded& r) { (text << "MemberAdded").quoted(r.name); }
void put(Text& text, const MemberRemoved& r) { (text << "MemberRemoved").quoted(r.name); }
void put(Text& text, const TokenKept& r) {
  (text << "TokenKept").quoted(r.user) << r.provider << sealed_text(r.sealed);
}

void put(Text& text, const ResourcesKnown& r) {
  text << "ResourcesKnown" << r.session << "from" << r.worker;
  for (const Resource& resource : r.resources) {
    text << resource.dst << resource.sha256 << resource.size_bytes;
    if (!resource.version.empty()) text.quoted(resource.version);
  }
}

void put(Text& text, const RestartSafe&) { text << "RestartSafe"; }
void put(Text& text, const ExecutionStarted& r) { text << "ExecutionStarted" << r.execution; }

void put(Text& text, const WorkerStands& r) {
  text << "WorkerStands" << r.worker << word_of(r.standing) << "at" << r.at;
}

void put(Text& text, const WorkerSetAside& r) {
  text << "WorkerSetAside" << r.worker << "until" << r.until;
  reason_to(text, r.reason);
}

void put(Text& text, const SessionKept& r) { text << "SessionKept" << r.worker << r.session; }

void put(Text& text, const ResourcesSettled& r) {
  text << "ResourcesSettled" << r.session << "from" << r.worker;
}

void put(Text& text, const FilesFed& r) {
  text << "FilesFed" << r.session << "to" << r.worker << "stripe" << r.stripe << "from" << r.parent;
  text << "round" << r.round;
}
void put(Text& text, const FilesHeld& r) { text << "FilesHeld" << r.session << "by" << r.worker; }
void put(Text& text, const FilesMissed& r) {
  text << "FilesMissed" << r.session << "by" << r.worker;
}

void put(Text& text, const ReportTaken& r) {
  text << "ReportTaken" << r.worker;
  put(text, r.report);
}

void put(Text& text, const ReportAmended& r) {
  text << "ReportAmended" << r.worker << r.task;
  if (r.result) put(text, *r.result);
}

void put(Text& text, const Recovered&) { text << "Recovered"; }

void put(Text& text, const WorkerAdded& r) {
  text << "WorkerAdded" << r.worker;
  text.quoted(r.spec->name) << "slots" << r.spec->slots << "arithmetic" << r.spec->arithmetic;
  text << "budget" << r.spec->partial_budget_bytes << "endpoint" << r.spec->endpoint;
  text << "at" << r.at;
}

void put(Text& text, const WorkerRemoved& r) { text << "WorkerRemoved" << r.worker; }
void put(Text& text, const WorkerSeen& r) { text << "WorkerSeen" << r.worker << "at" << r.at; }
void put(Text& text, const WorkerPinged& r) { text << "WorkerPinged" << r.worker << "at" << r.at; }

void put(Text& text, const TaskPlaced& r) {
  text << "TaskPlaced" << r.task << "on" << r.worker << r.execution << r.kind << r.shares;
  text.flag("finish", r.finish).flag("adopted", r.adopted) << "at" << r.at;
}

void put(Text& text, const TaskCounted& r) {
  text << "TaskCounted" << r.task << "of" << r.worker;
  text.field("bytes", r.bytes);
  text << r.times << "at" << r.at;
  if (r.means) text << *r.means;
}

void put(Text& text, const TaskDoubted& r) {
  text << "TaskDoubted" << r.task << "of" << r.worker << r.times << "at" << r.at;
  text << *r.means;
  reason_to(text, r.reason);
}

void put(Text& text, const TaskEnded& r) {
  text << "TaskEnded" << r.task << "of" << r.worker << word_of(r.outcome);
  text << r.times;
  reason_to(text, r.reason);
}

void put(Text& text, const PartialLost& r) { text << "PartialLost" << r.execution << r.shares; }

void put(Text& text, const PartialDoubted& r) {
  text << "PartialDoubted" << r.execution << r.shares << "of" << r.worker << *r.means;
  reason_to(text, r.reason);
}

void put(Text& text, const PictureDropped& r) {
  text << "PictureDropped" << r.execution;
  reason_to(text, r.reason);
}

void put(Text& text, const DropsSent& r) { text << "DropsSent" << r.worker; }
void put(Text& text, const Ticked& r) {
  text << "Ticked"
       << "at" << r.at;
}

// --- actions ----------------------------------------------------------------------

void put(Text& text, const RunOn& a) {
  text << "RunOn" << a.worker << a.run.task << a.run.execution_id << a.run.kind << a.run.shares;
  text.flag("finish", a.run.finish).flag("scout", a.run.scout) << "of" << a.run.session_id;
  for (const TaskInput& input : a.run.inputs) {
    text << "input" << input.partial << input.shares;
    if (!input.endpoint.empty()) text << "from" << input.endpoint;
  }
  for (const TaskId task : a.run.drop) text << "drop" << task;
}

void put(Text& text, const ReceiveOn& a) {
  text << "ReceiveOn" << a.worker << "of" << a.files.session_id;
  for (const auto& parents : a.files.parents) {
    text << "from";
    for (const std::string& parent : parents) text << (parent.empty() ? "master" : parent);
  }
}

void put(Text& text, const CancelOn& a) { text << "CancelOn" << a.worker << a.cancel.task; }

void put(Text& text, const DropOn& a) {
  text << "DropOn" << a.worker;
  for (const TaskId task : a.drop.partials) text << task;
}

void put(Text& text, const DeleteCacheOn& a) {
  text << "DeleteCacheOn" << a.worker << a.session.session;
}

void put(Text& text, const PingWorker& a) { text << "PingWorker" << a.worker; }

void put(Text& text, const AcceptWorker& a) {
  text << "AcceptWorker" << a.worker << "connection" << a.connection;
}

void put(Text& text, const CloseWorker& a) {
  text << "CloseWorker" << a.worker;
  reason_to(text, a.reason);
}

void put(Text& text, const StorePicture& a) {
  text << "StorePicture" << a.execution << a.task << "from" << a.endpoint << "bytes" << a.bytes;
  if (!a.sha256.empty()) text << "sha256" << a.sha256;
}

void put(Text& text, const Answer& a) {
  text << "Answer" << a.request;
  if (a.result.ok()) {
    text << "ok";
  } else {
    text << word_of(a.result.error().code);
    text.quoted(a.result.error().message);
  }
  if (a.session != SessionId{}) text << a.session;
  if (a.execution != ExecutionId{}) text << a.execution;
}

void put(Text& text, const ExecutionChanged& a) { text << "ExecutionChanged" << a.execution; }
void put(Text& text, const SessionChanged& a) { text << "SessionChanged" << a.session; }

void put(Text& text, const Note& a) {
  text << "Note" << word_of(a.level);
  text.quoted(a.text);
}

template <typename What>
std::string text_of(const What& what) {
  Text text;
  std::visit([&](const auto& kind) { put(text, kind); }, what);
  return text.take();
}

}  // namespace

std::string describe(const Record& record) { return text_of(record); }
std::string describe(const Action& action) { return text_of(action); }

}  // namespace francine::testing
