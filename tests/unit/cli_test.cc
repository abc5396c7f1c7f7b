#include <doctest/doctest.h>

#include <chrono>
#include <string>

#include "cli/client.h"
#include "cli/exit_codes.h"
#include "cli/picture.h"
#include "cli/progress.h"
#include "cli/resource_argument.h"
#include "cli/target.h"
#include "cli/text.h"

namespace francine::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("an even pace is estimated exactly") {
  Estimate estimate;
  for (std::uint32_t done = 0; done <= 40; ++done) {
    estimate.observe(milliseconds(500 * done), done);
    if (done >= 4) CHECK(estimate.left(100)->count() == 500 * (100 - done));
  }
  CHECK(estimate.left(40) == milliseconds(0));
}

TEST_CASE("there is no estimate without shares, nor in the first second") {
  Estimate estimate;
  CHECK_FALSE(estimate.left(10).has_value());
  estimate.observe(seconds(30), 0);
  CHECK_FALSE(estimate.left(10).has_value());
  Estimate early;
  early.observe(milliseconds(999), 5);
  CHECK_FALSE(early.left(10).has_value());
  early.observe(milliseconds(1000), 5);
  CHECK(early.left(10) == milliseconds(1000));
}

TEST_CASE("a slow beginning is forgotten, a standstill makes the estimate longer") {
  Estimate estimate;
  estimate.observe(seconds(60), 0);  // the scene is prepared
  for (std::uint32_t i = 1; i <= 60; ++i) estimate.observe(seconds(60 + i), i);
  CHECK(estimate.left(120) == seconds(60));
  estimate.observe(seconds(150), 60);
  CHECK(*estimate.left(120) > seconds(60));
  estimate.observe(seconds(400), 60);
  CHECK_FALSE(estimate.left(120).has_value());
}

TEST_CASE("shares that are given back do not upset the estimate") {
  Estimate estimate;
  estimate.observe(seconds(2), 8);
  estimate.observe(seconds(3), 4);  // a worker died
  CHECK(estimate.left(16).has_value());
  estimate.observe(seconds(100), 2);
  CHECK_FALSE(estimate.left(16).has_value());
}

