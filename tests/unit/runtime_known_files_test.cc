#include "runtime/known_files.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace francine::runtime {
namespace {

using Hints = std::vector<core::FileHint>;

core::Resource file(const std::string& name, const std::string& version = {}, char digit = 0,
                    const std::string& type = "http") {
  core::Resource resource{type, name, "dst", {}, 0};
  if (digit != 0) resource.sha256 = std::string(64, digit);
  resource.version = version;
  return resource;
}

core::SessionSpec session(std::vector<core::Resource> files, const std::string& owner = {}) {
  core::SessionSpec spec;
  spec.owner = owner;
  spec.resources = std::move(files);
  return spec;
}

TEST_CASE("what a session has found is a hint for another one that names the same") {
  KnownFiles known;
  known.note(session({file("a", "1", 'a'), file("b", "", 'b'), file("c", "3", 'c')}));
  CHECK(known.hints(session({file("b"), file("c"), file("d"), file("a")})) ==
        Hints{{1, "3", std::string(64, 'c')}, {3, "1", std::string(64, 'a')}});
  // What is known already needs none, and another provider's is another file.
  CHECK(known.hints(session({file("a", "", 'f'), file("a", "", 0, "s3")})).empty());
  // What is not known yet teaches nothing.
  known.note(session({file("d", "4")}));
  CHECK(known.hints(session({file("d")})).empty());
}

TEST_CASE("the latest version counts") {
  KnownFiles known;
  known.note(session({file("a", "1", 'a')}));
  known.note(session({file("a", "2", 'b')}));
  CHECK(known.hints(session({file("a")})) == Hints{{0, "2", std::string(64, 'b')}});
}

TEST_CASE("what users authorise for themselves is known to each alone") {
  KnownFiles known;
  for (const char* type : {"dropbox", "googledrive"}) {
    known.note(session({file("a", "1", 'a', type)}, "anna"));
    CHECK(known.hints(session({file("a", "", 0, type)}, "anna")).size() == 1);
    CHECK(known.hints(session({file("a", "", 0, type)}, "bert")).empty());
  }
  known.note(session({file("a", "1", 'a')}, "anna"));
  CHECK(known.hints(session({file("a")}, "bert")).size() == 1);
}

TEST_CASE("what was noted longest ago is forgotten when there is too much") {
  KnownFiles known(10'000);
  for (int i = 0; i < 1000; ++i) {
    known.note(session({file(std::to_string(i), "1", 'a')}));
    known.note(session({file("again", "1", 'a')}));
  }
  std::vector<core::Resource> all{file("again")};
  for (int i = 0; i < 1000; ++i) all.push_back(file(std::to_string(i)));
  const Hints hints = known.hints(session(all));
  CHECK((hints.size() > 10 && hints.size() < 50));
  CHECK(hints.front().file == 0);
  CHECK(hints[1].file == 1000 + 2 - hints.size());
  CHECK(hints.back().file == 1000);
}

}  // namespace
}  // namespace francine::runtime
