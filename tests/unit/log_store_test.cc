#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "runtime/log_store.h"

namespace {

using francine::kMaxLogPage;
using francine::LogLevel;
using francine::LogPage;
using francine::LogQuery;
using francine::LogRecord;
using francine::TaskFailure;
using francine::TaskId;
using francine::runtime::LogStore;

constexpr std::uint64_t kFirst = 1000;

LogRecord record(std::string text, LogLevel level = LogLevel::kInfo) {
  LogRecord made;
  made.text = std::move(text);
  made.level = level;
  return made;
}

LogRecord of(std::string text, std::string worker, std::string session, std::string execution) {
  LogRecord made = record(std::move(text));
  made.worker = std::move(worker);
  made.session = std::move(session);
  made.execution = std::move(execution);
  return made;
}

std::vector<std::string> texts(const LogPage& page) {
  std::vector<std::string> all;
  for (const auto& each : page.records) all.push_back(each.record.text);
  return all;
}

std::vector<std::string> texts(const TaskFailure& failure) {
  std::vector<std::string> all;
  for (const LogRecord& each : failure.logs) all.push_back(each.text);
  return all;
}

using Texts = std::vector<std::string>;

TEST_CASE("Records are numbered and answered oldest first") {
  const auto store = LogStore::make(kFirst);
  CHECK(texts(store->query({})).empty());
  CHECK(store->query({}).next == kFirst - 1);
  for (const char* text : {"a", "b", "c", "d"}) store->add(record(text), "");
  LogQuery query;
  query.limit = 2;
  const LogPage newest = store->query(query);
  CHECK(texts(newest) == Texts{"c", "d"});
  CHECK(newest.next == kFirst + 3);
  CHECK(newest.dropped == 0);

  query.after = 0;
  LogPage page = store->query(query);
  CHECK(texts(page) == Texts{"a", "b"});
  CHECK(page.records.front().number == kFirst);
  CHECK(page.next == kFirst + 1);
  CHECK(page.dropped == 0);
  query.after = page.next;
  page = store->query(query);
  CHECK(texts(page) == Texts{"c", "d"});
  query.after = page.next;
  page = store->query(query);
  CHECK(texts(page).empty());
  CHECK(page.next == kFirst + 3);
  query.after = kFirst * 1000;  // of a clock that was ahead
  CHECK(store->query(query).next == kFirst + 3);
}

TEST_CASE("Queries choose by worker, session, execution, level and owner") {
  const auto store = LogStore::make(kFirst);
  store->add(record("cluster"), "");
  store->add(of("1", "w1", "s1", "e1"), "anna");
  store->add(of("2", "w2", "s1", "e1"), "anna");
  store->add(of("3", "w1", "s1", "e2"), "anna");
  store->add(of("4", "w1", "s2", "e3"), "bert");
  store->add(of("5", "w1", "", ""), "");
  LogRecord bad = of("6", "w2", "s2", "e3");
  bad.level = LogLevel::kError;
  bad.task = TaskId{7};
  store->add(bad, "bert");
  for (const bool forwards : {false, true}) {
    CAPTURE(forwards);
    LogQuery query;
    if (forwards) query.after = 0;
    const auto found = [&](auto change) {
      LogQuery changed = query;
      change(changed);
      return texts(store->query(changed));
    };
    CHECK(found([](LogQuery& q) { q.execution = "e1"; }) == Texts{"1", "2"});
    CHECK(found([](LogQuery& q) { q.session = "s1"; }) == Texts{"1", "2", "3"});
    CHECK(found([](LogQuery& q) { q.worker = "w1"; }) == Texts{"1", "3", "4", "5"});
    CHECK(found([](LogQuery& q) { q.session = "s1", q.worker = "w1"; }) == Texts{"1", "3"});
    CHECK(found([](LogQuery& q) { q.execution = "e1", q.session = "s2"; }).empty());
    CHECK(found([](LogQuery& q) { q.execution = "nothing"; }).empty());
    CHECK(found([](LogQuery& q) { q.level = LogLevel::kWarning; }) == Texts{"6"});
    CHECK(found([](LogQuery& q) { q.task = TaskId{7}; }) == Texts{"6"});
    CHECK(found([](LogQuery& q) { q.task = TaskId{7}, q.execution = "e1"; }).empty());
    CHECK(found([](LogQuery& q) { q.owner = "anna"; }) == Texts{"1", "2", "3"});
    CHECK(found([](LogQuery& q) { q.owner = "bert", q.worker = "w1"; }) == Texts{"4"});
    CHECK(found([](LogQuery& q) { q.owner = ""; }).empty());
  }
}

TEST_CASE("Pages of one execution follow on each other") {
  const auto store = LogStore::make(kFirst);
  Texts wanted;
  for (int i = 0; i < 1000; ++i) {
    const bool ours = i % 3 == 0;
    store->add(of(std::to_string(i), "w", "s", ours ? "ours" : "theirs"), "");
    if (ours) wanted.push_back(std::to_string(i));
  }
  LogQuery query;
  query.execution = "ours";
  query.after = 0;
  query.limit = 7;
  Texts all;
  for (LogPage page = store->query(query); !page.records.empty(); page = store->query(query)) {
    for (const std::string& text : texts(page)) all.push_back(text);
    query.after = page.next;
  }
  CHECK(all == wanted);
}

TEST_CASE("The store is bounded, drops the oldest and says so") {
  constexpr std::size_t kBytes = 100'000;
  const auto store = LogStore::make(kFirst, kBytes);
  constexpr int kRecords = 10'000;
  const std::string filling(100, 'x');
  for (int i = 0; i < kRecords; ++i) {
    store->add(of(filling, std::to_string(i), std::to_string(i), "e"), "o");
  }
  LogQuery query;
  query.after = kFirst + 9;
  query.limit = kMaxLogPage;
  LogPage page = store->query(query);
  REQUIRE_FALSE(page.records.empty());
  CHECK(page.records.size() < kBytes / filling.size());
  CHECK(page.records.back().number == kFirst + kRecords - 1);
  CHECK(page.records.front().number == kFirst + kRecords - page.records.size());
  CHECK(page.dropped == kRecords - page.records.size() - 10);
  query.execution = "e";  // whose chain ends where records are gone
  CHECK(store->query(query).records.size() == page.records.size());
  query.execution.clear();
  query.session = "0";
  CHECK(store->query(query).records.empty());
  query.session = std::to_string(kRecords - 1);
  CHECK(store->query(query).records.size() == 1);

  store->add(record(std::string(1 << 20, 'y')), "");
  CHECK(store->query({}).records.back().record.text.size() == LogStore::kMaxTextBytes);
}

TEST_CASE("Texts become printable") {
  const auto store = LogStore::make(kFirst);
  store->add(record("a\nb\x1b[31m\xff"), "");
  CHECK(texts(store->query({})) == Texts{"a?b?[31m?"});
}

TEST_CASE("The last failure of an execution is found with its records") {
  const auto store = LogStore::make(kFirst);
  CHECK_FALSE(store->last_failure("e"));
  store->add(of("before", "w1", "s", "e"), "");
  CHECK_FALSE(store->last_failure("e"));
  LogRecord failed = of("a task failed: no such file", "w1", "s", "e");
  failed.task = TaskId{7};
  failed.time_us = 77;
  store->add(failed, "", "no such file");
  store->add(of("of another", "w1", "s", "f"), "", "other");
  store->add(of("after", "w2", "s", "e"), "");
  const auto failure = store->last_failure("e");
  REQUIRE(failure);
  CHECK(failure->reason == "no such file");
  CHECK(failure->worker == "w1");
  CHECK(failure->task == TaskId{7});
  CHECK(failure->time_us == 77);
  CHECK(texts(*failure) == Texts{"before", "a task failed: no such file"});
  for (int i = 0; i < 100; ++i) store->add(of(std::to_string(i), "w2", "s", "e"), "");
  CHECK(texts(*store->last_failure("e")) == texts(*failure));
  store->add(of("again", "w2", "s", "e"), "", "another reason");
  CHECK(store->last_failure("e")->reason == "another reason");
  CHECK(store->last_failure("e")->logs.size() == LogStore::kFailureRecords);
  CHECK(store->last_failure("e")->logs.back().text == "again");

  store->forget("e");
  CHECK_FALSE(store->last_failure("e"));
  CHECK(store->last_failure("f"));
  store->forget("e");
}

TEST_CASE("A last failure outlives its records in the store, with what led to it") {
  constexpr std::size_t kBytes = 100'000;
  const auto store = LogStore::make(kFirst, kBytes);
  for (int i = 0; i < 50; ++i) store->add(of(std::to_string(i), "w", "s", "e"), "");
  store->add(of("failed", "w", "s", "e"), "", "reason");
  const Texts before = texts(*store->last_failure("e"));
  REQUIRE(before.size() == LogStore::kFailureRecords);
  CHECK(before.front() == "31");
  for (int i = 0; i < 1000; ++i) {
    store->add(of("later", "w", "s", "e"), "");
    if (texts(*store->last_failure("e")) != before) FAIL("lost after ", i);
  }
  LogQuery query;
  query.execution = "e";
  query.limit = kMaxLogPage;
  CHECK(texts(store->query(query)).front() == "later");
  store->add(of("failed again", "w", "s", "e"), "", "reason");
  CHECK(store->last_failure("e")->logs.back().text == "failed again");
}

TEST_CASE("The records of last failures are bounded, the earliest go; the reasons stay") {
  constexpr std::size_t kBytes = 100'000;
  const auto store = LogStore::make(kFirst, kBytes);
  constexpr int kExecutions = 1000;
  for (int i = 0; i < kExecutions; ++i) {
    store->add(of("led to it", "w", "s", std::to_string(i)), "");
    store->add(of("failed", "w", "s", std::to_string(i)), "", "reason");
  }
  std::size_t records = 0;
  for (int i = 0; i < kExecutions; ++i) {
    const auto failure = store->last_failure(std::to_string(i));
    REQUIRE(failure);
    CHECK(failure->reason == "reason");
    records += failure->logs.size();
  }
  CHECK(texts(*store->last_failure("0")).empty());
  CHECK(texts(*store->last_failure(std::to_string(kExecutions - 1))).size() == 2);
  CHECK(records > 100);
  CHECK(records < 2 * kBytes / 512);
  for (int i = 0; i < kExecutions; ++i) store->forget(std::to_string(i));
  CHECK_FALSE(store->last_failure("999"));
}

TEST_CASE("A follower is called once until it reads, for what it wants alone") {
  const auto store = LogStore::make(kFirst);
  store->add(of("old", "w", "s", "e"), "anna");
  LogQuery query;
  query.execution = "e";
  query.owner = "anna";
  int calls = 0;
  auto follower = store->follow(query, [&] { ++calls; });
  CHECK(follower->next(10).records.empty());
  store->add(of("other", "w", "s", "f"), "anna");
  store->add(of("stranger's", "w", "t", "e"), "bert");
  CHECK(calls == 0);
  store->add(of("1", "w", "s", "e"), "anna");
  store->add(of("2", "w", "s", "e"), "anna");
  CHECK(calls == 1);
  CHECK(texts(follower->next(1)) == Texts{"1"});
  CHECK(texts(follower->next(10)) == Texts{"2"});
  CHECK(follower->next(10).records.empty());
  store->add(of("3", "w", "s", "e"), "anna");
  CHECK(calls == 2);
  follower.reset();
  store->add(of("4", "w", "s", "e"), "anna");
  CHECK(calls == 2);

  query.after = 0;
  follower = store->follow(query, {});
  CHECK(texts(follower->next(10)) == Texts{"old", "1", "2", "3", "4"});
}

TEST_CASE("A slow follower misses records and is told how many") {
  const auto store = LogStore::make(kFirst, 50'000);
  const auto follower = store->follow({}, {});
  constexpr std::uint64_t kRecords = 5000;
  for (std::uint64_t i = 0; i < kRecords; ++i) store->add(record(std::to_string(i)), "");
  const LogPage page = follower->next(kMaxLogPage);
  CHECK(page.dropped > 0);
  CHECK(page.dropped + page.records.size() == kRecords);
  CHECK(page.records.back().record.text == std::to_string(kRecords - 1));
  CHECK(follower->next(kMaxLogPage).dropped == 0);
}

TEST_CASE("Many threads may add and follow") {
  const auto store = LogStore::make(kFirst);
  constexpr int kWriters = 4;
  constexpr int kEach = 2000;
  std::atomic<int> calls{0};
  const auto follower = store->follow({}, [&] { ++calls; });
  std::size_t read = 0;
  {
    std::vector<std::jthread> writers;
    for (int w = 0; w < kWriters; ++w) {
      writers.emplace_back([&store] {
        for (int i = 0; i < kEach; ++i) store->add(record("x"), "");
      });
    }
    for (int i = 0; i < 1000; ++i) {
      const auto passing = store->follow({}, [&] { ++calls; });
      read += follower->next(kMaxLogPage).records.size();
    }
  }
  for (LogPage page = follower->next(kMaxLogPage); !page.records.empty();
       page = follower->next(kMaxLogPage)) {
    read += page.records.size();
  }
  CHECK(read == kWriters * kEach);
  CHECK(calls > 0);
}

}  // namespace
