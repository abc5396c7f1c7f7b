#include <atomic>
#include <thread>

#include "runtime/chaos.h"
#include "runtime_fakes.h"

using namespace francine;
using namespace francine::runtime;
using namespace francine::runtime::testing;

namespace {

/// A worker that harms itself, and what it does.
struct Harmed {
  explicit Harmed(std::string name = "w1") {
    ChaosWorker worker;
    worker.name = std::move(name);
    worker.directory = "/data/w1";
    worker.exit = [this] { acts.push("exit"); };
    worker.drop = [this] { acts.push("drop"); };
    worker.longest_delay = std::chrono::milliseconds(20);
    chaos = std::make_unique<Chaos>(link, log, std::move(worker));
  }
  void ask(std::vector<ChaosKind> kinds, std::uint64_t seed = 0, double percent = 100) {
    chaos->ask({percent, std::chrono::milliseconds(1), std::move(kinds), seed});
  }
  Error obstacle() {
    for (;;) {
      if (auto error = chaos->obstacle()) return *error;
      std::this_thread::yield();
    }
  }

  RecordingLink link;
  Inbox<std::string> acts;
  Inbox<std::string> lines;
  LogRing log{[this](const LogRecord& record) { lines.push(record.text); }};
  std::unique_ptr<Chaos> chaos;
};

}  // namespace

TEST_CASE("nothing happens unless it is asked for") {
  Harmed harmed;
  harmed.ask({ChaosKind::kExit, ChaosKind::kFail}, 0, 0);
  harmed.chaos->send(Pong{});
  take_as<Pong>(harmed.link.sent);
  CHECK_FALSE(harmed.chaos->obstacle());
  CHECK(harmed.lines.empty());
}

TEST_CASE("each kind of chaos does what it says, and says it") {
  Harmed harmed;
  SUBCASE("exit") {
    harmed.ask({ChaosKind::kExit});
    CHECK(harmed.acts.take() == "exit");
    CHECK(harmed.lines.take() == "chaos: worker w1 kills itself");
  }
  SUBCASE("drop") {
    harmed.ask({ChaosKind::kDrop});
    CHECK(harmed.acts.take() == "drop");
    CHECK(harmed.lines.take() == "chaos: worker w1 breaks its connection");
  }
  SUBCASE("fail") {
    harmed.ask({ChaosKind::kFail});
    CHECK(harmed.obstacle().code == ErrorCode::kInternal);
    CHECK(harmed.lines.take() == "chaos: worker w1 will fail its next task");
  }
  SUBCASE("a full disk") {
    harmed.ask({ChaosKind::kDiskFull});
    const Error error = harmed.obstacle();
    CHECK(error.code == ErrorCode::kResourceExhausted);
    CHECK(error.message.find("/data/w1: the disk is full") != std::string::npos);
  }
  SUBCASE("delay: late, and in order") {
    harmed.ask({ChaosKind::kDelay});
    CHECK(harmed.lines.take().find("is silent for") != std::string::npos);
    for (std::uint64_t i = 0; i < 200; ++i) {
      harmed.chaos->send(core::TaskFinished{TaskId{i}, {}, 1, ""});
    }
    harmed.ask({ChaosKind::kDelay}, 0, 0);  // no more of it
    for (std::uint64_t i = 0; i < 200; ++i) {
      CHECK(take_as<core::TaskFinished>(harmed.link.sent).task == TaskId{i});
    }
  }
}

TEST_CASE("what is held back goes nowhere when the link is lost") {
  Harmed harmed;
  harmed.ask({ChaosKind::kDelay});
  harmed.lines.take();
  harmed.ask({ChaosKind::kDelay}, 0, 0);
  harmed.chaos->send(core::TaskFinished{TaskId{1}, {}, 1, ""});
  harmed.chaos->on_lost();
  harmed.chaos->send(core::TaskFinished{TaskId{2}, {}, 1, ""});
  auto sent = take_as<core::TaskFinished>(harmed.link.sent);
  // The delay may have been over before the first one was sent.
  if (sent.task == TaskId{1}) sent = take_as<core::TaskFinished>(harmed.link.sent);
  CHECK(sent.task == TaskId{2});
}

TEST_CASE("a seed makes the same acts, of each name its own") {
  const auto acts_of = [](const std::string& name) {
    Harmed harmed(name);
    harmed.ask({ChaosKind::kExit, ChaosKind::kDrop}, 17, 50);
    std::string acts;
    for (int i = 0; i < 12; ++i) acts += harmed.acts.take() + ' ';
    return acts;
  };
  const std::string acts = acts_of("w1");
  CHECK(acts == acts_of("w1"));
  CHECK(acts != acts_of("w2"));
  CHECK(acts.find("exit") != std::string::npos);
  CHECK(acts.find("drop") != std::string::npos);
}
