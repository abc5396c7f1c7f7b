// What owners upload to a master, by its public interface.

#include <doctest/doctest.h>

#include <string>
#include <utility>

#include <francine/francine.h>

#include "base/crypto.h"
#include "master_farm.h"

namespace francine {
namespace {

using testing::Farm;

TEST_CASE("an upload is its owner's, also in parts") {
  Farm farm;
  farm.gate->open();
  const auto reader_of = [](std::string text) {
    return [text = std::move(text)](char* buffer, std::size_t size) mutable {
      const std::size_t count = text.copy(buffer, size);
      text.erase(0, count);
      return Result<std::size_t>(count);
    };
  };
  Master& master = *farm.master;
  const std::string id = "sha256:" + base::sha256_hex("contents");
  const auto session_of = [&](std::string owner) {
    return master.create_session(
        {.producer = "gated", .resources = {{.id = id, .dst = "x"}}, .owner = std::move(owner)});
  };
  CHECK(master.put_resource(reader_of("others"), "anna", id).error().code ==
        ErrorCode::kInvalidArgument);
  CHECK(master.put_resource(reader_of("contents"), "anna", id).value() == id);
  CHECK(session_of("anna").ok());
  CHECK(session_of("").ok());
  CHECK(session_of("bert").error().message.find("has not been uploaded") != std::string::npos);
  CHECK(master.find_resource(id, "anna").value().bytes == 8);
  CHECK(master.find_resource(id, "bert").error().code == ErrorCode::kNotFound);
  CHECK(master.find_resource("x", "bert").error().code == ErrorCode::kInvalidArgument);

  CHECK(master.begin_upload(id, 8, "bert").value().offset == 0);
  CHECK(master.continue_upload(id, 0, reader_of("cont"), "bert").value().offset == 4);
  CHECK(master.find_upload(id, "bert").value().bytes == 8);
  CHECK_FALSE(session_of("bert").ok());
  CHECK(master.continue_upload(id, 4, reader_of("ents"), "bert").value().offset == 8);
  CHECK(session_of("bert").ok());
  CHECK(master.begin_upload(id, 8, "carl").ok());
  CHECK(master.remove_upload(id, "carl").ok());
  CHECK(master.find_upload(id, "carl").error().code == ErrorCode::kNotFound);
  master.stop();
  CHECK(master.begin_upload(id, 8, "carl").error().code == ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace francine
