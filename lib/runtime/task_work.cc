#include "runtime/task_work.h"

#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "base/crypto.h"
#include "base/posix.h"
#include "image/bad_samples.h"
#include "image/merge.h"
#include "image/picture.h"
#include "image/tile_means.h"
#include "runtime/input_stream.h"
#include "runtime/stopwatch.h"

namespace francine::runtime {
namespace {

Error cancelled() { return {ErrorCode::kCancelled, "the task was cancelled"}; }

/// Runs code that may throw what it likes, such as an embedder's producer.
template <typename T, typename Call>
Result<T> guarded(const std::string& who, const Call& call) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kResourceExhausted, who + " ran out of memory"};
  } catch (const std::exception& thrown) {
    return Error{ErrorCode::kInternal, who + " threw: " + thrown.what()};
  } catch (...) {
    return Error{ErrorCode::kInternal, who + " threw something unknown"};
  }
}

std::string sentence_of(const core::ExecutionSpec& spec) {
  return std::to_string(spec.size.width) + " x " + std::to_string(spec.size.height);
}

}  // namespace

TaskOutcome TaskWork::run(const core::RunTask& task, std::stop_token stop) {
  TaskOutcome outcome;
  auto made = guarded<image::Partial>("a task of " + sentence_of(*task.execution) + " pixels", [&] {
    return task.kind == TaskKind::kProduce ? produce(task, outcome, stop)
                                           : reduce(task, outcome, stop);
  });
  if (!made.ok()) {
    outcome.error = made.error();
    // The master gives a worker without space nothing new.
    if (base::is_disk_full(made.error())) outcome.error->code = ErrorCode::kResourceExhausted;
    return outcome;
  }
  if (!task.finish) {
    if (task.kind == TaskKind::kProduce)
      outcome.means = std::make_shared<const core::TileMeans>(image::tile_means(*made));
    outcome.partial = std::make_shared<const image::Partial>(std::move(*made));
    return outcome;
  }
  const auto finished = guarded<Success>(
      "encoding the picture", [&]() -> Result<Success> { return finish(task, *made, outcome); });
  if (!finished.ok()) outcome.error = finished.error();
  return outcome;
}

TaskWork::Made TaskWork::produce(const core::RunTask& task, TaskOutcome& outcome,
                                 const std::stop_token& stop) {
  std::shared_ptr<const core::SessionSpec> session = task.session;
  if (task.scout) {
    const Stopwatch watch(outcome.times.fetching_us);
    auto complete = provided_.complete(task, stop);
    if (!complete.ok()) return complete.error();
    session = std::move(*complete);
  } else {
    const Stopwatch watch(outcome.times.fetching_us);
    receiving_.wait(task.session_id, stop);
  }
  const auto scene = scenes_.acquire(task.session_id, *session, outcome.times, stop);
  if (!scene.ok()) return scene.error();
  if (task.shares.size() == 1) {
    const Stopwatch watch(outcome.times.producing_us);
    return render(**scene, task, task.shares.begin, stop);
  }
  image::TreeMerger merger(task.execution->parallel, task.shares);
  for (std::uint32_t share = task.shares.begin; share < task.shares.end; ++share) {
    Made rendered = [&] {
      const Stopwatch watch(outcome.times.producing_us);
      return render(**scene, task, share, stop);
    }();
    if (!rendered.ok()) return rendered;
    const Stopwatch watch(outcome.times.reducing_us);
    if (auto added = merger.add(std::move(*rendered)); !added.ok()) return added.error();
  }
  const Stopwatch watch(outcome.times.reducing_us);
  return merger.finish();
}

TaskWork::Made TaskWork::render(const Scene& scene, const core::RunTask& task, std::uint32_t share,
                                const std::stop_token& stop) {
  if (stop.stop_requested()) return cancelled();
  const core::ExecutionSpec& spec = *task.execution;
  image::Partial partial{Image(spec.size), 1.0, {share, share + 1}};
  const ShareRequest request{share, share_seed(spec.seed, share), spec.settings, stop};
  const auto rendered =
      guarded<Success>("producer " + task.session->producer,
                       [&]() -> Result<Success> { return scene.render(request, partial.sum); });
  if (!rendered.ok()) return rendered.error();
  if (partial.sum.size() != spec.size) {
    return Error{ErrorCode::kInternal, "producer " + task.session->producer +
                                           " changed the size of the image that it was given"};
  }
  if (const auto bad = image::find_bad_samples(partial.sum, image::kLargestRendered)) {
    return Error{ErrorCode::kInternal, "producer " + task.session->producer + " made " +
                                           image::to_string(*bad) + " of share " +
                                           std::to_string(share)};
  }
  return partial;
}

TaskWork::Made TaskWork::reduce(const core::RunTask& task, TaskOutcome& outcome,
                                const std::stop_token& stop) {
  image::TreeMerger merger(task.execution->parallel, task.shares);
  InputStream inputs(task.inputs, task.execution->size, store_, blobs_, stop);
  while (!inputs.done()) {
    if (stop.stop_requested()) return cancelled();
    std::shared_ptr<const image::Partial> partial;
    {
      const Stopwatch watch(outcome.times.fetching_us);
      auto next = inputs.next();
      if (!next.ok()) {
        outcome.missing_inputs = inputs.missing(next.error());
        return next.error();
      }
      partial = std::move(*next);
    }
    const Stopwatch watch(outcome.times.reducing_us);
    if (auto added = merger.add(std::move(partial)); !added.ok()) return added.error();
  }
  const Stopwatch watch(outcome.times.reducing_us);
  return merger.finish();
}

Result<void> TaskWork::finish(const core::RunTask& task, const image::Partial& partial,
                              TaskOutcome& outcome) {
  const Stopwatch watch(outcome.times.reducing_us);
  auto encoded = image::encode_picture(partial, task.session->format);
  if (!encoded.ok()) return encoded.error();
  outcome.picture_sha256 = base::sha256_hex(encoded->bytes);
  outcome.picture = std::make_shared<const EncodedImage>(std::move(*encoded));
  return {};
}

}  // namespace francine::runtime
