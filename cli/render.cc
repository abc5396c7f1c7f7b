// render: a session, an execution of it, its progress, its picture.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/answers.h"
#include "api/client.h"
#include "api/requests.h"
#include "base/crypto.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/files.h"
#include "cli/picture.h"
#include "cli/progress.h"
#include "cli/resource_argument.h"
#include "cli/scene_folder.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "cli/uploader.h"

namespace francine::cli {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::uint64_t kMaxUpdateBytes = 16 << 20;
/// We ask again after a tenth of the time that has passed, within these bounds: a
/// short rendering ends without delay, a long one is not pestered.
constexpr milliseconds kMinPace{50};
constexpr milliseconds kMaxPace{500};
constexpr std::size_t kKeyBytes = 16;
constexpr const char* kTryingAgain = "the server does not answer; trying again";

milliseconds since(Clock::time_point begin) {
  return std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
}

/// What is to be done, checked as far as it can be without the server.
struct Plan {
  std::vector<ResourceArgument> resources;
  std::string name;              ///< of the first of them, or of its folder
  std::optional<Format> format;  ///< empty: not asked for
  ExecutionRequest request;
};

/// A file, or all files of a folder.
Result<void> add_resources(const Context& context, const std::string& text, Plan& plan) {
  FolderArgument folder;
  if (parse_folder_argument(text, folder)) {
    Result<SceneFolder> scene = list_scene_folder(folder);
    if (!scene) return scene.error();
    if (!scene->left_out.empty()) note(context, folder.folder + ": left out: " + scene->left_out);
    if (plan.resources.empty()) plan.name = folder_name(folder.folder);
    std::ranges::move(scene->files, std::back_inserter(plan.resources));
    return {};
  }
  Result<ResourceArgument> resource = parse_resource_argument(
      text, [](const std::string& file) { return ::access(file.c_str(), F_OK) == 0; });
  if (!resource) return resource.error();
  if (plan.resources.empty()) plan.name = std::filesystem::path(resource->dst).stem().string();
  plan.resources.push_back(*std::move(resource));
  return {};
}

Result<void> check_dsts(const Plan& plan) {
  std::map<std::string_view, std::string_view> files;
  for (const ResourceArgument& resource : plan.resources) {
    const auto [known, is_new] = files.emplace(resource.dst, resource.file);
    if (is_new) continue;
    return Error{ErrorCode::kInvalidArgument,
                 std::string(known->second) + " and " + resource.file + " would both be " +
                     resource.dst + " in the session; FILE:DST gives one another name"};
  }
  return {};
}

Result<Plan> plan_of(const Context& context) {
  const Arguments& arguments = context.arguments;
  Plan plan;
  if (!arguments.session.empty() && !arguments.resources.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "the resources of a session never change; leave out --session or the files"};
  }
  for (const std::string& text : arguments.resources) {
    if (auto added = add_resources(context, text, plan); !added) return added.error();
  }
  if (auto good = check_dsts(plan); !good) return good.error();
  plan.format = format_of_file(arguments.output);
  if (!arguments.format.empty()) {
    const Result<Format> asked = api::format_from_name(arguments.format, "--format");
    if (!asked) return asked.error();
    plan.format = *asked;
  }
  std::string update = arguments.update;
  if (update.starts_with('@')) {
    Result<std::string> text = read_file(update.substr(1), kMaxUpdateBytes);
    if (!text) return text.error();
    update = *std::move(text);
  }
  Result<std::string> sized = api::with_size(update, arguments.width, arguments.height);
  if (!sized) return sized.error();
  plan.request = {.parallel = arguments.parallel,
                  .update = *std::move(sized),
                  .seed = arguments.seed,
                  .priority = arguments.priority};
  return plan;
}

ProgressDisplay::Style style_of(const Arguments& arguments) {
  if (arguments.quiet) return ProgressDisplay::Style::kNone;
  return error_is_terminal() ? ProgressDisplay::Style::kBar : ProgressDisplay::Style::kLines;
}

class Rendering {
 public:
  Rendering(const Context& context, Plan plan)
      : context_(context), plan_(std::move(plan)), display_(style_of(context.arguments)) {}

  int run() {
    const Result<void> rendered = render();
    display_.clear();
    int code = kExitOk;
    if (!rendered) {
      if (context_.interrupt.requested()) cancel();
      code = fail(context_, rendered.error());
    }
    remove_session();
    return code;
  }

 private:
  Result<void> render() {
    Result<void> ready = context_.arguments.session.empty() ? create_session() : find_session();
    if (!ready) return ready;
    Result<void> started = start();
    if (!started) return started;
    Result<ExecutionInfo> ended = watch();
    if (!ended) return ended.error();
    display_.clear();
    if (context_.arguments.json) print(last_answer_ + "\n");
    if (ended->state != ExecutionState::kFinished) {
      return Error{
          ErrorCode::kInternal,
          "the execution " +
              std::string(ended->state == ExecutionState::kFailed ? "failed" : "was cancelled") +
              (ended->error.empty() ? "" : ": " + ended->error)};
    }
    const Result<SavedPicture> saved =
        save_picture(context_, execution_path(session_, execution_) + "/result",
                     context_.arguments.output, stem_);
    if (!saved) return saved.error();
    note(context_, saved_text(*saved) + ", in " + time_text(since(begin_)));
    return {};
  }

