#include <limits>

#include "runtime/join_check.h"
#include "runtime/tcp_link.h"
#include "runtime/worker_protocol.h"
#include "runtime_fakes.h"

using namespace francine;
using namespace francine::runtime;
using namespace francine::runtime::testing;

TEST_CASE("Welcome carries the cluster and the chaos that is asked for") {
  const auto back = [](const Welcome& welcome) {
    MasterEncoder encoder;
    MasterDecoder decoder;
    std::string frame;
    encoder.encode(welcome, frame);
    Welcome got;
    REQUIRE(decoder
                .decode(frame,
                        [&](auto&& words) {
                          got = std::get<Welcome>(std::get<MasterMessage>(std::move(words)));
                        })
                .ok());
    return got;
  };
  Welcome welcome = make_welcome("http://m:1", "c9");
  CHECK(back(welcome).cluster == "c9");
  CHECK(back(welcome).chaos == ChaosOptions{});
  welcome.chaos = {2.5,
                   std::chrono::milliseconds(1500),
                   {ChaosKind::kDrop, ChaosKind::kDiskFull},
                   0x8000000000000001U};
  CHECK(back(welcome).chaos == welcome.chaos);
}

TEST_CASE("the longest report fits a frame; one more is refused") {
  Join join = full_join();
  join.report.running.clear();
  join.report.kept.assign(kMaxReportedKept, join.report.kept[1]);
  constexpr std::uint64_t kMost = 0xffffffffffffffffU;
  for (core::KeptResult& kept : join.report.kept) {
    kept.made_by = {TaskId{kMost},
                    SessionId{kMost},
                    ExecutionId{kMost},
                    TaskKind::kProduce,
                    true,
                    {kMaxParallel - 1, kMaxParallel}};
    constexpr auto kLongest = std::numeric_limits<std::int64_t>::max();
    kept.result.times = {kLongest, kLongest, kLongest};
    kept.result.bytes = kMost;
  }
  join.report.running.assign(kMaxReportedRunning, join.report.kept[0].made_by);
  join.report.sessions.assign(kMaxReportedSessions, SessionId{kMost});
  std::string frame;
  encode_worker_message(join, frame);
  CHECK(frame.size() < kLinkLimits.max_frame_bytes);
  CHECK(WorkerDecoder().decode(frame, [](auto&&) {}).ok());
  for (int i = 0; i < 3; ++i) {
    Join more = full_join();
    if (i == 0) more.report.running.assign(kMaxReportedRunning + 1, more.report.running[0]);
    if (i == 1) more.report.kept.assign(kMaxReportedKept + 1, more.report.kept[0]);
    if (i == 2) more.report.sessions.assign(kMaxReportedSessions + 1, SessionId{1});
    std::string too_long;
    encode_worker_message(more, too_long);
    CHECK_FALSE(WorkerDecoder().decode(too_long, [](auto&&) {}).ok());
  }
}

TEST_CASE("a join that cannot be is refused") {
  std::string good;
  encode_worker_message(full_join(), good);
  REQUIRE(WorkerDecoder().decode(good, [](auto&&) {}).ok());
  const std::pair<std::string, std::string> wrongs[] = {
      {R"("life":")", R"("live":")"},
      {R"("report":{)", R"("reports":{)"},
      {R"("cluster":"c1")", R"("cluster":1)"},
      {R"([[7,3,9,"reduce",true,0,8]])", R"([[7,3,9,"reduce",true,0]])"},
      {R"([[7,3,9,"reduce",true,0,8]])", R"([[7,3,9,"reduce",true,8,0]])"},
      {R"([[7,3,9,"reduce",true,0,8]])", R"([[7,3,9,"reduce",true,0,65537]])"},
      {R"([[7,3,9,"reduce",true,0,8]])", R"([[7,3,9,"reduce",1,0,8]])"},
      {R"([[7,3,9,"reduce",true,0,8]])", R"([[7,3,9,"rest",true,0,8]])"},
      {R"([[7,3,9,"reduce",true,0,8]])", R"([[-7,3,9,"reduce",true,0,8]])"},
      {R"([[7,3,9,"reduce",true,0,8]])", R"({"7":1})"},
      {R"(false,8,12,1,2,3,1024,)", R"(false,8,12,1,2,-3,1024,)"},
      {R"(false,8,12,1,2,3,1024,)", R"(false,8,12,1,2,3,)"},
      {R"(false,8,12,1,2,3,1024,")", R"(false,8,12,1,2,3,1024,"short)"},
      {R"(0,0,0,0,"aaaa)", R"(0,0,0,0,"aa)"},
      {R"("sessions":[3,4])", R"("sessions":[3,"4"])"},
  };
  for (const auto& [from, to] : wrongs) {
    CAPTURE(to);
    std::string wrong = good;
    const auto at = wrong.find(from);
    REQUIRE(at != std::string::npos);
    wrong.replace(at, from.size(), to);
    CHECK_FALSE(WorkerDecoder().decode(wrong, [](auto&&) {}).ok());
  }
}

TEST_CASE("what a master finds wrong with a join, whatever link it comes by") {
  CHECK(objection(full_join(), false).empty());
  const auto wrong = [](const std::string& word, const auto& spoil, bool tls = false) {
    Join join = full_join();
    spoil(join);
    CAPTURE(word);
    CHECK(objection(join, tls).find(word) != std::string::npos);
  };
  wrong("name", [](Join& j) { j.name = "a b"; });
  wrong("life", [](Join& j) { j.life.clear(); });
  wrong("life", [](Join& j) { j.life = "ABC"; });
  wrong("life", [](Join& j) { j.life = std::string(65, 'a'); });
  wrong("slots", [](Join& j) { j.slots = 0; });
  wrong("arithmetic", [](Join& j) { j.arithmetic.clear(); });
  wrong("resource port", [](Join& j) { j.endpoint.clear(); });
  wrong(
      "TLS", [](Join&) {}, true);
  wrong("cluster", [](Join& j) { j.report.cluster.clear(); });
  wrong("cannot be", [](Join& j) { j.report.running[0].shares = {3, 3}; });
  wrong("cannot be", [](Join& j) { j.report.kept[0].made_by.shares = {0, kMaxParallel + 1}; });
  wrong("cannot be", [](Join& j) { j.report.kept[0].result.task = TaskId{99}; });
  wrong("cannot be", [](Join& j) { j.report.kept[0].result.bytes = ~std::uint64_t{0}; });
  wrong("cannot be", [](Join& j) { j.report.kept[0].result.times.reducing_us = -1; });
  wrong("cannot be", [](Join& j) { j.report.kept[0].result.sha256 = std::string(64, 'a'); });
  wrong("cannot be", [](Join& j) { j.report.kept[1].result.sha256.clear(); });
  wrong("twice", [](Join& j) { j.report.running[0].task = TaskId{8}; });
  wrong("twice", [](Join& j) { j.report.sessions.push_back(SessionId{3}); });
  wrong("more than",
        [](Join& j) { j.report.running.assign(kMaxReportedRunning + 1, j.report.running[0]); });
}
