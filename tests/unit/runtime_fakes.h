// What the tests of the runtime stand on: a master's end that records what a
// worker says, blobs that can fail, and a producer that does what its settings say.

#ifndef FRANCINE_TESTS_UNIT_RUNTIME_FAKES_H
#define FRANCINE_TESTS_UNIT_RUNTIME_FAKES_H

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <francine/producer.h>

#include "../support/temporary_directory.h"
#include "core/task.h"
#include "image/partial.h"
#include "runtime/blobs.h"
#include "runtime/link.h"
#include "runtime/task_runner.h"
#include "runtime_values.h"

namespace francine::runtime::testing {

using francine::testing::TemporaryDirectory;

/// What is waited for comes within this time, or the test fails.
inline constexpr auto kDeadline = std::chrono::seconds(20);

/// A queue that tests wait on.
template <typename T>
class Inbox {
 public:
  void push(T value) {
    const std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
    arrived_.notify_all();
  }
  /// The next value; fails the test when none comes.
  T take() {
    std::unique_lock lock(mutex_);
    const bool came = arrived_.wait_for(lock, kDeadline, [this] { return !values_.empty(); });
    REQUIRE_MESSAGE(came, "nothing came in time");
    T value = std::move(values_.front());
    values_.erase(values_.begin());
    return value;
  }
  bool empty() const {
    const std::lock_guard lock(mutex_);
    return values_.empty();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<T> values_;
};

/// The next message, which must be of this kind.
template <typename T, typename Message>
T take_as(Inbox<Message>& inbox) {
  Message message = inbox.take();
  REQUIRE(std::holds_alternative<T>(message));
  return std::get<T>(std::move(message));
}

class RecordingLink : public MasterLink {
 public:
  void send(const WorkerMessage& message) override { sent.push(message); }
  void close(const std::string&) override {}

  Inbox<WorkerMessage> sent;
};

/// Lets renderers wait until the test goes on.
class Gate {
 public:
  /// False when stopped.
  bool pass(std::stop_token stop) {
    std::unique_lock lock(mutex_);
    ++inside_;
    most_ = std::max(most_, inside_);
    changed_.notify_all();
    const bool opened = changed_.wait_for(lock, stop, kDeadline, [this] { return open_; });
    --inside_;
    changed_.notify_all();
    return opened;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  /// Waits until so many are inside.
  void await_inside(int count) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, kDeadline, [&] { return inside_ == count; }));
  }
  int most_inside() {
    const std::lock_guard lock(mutex_);
    return most_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool open_ = false;
  int inside_ = 0;
  int most_ = 0;
};

/// The value of every sample of share `index`: sums of these depend on their order.
inline float sample_of(std::uint64_t seed) {
  return 1.0F / (static_cast<float>(seed % 1000) + 1.3F);
}

/// Does what the settings say: "render" (default), "fail", "throw", "memory",
/// "shrink", "nan", "infinity", "huge", "wait" (at the gate), "wait, fail".
class ObedientProducer : public Producer {
 public:
  std::string_view name() const override { return "obedient"; }
  Result<ImageSize> image_size(std::string_view) const override { return ImageSize{4, 2}; }
  Result<std::shared_ptr<const Scene>> prepare(const SceneFiles& files) const override {
    ++prepared;
    {
      const std::lock_guard lock(mutex_);  // workers of one test may share the producer
      files_seen = files.names;
    }
    if (refuse_scenes) return Error{ErrorCode::kInvalidArgument, "this scene is broken"};
    return std::shared_ptr<const Scene>(std::make_shared<ObedientScene>(*this));
  }

  mutable std::atomic<int> prepared{0};
  mutable std::atomic<int> scenes{0};  ///< alive
  mutable std::vector<std::string> files_seen;
  std::atomic<bool> refuse_scenes{false};
  mutable Gate gate;

 private:
  mutable std::mutex mutex_;

  class ObedientScene : public Scene {
   public:
    explicit ObedientScene(const ObedientProducer& owner) : owner_(owner) { ++owner_.scenes; }
    ~ObedientScene() override { --owner_.scenes; }

