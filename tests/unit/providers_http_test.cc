// `http` beyond the contract: where URLs lead, and servers without versions.

#include <doctest/doctest.h>

#include <optional>
#include <string>

#include "net/http_server.h"
#include "providers/descriptions.h"
#include "providers_support.h"

namespace francine::providers {
namespace {

using net::HttpRequest;
using net::HttpResponse;

HttpResponse redirect_to(const std::string& target) {
  HttpResponse response;
  response.status = 302;
  response.headers.emplace_back("Location", target);
  return response;
}

struct Fixture {
  Fixture() {
    server.route("GET", "/text", [](HttpRequest&) {
      HttpResponse response;
      response.body = "text";
      return response;
    });
    server.route("GET", "/hops/:n", [](HttpRequest& r) {
      const int left = std::stoi(std::string(r.capture("n")));
      return redirect_to(left > 1 ? "/hops/" + std::to_string(left - 1) : "/text");
    });
    server.route("GET", "/moved", [](HttpRequest&) { return redirect_to("/etag?is=%22v%22"); });
    server.route("GET", "/to", [](HttpRequest& r) {
      return redirect_to(std::string(r.query("url").value_or("")));
    });
    server.route("GET", "/etag", [](HttpRequest& r) {
      HttpResponse response;
      response.headers.emplace_back("ETag", std::string(r.query("is").value_or("")));
      response.body = "text";
      return response;
    });
    server.route("GET", "/status/:n", [](HttpRequest& r) {
      HttpResponse response;
      response.status = std::stoi(std::string(r.capture("n")));
      return response;
    });
    server.route("GET", "/torn/:version", [this](HttpRequest& r) { return torn(r); });
    REQUIRE(server.start().ok());
    base = "http://127.0.0.1:" + std::to_string(server.port());
    provider = make(true);
  }

  /// "abcdef", but the first answer breaks off behind "abc"; ranges are honoured.
  HttpResponse torn(HttpRequest& r) {
    ++answers;
    const std::string version(r.capture("version"));
    HttpResponse response;
    if (version == "weak") response.headers.emplace_back("ETag", "W/\"1\"");
    if (version == "date") {
      response.headers.emplace_back("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT");
    }
    if_range = r.header("If-Range").value_or("");
    if (r.header("Range") == "bytes=3-") {
      response.status = 206;
      response.headers.emplace_back("Content-Range", "bytes 3-5/6");
      response.body = "def";
      return response;
    }
    response.stream_bytes = 6;
    response.stream = [](const net::HttpSink& sink) { return sink("abc") && false; };
    return response;
  }

  static std::unique_ptr<ResourceProvider> make(bool allow_private) {
    ProviderOptions options;
    options.limits = impatient_limits();
    options.http.allow_private = allow_private;
    options.http.max_redirects = 3;
    return kHttpProvider.create(options).value();
  }

  Outcome get(const std::string& path) { return fetch(*provider, Fields{{"url", base + path}}); }

