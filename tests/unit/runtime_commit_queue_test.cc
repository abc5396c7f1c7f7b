#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/commit_queue.h"

namespace francine::runtime {
namespace {

using core::Action;

Action answer(std::uint64_t request) { return core::Answer{core::RequestId{request}, {}, {}, {}}; }
Action execution(std::uint64_t id) { return core::ExecutionChanged{ExecutionId{id}}; }
Action session(std::uint64_t id) { return core::SessionChanged{SessionId{id}}; }
Action ping() { return core::PingWorker{WorkerId{1}}; }

/// "r1 e2 s3 ping" in the order of the actions; "r1!" for an error.
std::string text(const std::vector<Action>& actions) {
  std::string all;
  for (const Action& action : actions) {
    if (!all.empty()) all += ' ';
    if (const auto* a = std::get_if<core::Answer>(&action)) {
      all += "r" + std::to_string(static_cast<std::uint64_t>(a->request));
      if (!a->result.ok()) all += '!';
    } else if (const auto* e = std::get_if<core::ExecutionChanged>(&action)) {
      all += "e" + std::to_string(static_cast<std::uint64_t>(e->execution));
    } else if (const auto* s = std::get_if<core::SessionChanged>(&action)) {
      all += "s" + std::to_string(static_cast<std::uint64_t>(s->session));
    } else {
      all += "ping";
    }
  }
  return all;
}

struct Queue {
  CommitQueue commits;
  core::State state;  ///< with the sessions 1 to 9, of which some get deleted

  Queue() {
    for (std::uint64_t i = 1; i < 10; ++i) {
      auto spec = std::make_shared<core::SessionSpec>();
      spec->name = std::to_string(i);
      core::apply(state, core::SessionCreated{SessionId{i}, std::move(spec)});
    }
  }

  std::string hold(std::vector<Action> actions, std::uint64_t last, bool durable) {
    commits.hold(state, actions, last, durable);
    return text(actions);
  }
  std::string release(std::uint64_t committed) {
    std::vector<Action> told;
    commits.release(committed, told);
    return text(told);
  }
};

TEST_CASE("without anything durable nothing waits") {
  Queue queue;
  CHECK(queue.hold({answer(1), execution(2), ping()}, 0, false) == "r1 e2 ping");
  CHECK(queue.commits.empty());
}

TEST_CASE("answers and changes wait for the records of their turn, the rest does not") {
  Queue queue;
  CHECK(queue.hold({ping(), answer(1), session(1), execution(1)}, 1, true) == "ping");
  CHECK(queue.release(0).empty());
  CHECK(queue.release(1) == "r1 s1 e1");
  CHECK(queue.commits.empty());
  CHECK(queue.hold({answer(2), session(1)}, 1, false) == "r2 s1");
}

TEST_CASE("an answer waits for what was decided before it") {
  Queue queue;
  CHECK(queue.hold({answer(1)}, 1, true).empty());
  CHECK(queue.hold({answer(2), execution(7)}, 1, false) == "e7");
  CHECK(queue.release(1) == "r1 r2");
}

TEST_CASE("a change of what is not safe is left to the records that it waits for") {
  Queue queue;
  CHECK(queue.hold({execution(1)}, 1, true).empty());
  CHECK(queue.hold({execution(1), execution(2)}, 1, false) == "e2");
  // It changes durably once more: only the last of its commits may show it.
  CHECK(queue.hold({execution(1), session(3)}, 2, true).empty());
  CHECK(queue.release(1).empty());
  CHECK(queue.hold({execution(1)}, 2, false).empty());
  CHECK(queue.release(2) == "e1 s3");
  CHECK(queue.hold({execution(1)}, 2, false) == "e1");
}

TEST_CASE("who is answered finds what the answer speaks of, whatever else its session does") {
  Queue queue;
  CHECK(queue.hold({answer(1), execution(1), session(1)}, 1, true).empty());
  CHECK(queue.hold({answer(2), execution(2), session(1)}, 2, true).empty());
  CHECK(queue.hold({session(1)}, 2, false) == "s1");
  CHECK(queue.release(1) == "r1 e1 s1");
  CHECK(queue.release(2) == "r2 e2 s1");
}

TEST_CASE("a session that is deleted is shown until its deletion is safe") {
  Queue queue;
  CHECK(queue.hold({answer(1), execution(1), session(1)}, 1, true).empty());
  core::apply(queue.state, core::SessionDeleted{SessionId{1}});
  CHECK(queue.hold({execution(1), session(1), answer(2)}, 2, true).empty());
  CHECK(queue.hold({session(1)}, 2, false).empty());
  CHECK(queue.release(1) == "r1");
  CHECK(queue.release(2) == "e1 s1 r2");
}

TEST_CASE("several turns become safe at once, in their order") {
  Queue queue;
  CHECK(queue.hold({answer(1), session(1)}, 1, true).empty());
  CHECK(queue.hold({answer(2), session(2)}, 3, true).empty());
  CHECK(queue.hold({answer(3), session(3)}, 4, true).empty());
  CHECK(queue.release(3) == "r1 s1 r2 s2");
  CHECK(queue.release(4) == "r3 s3");
}

TEST_CASE("when the journal cannot be written, answers become errors and changes wait on") {
  Queue queue;
  CHECK(queue.hold({answer(1), session(1)}, 1, true).empty());
  std::vector<Action> told;
  queue.commits.fail_answers(Error{ErrorCode::kUnavailable, "the disk is full"}, told);
  CHECK(text(told) == "r1!");
  told.clear();
  queue.commits.fail_answers(Error{ErrorCode::kUnavailable, "the disk is full"}, told);
  CHECK(told.empty());
  CHECK(queue.release(1) == "s1");
}

}  // namespace
}  // namespace francine::runtime
