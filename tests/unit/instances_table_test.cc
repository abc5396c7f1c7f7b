// The table of backends and managers, and the lines that instances print.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "instances/output_lines.h"
#include "instances/table.h"

namespace francine::instances {
namespace {

TEST_CASE("unknown names are refused with those that exist") {
  const auto backend = find_backend("gce2");
  REQUIRE_FALSE(backend.ok());
  CHECK(backend.error().code == ErrorCode::kInvalidArgument);
  CHECK(backend.error().message ==
        "there is no instance type \"gce2\"; use local, in_process or static");
  const auto manager = find_manager("greedy");
  REQUIRE_FALSE(manager.ok());
  CHECK(manager.error().code == ErrorCode::kInvalidArgument);
  CHECK(manager.error().message == "there is no instance manager \"greedy\"; use static");
}

TEST_CASE("a manager is made from its description") {
  for (const ManagerDescription& description : managers()) {
    CAPTURE(description.name);
    CHECK_FALSE(description.summary.empty());
    const auto manager = description.create({.static_instance_size = 5});
    CHECK(manager->name() == description.name);
    CHECK(find_manager(description.name).value() == &description);
  }
  CHECK(find_manager("static").value()->create({.static_instance_size = 5})->desired({}) == 5);
}

TEST_CASE("static has nothing to start, and only in_process needs no port") {
  CHECK_FALSE(find_backend("static").value()->starts_instances());
  CHECK(find_backend("local").value()->starts_instances());
  CHECK_FALSE(find_backend("local").value()->in_process);
  CHECK(find_backend("in_process").value()->starts_instances());
  CHECK(find_backend("in_process").value()->in_process);
}

struct Lines {
  explicit Lines(std::size_t tail_bytes = 1000, std::string secret = "s3cret")
      : output(std::move(secret), tail_bytes,
               [this](std::string_view line) { lines.emplace_back(line); }) {}
  std::vector<std::string> lines;
  OutputLines output;
};

using Texts = std::vector<std::string>;

TEST_CASE("bytes become lines, however they come") {
  Lines lines;
  for (const char c : std::string("one\r\n\ntwo\nthr")) lines.output.feed({&c, 1});
  CHECK(lines.lines == Texts{"one", "", "two"});
  lines.output.feed("ee");
  lines.output.finish();
  lines.output.finish();
  CHECK(lines.lines == Texts{"one", "", "two", "three"});
  CHECK(lines.output.tail() == "one\n\ntwo\nthree");
}

TEST_CASE("lines are printable") {
  Lines lines;
  lines.output.feed("a\x1b[1m\xff\tb\n");
  CHECK(lines.lines == Texts{"a?[1m?\tb"});
}

TEST_CASE("of a long line the beginning is kept") {
  Lines lines;
  lines.output.feed(std::string(1'000'000, 'x') + "\nnext\n");
  REQUIRE(lines.lines.size() == 2);
  CHECK(lines.lines[0] == std::string(OutputLines::kMaxLineBytes, 'x'));
  CHECK(lines.lines[1] == "next");
}

TEST_CASE("a secret is struck out wherever it stands") {
  // Whole, in pieces, twice, and across the place where a long line is cut.
  for (std::size_t before = 0; before < OutputLines::kMaxLineBytes + 20; ++before) {
    Lines lines;
    const std::string text = std::string(before, '.') + "s3crets3cret" + std::string(9, '.');
    lines.output.feed(text.substr(0, before + 3));
    lines.output.feed(text.substr(before + 3) + "\n");
    REQUIRE(lines.lines.size() == 1);
    REQUIRE(lines.lines[0].find("s3") == std::string::npos);
    REQUIRE(lines.lines[0].size() <= OutputLines::kMaxLineBytes);
  }
}

TEST_CASE("without a secret nothing is struck out") {
  Lines lines(1000, "");
  lines.output.feed("abc\n");
  CHECK(lines.lines == Texts{"abc"});
}

TEST_CASE("the tail holds the last whole lines that fit") {
  Lines lines(12);
  lines.output.feed("first\nsecond\nthird\n");
  CHECK(lines.output.tail() == "third");
  lines.output.feed("4\n");
  CHECK(lines.output.tail() == "third\n4");
  lines.output.feed("much longer than the bound\n");
  CHECK(lines.output.tail() == "much longer ");
}

}  // namespace
}  // namespace francine::instances
