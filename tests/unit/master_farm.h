// What the tests of the embedded master stand on: a farm of in-process workers with a
// producer that waits at a gate.

#ifndef FRANCINE_TESTS_UNIT_MASTER_FARM_H
#define FRANCINE_TESTS_UNIT_MASTER_FARM_H

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <francine/francine.h>

namespace francine::testing {

inline constexpr auto kDeadline = std::chrono::seconds(20);

/// Shared by the producer and its test: rendering waits while the gate is closed.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  /// False: told to stop.
  bool pass(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, stop, [this] { return open_; });
    return !stop.stop_requested();
  }
  bool wait_for_renderer() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kDeadline, [this] { return waiting_ > 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool open_ = false;
  int waiting_ = 0;
};

/// Fills the image with the length of the settings; {"fail": ...} fails.
class GatedScene : public Scene {
 public:
  explicit GatedScene(std::shared_ptr<Gate> gate) : gate_(std::move(gate)) {}
  Result<void> render(const ShareRequest& share, Image& image) const override {
    if (!gate_->pass(share.stop)) return Error{ErrorCode::kCancelled, "told to stop"};
    if (share.settings.find("fail") != std::string_view::npos) {
      return Error{ErrorCode::kInvalidArgument, "it shall fail"};
    }
    for (float& sample : image.samples()) sample = static_cast<float>(share.settings.size());
    return {};
  }

 private:
  std::shared_ptr<Gate> gate_;
};

/// 4 x 2 pixels, of whatever files but one.
class GatedProducer : public Producer {
 public:
  explicit GatedProducer(std::shared_ptr<Gate> gate) : gate_(std::move(gate)) {}
  std::string_view name() const override { return "gated"; }
  Result<ImageSize> image_size(std::string_view) const override { return ImageSize{4, 2}; }
  Result<void> check(const SceneFiles& files) const override {
    if (files.names == std::vector<std::string>{"wrong.txt"}) {
      return Error{ErrorCode::kInvalidArgument, "wrong.txt is wrong"};
    }
    return {};
  }
  Result<std::shared_ptr<const Scene>> prepare(const SceneFiles&) const override {
    return std::shared_ptr<const Scene>(std::make_shared<GatedScene>(gate_));
  }

 private:
  std::shared_ptr<Gate> gate_;
};

struct Farm {
  std::shared_ptr<Gate> gate = std::make_shared<Gate>();
  std::unique_ptr<Master> master;

  explicit Farm(MasterOptions options = {}) {
    options.producers.push_back(std::make_shared<GatedProducer>(gate));
    if (options.slots_per_worker == 0) options.slots_per_worker = 2;
    master = Master::start(std::move(options)).value();
  }
  Session session(Format format = Format::kExr) const {
    return master->create_session({.producer = "gated", .format = format}).value();
  }
};

inline Result<std::string> try_to_put(Master& master, std::string_view contents) {
  return master.put_resource([&contents](char* buffer, std::size_t size) -> Result<std::size_t> {
    const std::size_t taken = contents.copy(buffer, size);
    contents.remove_prefix(taken);
    return taken;
  });
}

inline std::string put(Master& master, std::string_view contents) {
  return try_to_put(master, contents).value();
}

}  // namespace francine::testing

#endif  // FRANCINE_TESTS_UNIT_MASTER_FARM_H
