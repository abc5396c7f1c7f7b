// Finished pictures: brought from the workers into the result store, found there again by
// a master that begins anew, and copied to an object store.

#include <string>
#include <utility>
#include <variant>

#include "runtime/master_impl.h"

namespace francine {

void Master::Impl::make_picture_intake() {
  runtime::PictureIntakeOptions intake;
  intake.keep = [this](ExecutionId execution, std::shared_ptr<const EncodedImage> picture,
                       bool recorded) {
    return keep_picture(execution, std::move(picture), recorded);
  };
  intake.is_wanted = [this](ExecutionId id) {
    const auto execution = directory_->execution(id);
    return execution && execution->info().state == ExecutionState::kRunning;
  };
  intake.tell = [this](core::Event event) { loop_->post(std::move(event)); };
  intake.on_trouble = [this](const Error& error) {
    log(LogLevel::kError, error.message + "; it is tried again each second, and no new work is " +
                              "taken until that works");
  };
  intake.on_recovered = [this] { log(LogLevel::kInfo, "finished pictures can be stored again"); };
  runtime::Blobs& blobs = memory_blobs_ ? *memory_blobs_ : *http_blobs_;
  pictures_ = std::make_unique<runtime::PictureIntake>(blobs, *jobs_, std::move(intake));
}

void Master::Impl::bring_pictures(const core::State& state) {
  std::erase_if(pictures_to_bring_, [&](const core::StorePicture& picture) {
    const core::Execution* execution = state.executions.find(picture.execution);
    if (execution == nullptr) return true;  // deleted
    // What shares a turn with what others have recorded is shown when that is safe; its tasks
    // do not wait.
    if (!directory_->execution(picture.execution)) return false;
    pictures_->take(picture, !state.sessions.at(execution->session).spec->unrecorded);
    return true;
  });
}

Result<void> Master::Impl::keep_picture(ExecutionId execution,
                                        std::shared_ptr<const EncodedImage> picture,
                                        bool recorded) {
  runtime::StoredPicture stored;
  if (recorded) {
    auto put = results_->put(std::move(picture));
    if (!put) return put.error();
    stored.sha256 = *std::move(put);
    if (auto expected = expect_copy(execution, stored.sha256); !expected) {
      results_->drop(stored.sha256);
      return expected;
    }
  } else {
    stored.picture = std::move(picture);
  }
  directory_->set_picture(execution, std::move(stored));
  return {};
}

void Master::Impl::resume_pictures() {
  const core::State& state = loop_->state();
  state.executions.for_each([&](ExecutionId id, const core::Execution& execution) {
    if (execution.sha256.empty()) return;
    results_->restore(execution.sha256);
    directory_->set_picture(id, {nullptr, execution.sha256});
    if (!copies_) return;
    const core::SessionSpec& session = *state.sessions.at(execution.session).spec;
    copies_->restore(id, runtime::copy_path(session.name, execution.name, session.format));
  });
  if (copies_) {
    copies_->start([&](ExecutionId id) { return state.executions.find(id) != nullptr; });
  }
  results_->sweep();
}

// --- copies elsewhere -------------------------------------------------------------

Result<void> Master::Impl::make_picture_copies() {
  if (options_.result_store.endpoint.empty()) return {};
  runtime::PictureCopiesOptions copies;
  copies.directory = data_dir_.path() / "copies";
  copies.store = options_.result_store;
  copies.limits = options_.providers.limits;
  copies.show = [this](ExecutionId id, ResultCopy copy) {
    directory_->set_copy(id, std::move(copy));
    ++changes_;
  };
  copies.log = [this](LogLevel level, ExecutionId id, const std::string& text) {
    LogRecord record = log_record(level, text);
    record.execution_id = id;
    logs_->take(std::move(record));
  };
  auto made = runtime::PictureCopies::make(*results_, std::move(copies));
  if (!made) return made.error();
  copies_ = std::move(made).value();
  return {};
}

Result<void> Master::Impl::expect_copy(ExecutionId id, const std::string& sha256) {
  const auto execution = copies_ ? directory_->execution(id) : nullptr;
  if (!execution) return {};  // no copy, or deleted meanwhile
  return copies_->expect(
      id, sha256,
      runtime::copy_path(execution->info().session_name, execution->name, execution->format));
}

void Master::Impl::put_copies(const core::State& state, std::span<const core::Action> actions) {
  for (const core::Action& action : actions) {
    const auto* changed = std::get_if<core::ExecutionChanged>(&action);
    if (changed == nullptr) continue;
    const core::Execution* execution = state.executions.find(changed->execution);
    if (execution != nullptr && execution->phase == core::ExecutionPhase::kFinished) {
      copies_->put(changed->execution);
    }
  }
}

}  // namespace francine