  int answers = 0;
  std::string if_range;
  std::string base;
  std::unique_ptr<ResourceProvider> provider;
  net::HttpServer server{net::HttpServerOptions{}};
};

TEST_CASE("addresses inside are refused unless they are permitted") {
  Fixture f;
  CHECK(f.get("/text").bytes == "text");
  const auto guarded = Fixture::make(false);
  const std::string port = ":" + std::to_string(f.server.port()) + "/text";
  for (const char* host : {"127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0"}) {
    const Outcome outcome = fetch(*guarded, Fields{{"url", "http://" + std::string(host) + port}});
    CHECK_MESSAGE(outcome.failed_with(ErrorCode::kForbidden, "address inside"),
                  outcome.error.message);
  }
}

TEST_CASE("redirects are followed, some of them, and not to everywhere") {
  Fixture f;
  CHECK(f.get("/hops/1").bytes == "text");
  CHECK(f.get("/hops/3").bytes == "text");
  CHECK(f.get("/hops/4").failed_with(ErrorCode::kUnavailable, "more than 3 redirects"));
  CHECK(f.get("/to?url=file:///etc/passwd").failed_with(ErrorCode::kForbidden, "redirect"));
  CHECK(f.get("/to?url=ftp://127.0.0.1/a").failed_with(ErrorCode::kForbidden, "redirect"));
  CHECK(f.get("/to?url=http://anna:pw@127.0.0.1/a").failed_with(ErrorCode::kForbidden, "password"));
}

TEST_CASE("a strong ETag is exact, unless a redirect led there") {
  Fixture f;
  const auto is_exact = [&f](const std::string& path) {
    std::optional<bool> exact;
    FetchRequest request;
    request.fields = {{"url", f.base + path}};
    request.on_head = [&exact](const ResourceHead& head) -> Result<void> {
      exact = head.exact;
      return {};
    };
    CHECK(fetch(*f.provider, request).ok);
    return exact.value();
  };
  CHECK(is_exact("/etag?is=%22v%22"));
  CHECK_FALSE(is_exact("/moved"));
  for (const char* tag : {"W%2F%22v%22", "v", "%22", "%22%22"}) {
    CHECK_FALSE(is_exact("/etag?is=" + std::string(tag)));
  }
  CHECK_FALSE(is_exact("/torn/date"));
  CHECK_FALSE(is_exact("/text"));
}

TEST_CASE("what a server answers is explained") {
  Fixture f;
  CHECK(f.get("/status/404").failed_with(ErrorCode::kNotFound, "404"));
  CHECK(f.get("/status/410").failed_with(ErrorCode::kNotFound, "410"));
  CHECK(f.get("/status/401").failed_with(ErrorCode::kForbidden, "open to everybody"));
  CHECK(f.get("/status/403").failed_with(ErrorCode::kForbidden, "open to everybody"));
  CHECK(f.get("/status/418").failed_with(ErrorCode::kUnavailable, "418"));
  CHECK(f.get("/status/500").failed_with(ErrorCode::kUnavailable, "tried 3 times"));
  CHECK(f.get("/status/204").failed_with(ErrorCode::kUnavailable, "204"));
}

TEST_CASE("a transfer is resumed by a date or a weak ETag, which is not asked for by If-Range") {
  Fixture f;
  const Outcome by_date = f.get("/torn/date");
  CHECK(by_date.bytes == "abcdef");
  CHECK(by_date.version == "Wed, 21 Oct 2015 07:28:00 GMT");
  CHECK(f.if_range == by_date.version);
  const Outcome weak = f.get("/torn/weak");
  CHECK(weak.bytes == "abcdef");
  CHECK(weak.version == "W/\"1\"");
  CHECK(f.if_range.empty());
}

TEST_CASE("what has no version is fetched, but not resumed") {
  Fixture f;
  CHECK(f.get("/text").version.empty());
  CHECK(f.get("/torn/none").failed_with(ErrorCode::kUnavailable, "no version"));
  CHECK(f.answers == 1);
}

TEST_CASE("URLs with passwords and of other schemes are refused at once") {
  for (const char* url :
       {"ftp://h/a", "file:///etc/passwd", "http://anna:pw@h/a", "h/a", "//h/a"}) {
    const auto checked = kHttpProvider.check({{"url", url}}, "resources[0]");
    REQUIRE_FALSE(checked.ok());
    CHECK(checked.error().message.starts_with("resources[0].url "));
    CHECK(checked.error().message.find("pw@") == std::string::npos);
  }
}

TEST_CASE("behind a proxy of the environment, which connects for us, http is off") {
  ProviderOptions options;
  options.limits.environment_proxy = true;
  CHECK(kHttpProvider.create(options).value() == nullptr);
  options.http.allow_private = true;
  CHECK(kHttpProvider.create(options).value() != nullptr);
}

}  // namespace
}  // namespace francine::providers
