#include "net/frame_connection.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "net_support.h"

namespace francine::net {
namespace {

/// What happened to a connection.
struct Seen {
  std::vector<std::string> frames;
  std::vector<std::size_t> calls;  ///< frames in each call of on_frames
  std::vector<std::string> closed;
};

/// A FrameConnection and the raw other end of it.
struct Fixture {
  explicit Fixture(FrameLimits limits = {}) {
    auto [raw, own] = connected_pair();
    peer = std::make_unique<RawSocket>(std::move(raw));
    connection = FrameConnection::adopt(io, own.release(), limits);
  }
  ~Fixture() { io.stop(); }

  void start() {
    connection->start({[this](std::span<const std::string_view> frames) {
                         seen.change([&](Seen& s) {
                           s.calls.push_back(frames.size());
                           s.frames.insert(s.frames.end(), frames.begin(), frames.end());
                         });
                       },
                       [this](const std::string& reason) {
                         seen.change([&](Seen& s) { s.closed.push_back(reason); });
                       }});
  }
  bool await_frames(std::size_t count) {
    return seen.wait([&](const Seen& s) { return s.frames.size() >= count; });
  }
  bool await_close() {
    return seen.wait([](const Seen& s) { return !s.closed.empty(); });
  }

  Watched<Seen> seen;
  std::unique_ptr<RawSocket> peer;
  IoThread io;
  std::shared_ptr<FrameConnection> connection;
};

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("frames that arrive together are delivered in one call") {
  Fixture f;
  std::string together;
  for (int i = 0; i < 100; ++i) together += frame_of("message " + std::to_string(i));
  together += frame_of("");
  REQUIRE(f.peer->send(together));  // waits in the socket until start()
  f.start();
  REQUIRE(f.await_frames(101));
  const Seen seen = f.seen.get();
  CHECK(seen.calls == std::vector<std::size_t>{101});
  CHECK(seen.frames[99] == "message 99");
  CHECK(seen.frames[100].empty());
}

TEST_CASE("a frame may arrive byte by byte, and a large one in pieces") {
  Fixture f;
  f.start();
  for (const char c : frame_of("slow")) REQUIRE(f.peer->send({&c, 1}));
  REQUIRE(f.await_frames(1));
  std::string large(5'000'000, 'x');
  large.back() = 'y';
  std::thread sender([&] { f.peer->send(frame_of(large) + frame_of("after")); });
  REQUIRE(f.await_frames(3));
  sender.join();
  const Seen seen = f.seen.get();
  CHECK(seen.frames[0] == "slow");
  CHECK(seen.frames[1] == large);
  CHECK(seen.frames[2] == "after");
}

TEST_CASE("an announced length over the limit closes the connection, after what came before") {
  Fixture f({.max_frame_bytes = 100});
  REQUIRE(f.peer->send(frame_of("good") + std::string("\x7f\xff\xff\xff", 4) + "garbage"));
  f.start();
  REQUIRE(f.await_close());
  const Seen seen = f.seen.get();
  CHECK(seen.frames == std::vector<std::string>{"good"});
  CHECK(seen.closed.size() == 1);
  CHECK(contains(seen.closed[0], "over the limit of 100"));
  CHECK(f.peer->read_all().empty());
  CHECK_FALSE(f.connection->send("too late"));
  CHECK(f.connection->closed());
}

TEST_CASE("limits and handlers can change in the middle of what was received") {
  Fixture f({.max_frame_bytes = 10});
  Watched<std::vector<std::string>> later;
  f.connection->start({[&](std::span<const std::string_view> frames) {
                         REQUIRE(frames.size() == 1);
                         f.connection->set_limits({});
                         f.connection->start({[&](std::span<const std::string_view> more) {
                                                later.change([&](auto& all) {
                                                  all.insert(all.end(), more.begin(), more.end());
                                                });
                                              },
                                              [](const std::string&) {}});
                       },
                       [](const std::string&) { FAIL("the first handlers were replaced"); }});
  const std::string large(1000, 'l');
  REQUIRE(f.peer->send(frame_of("small") + frame_of(large)));
  CHECK(later.wait([&](const auto& all) { return all == std::vector<std::string>{large}; }));
}

TEST_CASE("the peer's close, also of one direction, is told once") {
  Fixture f;
  f.start();
  SUBCASE("closed") { f.peer->close(); }
  SUBCASE("half closed") { f.peer->half_close(); }
  REQUIRE(f.await_close());
  CHECK(f.seen.get().closed == std::vector<std::string>{"the peer closed the connection"});
  f.io.stop();
  CHECK(f.seen.get().closed.size() == 1);
}

TEST_CASE("close() tells its first reason, and a later start() hears of the end too") {
  Fixture f;
  SUBCASE("started") {
    f.start();
    f.connection->close("first");
    f.connection->close("second");
  }
  SUBCASE("not started") {
    f.connection->close("first");
    f.start();
  }
  REQUIRE(f.await_close());
  CHECK(f.seen.get().closed == std::vector<std::string>{"first"});
  CHECK(f.peer->read_all().empty());
}

TEST_CASE("stop() ends all connections with a last call") {
  Fixture f;
  f.start();
  REQUIRE(f.peer->send(frame_of("x")));
  REQUIRE(f.await_frames(1));
  f.io.stop();
  CHECK(f.seen.get().closed == std::vector<std::string>{"stopped"});
}

TEST_CASE("frames of many threads leave whole") {
  Fixture f;
  f.start();
  constexpr int kThreads = 4;
  constexpr int kFrames = 2000;
  std::vector<std::thread> senders;
  for (int t = 0; t < kThreads; ++t) {
    senders.emplace_back([&, t] {
      const std::string payload(static_cast<std::size_t>(t * 700 + 1), static_cast<char>('a' + t));
      for (int i = 0; i < kFrames; ++i) CHECK(f.connection->send(payload));
    });
  }
  std::array<int, kThreads> count{};
  for (int i = 0; i < kThreads * kFrames; ++i) {
    const std::string header = f.peer->read_bytes(4);
    REQUIRE(header.size() == 4);
    const auto size = static_cast<std::size_t>(static_cast<unsigned char>(header[2])) * 256 +
                      static_cast<unsigned char>(header[3]);
    const std::string payload = f.peer->read_bytes(size);
    const auto thread = static_cast<std::size_t>(payload.at(0) - 'a');
    REQUIRE(payload == std::string(thread * 700 + 1, payload[0]));
    ++count.at(thread);
  }
  for (std::thread& sender : senders) sender.join();
  CHECK(count == std::array<int, kThreads>{kFrames, kFrames, kFrames, kFrames});
}

TEST_CASE("appended frames leave with the flush, in order, and before a send()") {
  Fixture f;
  REQUIRE(f.connection->append("one"));
  REQUIRE(f.connection->append("two"));
  CHECK(f.connection->outbox_bytes() == 14);
  const std::vector<std::string_view> more = {"four", "five"};
  SUBCASE("flush") {
    REQUIRE(f.connection->flush());
    REQUIRE(f.connection->send("three"));
  }
  SUBCASE("send") { REQUIRE(f.connection->send("three")); }
  REQUIRE(f.connection->send_frames(more));
  CHECK(f.connection->outbox_bytes() == 0);
  const std::string expected =
      frame_of("one") + frame_of("two") + frame_of("three") + frame_of("four") + frame_of("five");
  CHECK(f.peer->read_bytes(expected.size()) == expected);
}

TEST_CASE("a peer that does not read fills the outbox to its bound and no further") {
  Fixture f({.max_frame_bytes = 1 << 20, .max_outbox_bytes = 8 << 20});
  f.start();
  const std::string payload(1 << 20, 'p');
  int accepted = 0;
  while (accepted < 1000 && f.connection->send(payload)) ++accepted;
  CHECK(accepted >= 8);
  CHECK(accepted < 1000);
  REQUIRE(f.await_close());
  CHECK(contains(f.seen.get().closed[0], "does not read"));
}

TEST_CASE("a slow reader gets everything in order") {
  Fixture f;
  f.start();
  const int frames = 40;
  const std::string filler(500'000, '.');
  for (int i = 0; i < frames; ++i) {
    REQUIRE(f.connection->send(std::to_string(100 + i) + filler));
  }
  CHECK(f.connection->outbox_bytes() > 0);
  for (int i = 0; i < frames; ++i) {
    REQUIRE(f.peer->read_bytes(4).size() == 4);
    const std::string payload = f.peer->read_bytes(3 + filler.size());
    REQUIRE(payload.substr(0, 3) == std::to_string(100 + i));
  }
  // The last of it has been read, so the io thread is about to see that.
  CHECK(f.connection->send("end"));
  CHECK(f.peer->read_bytes(7) == frame_of("end"));
}

TEST_CASE("a frame over the limit cannot be sent either") {
  Fixture f({.max_frame_bytes = 10});
  f.start();
  CHECK(f.connection->send("0123456789"));
  CHECK_FALSE(f.connection->send("0123456789a"));
  REQUIRE(f.await_close());
  CHECK(contains(f.seen.get().closed[0], "to be sent"));
}

TEST_CASE("the batch's end comes after the frames of all connections that were ready") {
  Fixture f;
  Watched<int> batches;
  std::size_t frames_before_batch_end = 0;
  std::size_t frames = 0;
  f.io.call([&] {
    f.io.set_batch_end([&] {
      frames_before_batch_end = frames;
      batches.change([](int& count) { ++count; });
    });
  });
  REQUIRE(f.peer->send(frame_of("1") + frame_of("2")));
  f.connection->start({[&](auto all) { frames += all.size(); }, [](const std::string&) {}});
  REQUIRE(batches.wait([](int count) { return count >= 1; }));
  f.io.stop();
  CHECK(frames_before_batch_end == 2);
}

TEST_CASE("call() runs on the thread, or on ours when that has ended") {
  IoThread io;
  bool there = false;
  io.call([&] { there = io.on_this_thread(); });
  CHECK(there);
  CHECK_FALSE(io.on_this_thread());
  io.stop();
  bool ran = false;
  io.call([&] { ran = true; });
  CHECK(ran);
}

}  // namespace
}  // namespace francine::net