TEST_CASE("the bar is as wide as the terminal permits") {
  const Progress half{8, 16, seconds(12), seconds(75)};
  CHECK(bar_line(half, 80) ==
        "[====================>                   ]  50%   8/16 shares  0:12  1:15 left");
  for (std::size_t columns = 0; columns < 200; ++columns) {
    for (const Progress& progress :
         {half, Progress{0, 16, {}, {}}, Progress{16, 16, {}, {}}, Progress{20, 16, {}, {}},
          Progress{0, 0, {}, {}}, Progress{4'294'967'295, 4'294'967'295, seconds(360'000), {}}}) {
      CHECK(bar_line(progress, columns).size() < std::max<std::size_t>(columns, 1));
    }
  }
  CHECK(bar_line(half, 40) == "  50%   8/16 shares  0:12  1:15 left");
  CHECK(bar_line({16, 16, seconds(3), {}}, 80) ==
        "[========================================] 100%  16/16 shares  0:03  merging");
  CHECK(bar_line({1, 3, seconds(3), {}}, 80).find(" 33%  1/3 shares  0:03") != std::string::npos);
}

TEST_CASE("progress as a line of a log") {
  CHECK(plain_line({8, 16, seconds(12), seconds(75)}) ==
        "50%, 8 of 16 shares, 12 s, about 1:15 min left");
  CHECK(plain_line({0, 16, milliseconds(300), {}}) == "0%, 0 of 16 shares, 0.3 s");
  CHECK(plain_line({16, 16, seconds(20), seconds(0)}) == "100%, 16 of 16 shares, 20 s, merging");
}

TEST_CASE("FILE[:DST]") {
  const auto nowhere = [](const std::string&) { return false; };
  const auto everywhere = [](const std::string&) { return true; };
  auto parsed = parse_resource_argument("scenes/model.obj", nowhere);
  REQUIRE(parsed.ok());
  CHECK(parsed->file == "scenes/model.obj");
  CHECK(parsed->dst == "model.obj");
  parsed = parse_resource_argument("model.obj", nowhere);
  CHECK(parsed->dst == "model.obj");
  parsed = parse_resource_argument("/tmp/a.bin:maps/sky.exr", nowhere);
  CHECK(parsed->file == "/tmp/a.bin");
  CHECK(parsed->dst == "maps/sky.exr");
  parsed = parse_resource_argument("a:b:c", nowhere);
  CHECK(parsed->file == "a:b");
  CHECK(parsed->dst == "c");
  parsed = parse_resource_argument("x/a:b.obj", everywhere);
  CHECK(parsed->file == "x/a:b.obj");
  CHECK(parsed->dst == "a:b.obj");
  for (const char* wrong : {"", ":", "a:", ":b", "folder/"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_resource_argument(wrong, nowhere).ok());
  }
}

TEST_CASE("sizes and times") {
  CHECK(size_text(0) == "0 bytes");
  CHECK(size_text(1) == "1 byte");
  CHECK(size_text(999) == "999 bytes");
  CHECK(size_text(1000) == "1.0 kB");
  CHECK(size_text(999'949) == "999.9 kB");
  CHECK(size_text(999'950) == "1.0 MB");
  CHECK(size_text(12'345'678'900) == "12.3 GB");
  CHECK(time_text(milliseconds(0)) == "0.0 s");
  CHECK(time_text(milliseconds(840)) == "0.8 s");
  CHECK(time_text(milliseconds(9'960)) == "9 s");
  CHECK(time_text(seconds(59)) == "59 s");
  CHECK(time_text(seconds(187)) == "3:07 min");
  CHECK(time_text(seconds(7387)) == "2:03:07 h");
  CHECK(clock_text(seconds(7)) == "0:07");
  CHECK(clock_text(milliseconds(-5)) == "0:00");
}

TEST_CASE("tables are aligned, and nothing in them moves the terminal") {
  CHECK(table_text({{"NAME", "N"}, {"a", "1"}, {"long name", "22"}}, false) ==
        "NAME       N\na          1\nlong name  22\n");
  CHECK(table_text({{"N"}, {"a"}}, true) == "\x1b[1mN\x1b[0m\na\n");
  CHECK(fields_text({{"k", "\x1b[2J"}, {"key", "\xc3\xa9"}}) == "k    ?[2J\nkey  \xc3\xa9\n");
  CHECK(columns_of("\xc3\xa9x") == 2);
}

TEST_CASE("servers") {
  CHECK(*server_url("localhost:3000") == "http://localhost:3000");
  CHECK(*server_url("https://farm.example/") == "https://farm.example");
  CHECK(*server_url("http://h/francine/") == "http://h/francine");
  for (const char* wrong : {"", "http://", "ftp://h", "http://user:word@h", "http://h?x", "a b"}) {
    CAPTURE(wrong);
    CHECK_FALSE(server_url(wrong).ok());
  }
  for (const char* here : {"http://localhost:3000", "http://127.0.0.1", "https://[::1]:80"}) {
    CHECK(is_loopback(here));
  }
  for (const char* away : {"http://localhost.example", "http://10.0.0.1", "http://[::2]"}) {
    CHECK_FALSE(is_loopback(away));
  }
}

TEST_CASE("names in paths") {
  CHECK(session_path("a-b_c.~1") == "/sessions/a-b_c.~1");
  CHECK(execution_path("a/b", "\xc3\xa9?#") == "/sessions/a%2Fb/executions/%C3%A9%3F%23");
  Arguments arguments;
  arguments.session = std::string("s/e");
  CHECK(target_of(arguments).session == "s");
  CHECK(target_of(arguments).execution == "e");
  arguments.execution = std::string("x");
  CHECK(target_of(arguments).session == "s/e");
  Arguments whole;
  whole.session = std::string("s");
  CHECK(target_of(whole).execution.empty());
}

TEST_CASE("the format that a name asks for") {
  CHECK(format_of_file("a.png") == Format::kPng);
  CHECK(format_of_file("x/a.JPEG") == Format::kJpg);
  CHECK(format_of_file("a.b.exr") == Format::kExr);
  CHECK_FALSE(format_of_file("").has_value());
  CHECK_FALSE(format_of_file("-").has_value());
  CHECK_FALSE(format_of_file("png").has_value());
  CHECK_FALSE(format_of_file("a.png/b").has_value());
  CHECK_FALSE(format_of_file("a.bmp").has_value());
}

TEST_CASE("exit codes are those that the manual promises") {
  CHECK(exit_code(ErrorCode::kInvalidArgument) == 1);
  CHECK(exit_code(ErrorCode::kInternal) == 1);
  CHECK(exit_code(ErrorCode::kUnavailable) == 3);
  CHECK(exit_code(ErrorCode::kUnauthenticated) == 4);
  CHECK(exit_code(ErrorCode::kForbidden) == 4);
  CHECK(exit_code(ErrorCode::kNotFound) == 5);
}

}  // namespace
}  // namespace francine::cli
