// What the master tells a worker to do and what a worker answers: the words of
// the worker protocol as plain data. lib/runtime/worker_protocol turns them into
// JSON-RPC; in-process workers get them as they are.

#ifndef FRANCINE_CORE_TASK_H
#define FRANCINE_CORE_TASK_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <francine/ids.h>
#include <francine/image.h>
#include <francine/result.h>
#include <francine/scheduler.h>
#include <francine/shares.h>

namespace francine::core {

/// The provider of files that clients have put into the master's store.
inline constexpr std::string_view kUploadType = "upload";

/// Of a version that is told and kept; providers' are shorter by far.
inline constexpr std::size_t kMaxVersion = 256;
/// Whether it may be one: printable ASCII, at least one of it and at most kMaxVersion.
constexpr bool is_version(std::string_view text) {
  return !text.empty() && text.size() <= kMaxVersion &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

/// A file of a session.
struct Resource {
  std::string type;  ///< the provider, as the client named it
  /// As the client named it: of an upload its id, else the fields that the provider
  /// wants, a JSON object of strings.
  std::string id;
  std::string dst;
  std::string sha256;  ///< 64 hexadecimal digits; empty: not known before it is fetched
  std::uint64_t size_bytes = 0;
  /// By which its provider knows these very bytes (providers::ResourceHead::exact); empty:
  /// nobody knows.
  std::string version = {};

  bool known() const { return !sha256.empty(); }
};

/// What does not change while a session lives.
struct SessionSpec {
  std::string name;
  std::string owner;
  std::string producer;
  Format format = Format::kPng;
  std::vector<Resource> resources;
  bool unrecorded = false;
};

/// What all tasks of an execution share.
struct ExecutionSpec {
  std::uint32_t parallel = 1;
  std::uint64_t seed = 0;
  std::int32_t priority = 0;
  std::string settings;  ///< JSON object: the updates so far, applied
  ImageSize size;
};

/// A partial that a reducing task merges. Partials are named after the task that
/// made them.
struct TaskInput {
  TaskId partial{};
  ShareRange shares;
  std::string endpoint;  ///< of the worker that holds it, "http://host:port"; empty: this one
};

/// How a worker gets at a provider.
struct ProviderAccess {
  std::string provider;
  std::string options;  ///< JSON object: addresses and limits of the configuration
  std::string key;      ///< secret, as is the next
  std::string secret;
};

/// What a file of the session is, provided that it has this version at its provider: another
/// session has it so.
struct FileHint {
  std::uint32_t file = 0;  ///< in the order of the session's resources
  std::string version;
  std::string sha256;

  bool operator==(const FileHint&) const = default;
};

/// master -> worker. Render `shares`, or merge `inputs` into one partial of
/// `shares`; the partial is kept under the task's id until it is dropped. With
/// `finish`, encode it in the session's format as well: the encoded picture is
/// then kept under the task's id instead.
///
/// With `scout` the worker fetches the session's files that it lacks from their providers,
/// and says FetchedFiles as soon as it has them (see core/supply.cc).
struct RunTask {
  TaskId task{};
  TaskKind kind = TaskKind::kProduce;
  ShareRange shares;
  bool finish = false;
  bool scout = false;
  SessionId session_id{};
  ExecutionId execution_id{};
  std::shared_ptr<const SessionSpec> session;
  std::shared_ptr<const ExecutionSpec> execution;
  std::vector<TaskInput> inputs;  ///< in the order of shares; empty for producing
  std::vector<TaskId> drop;       ///< partials to forget first (see DropPartials)
  /// What opens the providers' doors to a scout; the core leaves it empty, and whoever
  /// carries out its actions fills it in.
  std::vector<ProviderAccess> access;
  std::vector<FileHint> hints;  ///< likewise, of files that are not known yet
};

/// A session's files travel in this many parts, each on a way of its own (spreading.h).
inline constexpr std::size_t kStripes = 2;

/// master -> worker. The session's files will be needed: get them. What is in those of
/// providers may not be known yet; they are the parents' then. A second one replaces the
/// parents of the first.
struct ReceiveFiles {
  SessionId session_id{};
  std::shared_ptr<const SessionSpec> session;
  /// For each stripe the endpoints to receive it from: the first that has it, the nearest
  /// first. "": the master's.
  std::array<std::vector<std::string>, kStripes> parents;
  /// As of a RunTask: what the receiver has of it need not be sent, should it be right. Null:
  /// none.
  std::shared_ptr<const std::vector<FileHint>> hints = {};
};

/// master -> worker. Stop it if it runs; no answer is expected.
struct CancelTask {
  TaskId task{};
};

/// master -> worker. Forget these partials (and encoded pictures).
struct DropPartials {
  std::vector<TaskId> partials;
};

/// master -> worker. Forget this session: its scene, its partials, its files
/// unless another session uses them.
struct DeleteCache {
  SessionId session{};
};

struct TaskTimes {
  std::int64_t fetching_us = 0;
  std::int64_t producing_us = 0;
  std::int64_t reducing_us = 0;
};

/// Tiles that a picture is divided into for comparing renderings: 4 x 4.
inline constexpr std::size_t kTiles = 16;
/// The mean of the samples of each tile, row by row.
using TileMeans = std::array<float, kTiles>;
/// Held by pointer wherever most of a kind carry none: events and records pass by the
/// million, and their size is what that costs. Null: no means.
using TileMeansPtr = std::shared_ptr<const TileMeans>;

/// worker -> master. The task is done; `bytes` is what the worker now keeps under
/// its id: the partial in memory, or (with `finish`) the encoded picture.
struct TaskFinished {
  TaskId task{};
  TaskTimes times;
  std::uint64_t bytes = 0;
  std::string sha256;  ///< of the encoded picture; empty for partials
  /// Of a rendered partial, for each share of it; of nothing else.
  TileMeansPtr means = {};
};

/// worker -> master. The task is not done and nothing is kept.
struct TaskFailed {
  TaskId task{};
  TaskTimes times;
  ErrorCode code = ErrorCode::kInternal;
  std::string reason;                  ///< a sentence for a person
  std::vector<TaskId> missing_inputs;  ///< partials that could not be fetched
};

/// What is in a file that was fetched from a provider.
struct FetchedFile {
  std::string sha256;  ///< 64 hexadecimal digits
  std::uint64_t size_bytes = 0;
  std::string version = {};  ///< as Resource::version

  bool operator==(const FetchedFile&) const = default;
};

/// worker -> master. A scout has all files of the session: what is in each, in the order
/// of the session's resources.
struct FetchedFiles {
  SessionId session{};
  std::vector<FetchedFile> files;
};

/// worker -> master. All of the session's files have been received.
struct ReceivedFiles {
  SessionId session{};
};

/// What a worker said of itself when it joined. What planning reads comes first, in
/// one cache line.
struct WorkerSpec {
  std::uint32_t slots = 1;
  std::uint64_t partial_budget_bytes = 0;
  std::string name;
  std::string life;        ///< random, made when its process began
  std::string endpoint;    ///< of its resource port
  std::string arithmetic;  ///< workers of one arithmetic render the same bits
  std::string zone;        ///< whom it reaches best: its rack or zone; "": it does not say
};

/// A task that a worker was given and has not answered.
struct UnansweredTask {
  TaskId task{};
  SessionId session{};
  ExecutionId execution{};
  TaskKind kind = TaskKind::kProduce;
  bool finish = false;
  ShareRange shares;
};

/// What a worker keeps under a task's id: a partial, or with `finish` a picture.
struct KeptResult {
  UnansweredTask made_by;  ///< as it was given
  TaskFinished result;     ///< as it was answered
};

/// worker -> master, when it joins: what it runs and keeps, so that a master which
/// lost sight of it, or was restarted, goes on where it was.
struct WorkerReport {
  /// The master (State::cluster) that all of it comes from; empty: there is nothing.
  std::string cluster;
  std::vector<UnansweredTask> running;  ///< or waiting for a slot
  std::vector<KeptResult> kept;
  std::vector<SessionId> sessions;  ///< that it has scenes or files of
};

}  // namespace francine::core

#endif  // FRANCINE_CORE_TASK_H