    Result<void> render(const ShareRequest& share, Image& image) const override {
      for (const float sample : image.samples()) {
        if (sample != 0) return Error{ErrorCode::kInternal, "the image is not zero"};
      }
      if (share.settings == "fail") return Error{ErrorCode::kInvalidArgument, "a bad setting"};
      if (share.settings == "throw") throw std::runtime_error("thrown by the producer");
      if (share.settings == "memory") throw std::bad_alloc();
      if (share.settings == "shrink") image = Image({1, 1});
      if (share.settings.starts_with("wait") && !owner_.gate.pass(share.stop)) {
        return Error{ErrorCode::kCancelled, "stopped"};
      }
      if (share.settings == "wait, fail") return Error{ErrorCode::kInternal, "it waited"};
      std::ranges::fill(image.samples(), sample_of(share.seed));
      const float infinity = std::numeric_limits<float>::infinity();
      if (share.settings == "nan") image.plane(3)[6] = infinity - infinity;
      if (share.settings == "infinity") std::ranges::fill(image.samples(), -infinity);
      if (share.settings == "huge") image.samples()[0] = 1e38F;
      return {};
    }

   private:
    const ObedientProducer& owner_;
  };
};

/// Partials and files by endpoint and id; what is not there is not found.
class FakeBlobs : public Blobs {
 public:
  using PartialPtr = std::shared_ptr<const image::Partial>;

  void put(const std::string& endpoint, TaskId task, PartialPtr partial) {
    const std::lock_guard lock(mutex_);
    partials_[{endpoint, task}] = std::move(partial);
  }
  void break_endpoint(const std::string& endpoint) {
    const std::lock_guard lock(mutex_);
    broken_.push_back(endpoint);
  }

  Result<PartialPtr> fetch_partial(const std::string& endpoint, TaskId partial,
                                   std::stop_token stop) override {
    if (hang && !gate.pass(stop)) return Error{ErrorCode::kCancelled, "stopped"};
    const std::lock_guard lock(mutex_);
    ++fetches;
    if (std::ranges::find(broken_, endpoint) != broken_.end()) {
      return Error{ErrorCode::kUnavailable, endpoint + " cannot be reached"};
    }
    const auto found = partials_.find({endpoint, partial});
    if (found == partials_.end()) return Error{ErrorCode::kNotFound, "no such partial"};
    return found->second;
  }
  Result<std::shared_ptr<const EncodedImage>> fetch_picture(const std::string&, TaskId, Format,
                                                            std::stop_token) override {
    return Error{ErrorCode::kNotFound, "no pictures here"};
  }
  Result<void> receive_stripe(const std::string& endpoint, SessionId session, std::size_t stripe,
                              resources::Arrival& into, bool& news, std::stop_token stop) override;
  Result<void> fetch_resource(const std::string& endpoint, const std::string& sha256,
                              const std::filesystem::path& target, std::stop_token stop) override;

  std::map<std::string, std::string> files;  ///< SHA-256 -> content; set before use
  std::vector<std::string> asked;            ///< endpoints that resources were asked of
  std::atomic<int> fetches{0};
  std::atomic<bool> hang{false};
  std::atomic<bool> disk_full{false};  ///< for files
  Gate gate;

 private:
  std::mutex mutex_;
  std::map<std::pair<std::string, TaskId>, PartialPtr> partials_;
  std::vector<std::string> broken_;
};

/// The sum of a node of the merge tree, by its definition (francine/shares.h).
inline float tree_sum(ShareRange node, std::uint64_t seed) {
  if (node.size() == 1) return sample_of(share_seed(seed, node.begin));
  std::uint32_t half = 1;
  while (half * 2 < node.size()) half *= 2;
  return tree_sum({node.begin, node.begin + half}, seed) +
         tree_sum({node.begin + half, node.end}, seed);
}

}  // namespace francine::runtime::testing

#endif  // FRANCINE_TESTS_UNIT_RUNTIME_FAKES_H
