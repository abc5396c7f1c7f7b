#include <doctest/doctest.h>

#include <string>

#include "api/uploads.h"

namespace francine::api {
namespace {

// SHA-256 of nothing (FIPS 180-4), as an id and as RFC 9530 has it.
const std::string kId = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const std::string kDigest = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";

TEST_CASE("digests in headers") {
  CHECK(digest_of_id(kId) == kDigest);
  for (const std::string& good : {kDigest, "sha-512=:AAAA:, " + kDigest, kDigest + ",md5=:AA==:"}) {
    CAPTURE(good);
    CHECK(id_of_digest(good).value() == kId);
  }
  for (const std::string& wrong :
       {std::string(), std::string("sha-256"), "x" + kDigest, kDigest.substr(0, kDigest.size() - 1),
        std::string("sha-256=:AAAA:"), std::string("sha-256=:=:"),
        std::string("sha-256=:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=:"),
        std::string("sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=:")}) {
    CAPTURE(wrong);
    const auto id = id_of_digest(wrong);
    REQUIRE_FALSE(id.ok());
    CHECK(id.error().message.find("Repr-Digest") != std::string::npos);
  }
}

TEST_CASE("numbers of bytes in headers") {
  CHECK(upload_number("Upload-Offset", "0").value() == 0);
  CHECK(upload_number("Upload-Offset", "9223372036854775807").value() == 9223372036854775807U);
  for (const char* wrong : {"", "-1", "+1", "1 ", "0x1", "9223372036854775808"}) {
    CAPTURE(wrong);
    CHECK_FALSE(upload_number("Upload-Offset", wrong).ok());
  }
  CHECK(upload_number("Upload-Length", {}).error().message.find("Upload-Length is missing") == 0);
}

TEST_CASE("what is asked and answered is read back") {
  const std::vector<std::string> ids = {kId, "x"};
  CHECK(known_request(parse_body(known_request_json(ids)).value(), Limits{}).value() == ids);
  Limits limits;
  limits.max_resources_per_session = 1;
  CHECK_FALSE(known_request(parse_body(known_request_json(ids)).value(), limits).ok());
  CHECK(read_known(known_json(ids)).value() == ids);
  CHECK(read_known(R"({"known":[],"more":1})").value().empty());
  const UploadInfo info = read_upload(upload_json({kId, 5, 12})).value();
  CHECK(info.id == kId);
  CHECK(info.offset == 5);
  CHECK(info.bytes == 12);
  CHECK(resource_info_json({kId, 12}) == R"({"id":")" + kId + R"(","bytes":12})");
  for (const char* wrong : {"", "[]", "{}", R"({"known":{}})", R"({"known":[1]})"}) {
    CAPTURE(wrong);
    CHECK_FALSE(read_known(wrong).ok());
    CHECK_FALSE(read_upload(wrong).ok());
  }
}

}  // namespace
}  // namespace francine::api