  Result<void> find_session() {
    const Result<std::string> answer =
        context_.client.get(session_path(context_.arguments.session), context_.interrupt.token());
    if (!answer) return answer.error();
    const Result<SessionInfo> info = api::read_session(*answer);
    if (!info) return info.error();
    if (plan_.format && *plan_.format != info->format) {
      return Error{ErrorCode::kConflict,
                   "the session renders " + std::string(api::format_name(info->format)) + ", not " +
                       std::string(api::format_name(*plan_.format))};
    }
    session_ = context_.arguments.session;
    const std::string first = info->resources.empty() ? "" : info->resources.front().dst;
    name_after(std::filesystem::path(first).stem().string(), info->producer);
    return {};
  }

  Result<void> create_session() {
    SessionRequest request;
    request.producer = context_.arguments.producer;
    request.format = plan_.format.value_or(Format::kPng);
    const Result<std::vector<std::string>> ids =
        Uploader(context_, display_).upload(plan_.resources);
    if (!ids) return ids.error();
    for (std::size_t i = 0; i < ids->size(); ++i) {
      request.resources.push_back({"upload", (*ids)[i], plan_.resources[i].dst});
    }
    const Result<std::string> answer = create("/sessions", api::session_request_json(request));
    if (!answer) return answer.error();
    Result<SessionInfo> info = api::read_session(*answer);
    if (!info) return info.error();
    session_ = std::move(info->name);
    session_is_ours_ = true;
    if (context_.arguments.keep_session) note(context_, "The session is " + session_ + ".");
    name_after(plan_.name, request.producer);
    return {};
  }

  void name_after(const std::string& name, const std::string& producer) {
    stem_ = name.empty() ? producer : name;
  }

  Result<void> start() {
    if (context_.interrupt.requested()) return Error{ErrorCode::kCancelled, "interrupted"};
    begin_ = Clock::now();
    const Result<std::string> answer =
        create(session_path(session_) + "/executions", api::execution_request_json(plan_.request));
    if (!answer) return answer.error();
    Result<ExecutionInfo> info = api::read_execution(*answer);
    if (!info) return info.error();
    execution_ = std::move(info->name);
    return {};
  }

  /// Creates something once. It is not interrupted: we would not know the name of what
  /// we leave behind. A server that we have met is asked again for a while.
  Result<std::string> create(const std::string& path, const std::string& body) {
    const std::string key = base::random_hex(kKeyBytes);
    const Clock::time_point begin = Clock::now();
    for (;;) {
      Result<std::string> answer = context_.client.post(path, body, key);
      const bool again = !answer && answer.error().code == ErrorCode::kUnavailable &&
                         may_pass(context_, answer.error(), begin);
      if (!again || !context_.interrupt.sleep(kMaxPace)) return answer;
      display_.show_text(kTryingAgain);
    }
  }

  /// Until it has ended. A server that does not answer for a while (it may be
  /// restarted) is asked again, for as long as --timeout has it.
  Result<ExecutionInfo> watch() {
    Estimate estimate;
    Clock::time_point answered = Clock::now();
    for (;;) {
      Result<std::string> answer =
          context_.client.get(execution_path(session_, execution_), context_.interrupt.token());
      if (answer) {
        answered = Clock::now();
        Result<ExecutionInfo> info = api::read_execution(*answer);
        if (!info || info->state != ExecutionState::kRunning) {
          last_answer_ = *std::move(answer);
          return info;
        }
        show(*info, estimate);
      } else if (may_pass(context_, answer.error(), answered)) {
        display_.show_text(kTryingAgain);
      } else {
        return answer.error();
      }
      if (!context_.interrupt.sleep(std::clamp(since(begin_) / 10, kMinPace, kMaxPace))) {
        return Error{ErrorCode::kCancelled, "interrupted"};
      }
    }
  }

  void show(const ExecutionInfo& info, Estimate& estimate) {
    const milliseconds elapsed = since(begin_);
    estimate.observe(elapsed, info.shares_done);
    display_.show({info.shares_done, info.parallel, elapsed, estimate.left(info.parallel)});
  }

  void cancel() {
    if (execution_.empty()) return;
    note(context_, "Cancelling the execution on the server; Ctrl-C again quits at once.");
    const Result<std::string> answer = context_.client.remove(execution_path(session_, execution_));
    note(context_, answer ? "The execution is cancelled."
                          : "It could not be cancelled: " + answer.error().message);
  }

  void remove_session() {
    if (!session_is_ours_ || context_.arguments.keep_session) return;
    const Result<std::string> answer = context_.client.remove(session_path(session_));
    if (answer) return;
    note(context_,
         "The session " + session_ + " stays on the server" +
             (execution_.empty() ? "." : "; its execution " + execution_ + " may go on."));
  }

  const Context& context_;
  Plan plan_;
  ProgressDisplay display_;
  std::string session_;
  bool session_is_ours_ = false;
  std::string execution_;
  std::string stem_;         ///< of a file name of our own
  std::string last_answer_;  ///< the server's object of the execution that has ended
  Clock::time_point begin_{};
};

}  // namespace

int render(const Context& context) {
  const Result<void> good = check_output(context.arguments);
  if (!good) return fail_here(context, good.error());
  Result<Plan> plan = plan_of(context);
  if (!plan) return fail_here(context, plan.error());
  return Rendering(context, *std::move(plan)).run();
}

}  // namespace francine::cli
