#include "net/http_client.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "net/http_server.h"
#include "net_support.h"

namespace francine::net {
namespace {

using std::chrono::milliseconds;

struct Fixture {
  Fixture() {
    server.route("GET", "/text", [](HttpRequest& r) {
      HttpResponse response;
      response.content_type = "text/plain";
      response.body = "token " + std::string(r.header("X-Token").value_or("-"));
      return response;
    });
    server.route("GET", "/large", [this](HttpRequest&) {
      HttpResponse response;
      response.bytes = large;
      return response;
    });
    server.route("GET", "/refused", [](HttpRequest&) {
      HttpResponse response;
      response.status = 403;
      response.body = "{\"error\":\"no\"}" + std::string(10'000, ' ');
      return response;
    });
    server.route("GET", "/moved", [](HttpRequest&) {
      HttpResponse response;
      response.status = 302;
      response.headers.emplace_back("Location", "/text");
      return response;
    });
    server.route("GET", "/busy", [](HttpRequest&) {
      HttpResponse response;
      response.status = 503;
      response.headers.emplace_back("Retry-After", "7");
      return response;
    });
    server.route("GET", "/empty", [](HttpRequest&) { return HttpResponse(); });
    server.route("GET", "/torn", [](HttpRequest&) {
      HttpResponse response;
      response.stream_bytes = 100;
      response.stream = [](const HttpSink& sink) { return sink("abc"); };
      return response;
    });
    server.route("GET", "/wait", [this](HttpRequest& r) {
      entered.set(true);
      const auto deadline = std::chrono::steady_clock::now() + kTestDeadline;
      while (!r.disconnected() && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::yield();
      }
      return HttpResponse();
    });
    for (const char* method : {"PUT", "PATCH"}) {
      server.route(method, "/up", [this](HttpRequest& r) { return receive(r); },
                   {.max_body_bytes = 10 << 20, .stream_body = true});
    }
    server.route("POST", "/echo", [](HttpRequest& r) {
      HttpResponse response;
      response.status = 201;
      response.body =
          std::string(r.header("Content-Type").value_or("-")) + "|" + std::string(r.body());
      return response;
    });
    server.route("DELETE", "/thing", [](HttpRequest&) {
      HttpResponse response;
      response.body = "gone";
      return response;
    });
    REQUIRE(server.start().ok());
    base = "http://127.0.0.1:" + std::to_string(server.port());
  }

  HttpResponse receive(HttpRequest& r) {
    std::vector<std::uint8_t> piece(64 << 10);
    std::string all;
    for (;;) {
      const auto got = r.read_body(piece);
      if (!got.ok() || *got == 0) break;
      all.append(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(*got));
    }
    uploaded.set(all);
    HttpResponse response;
    response.body = std::to_string(all.size());
    return response;
  }

  /// A sink that gathers in `body`.
  BodySink gather() {
    return [this](std::span<const std::uint8_t> piece) -> Result<void> {
      body.append(piece.begin(), piece.end());
      return {};
    };
  }

  std::shared_ptr<const std::vector<std::uint8_t>> large =
      std::make_shared<std::vector<std::uint8_t>>(3'000'000, 'L');
  Watched<bool> entered;
  Watched<std::string> uploaded;
  std::string body;
  HttpServer server{HttpServerOptions{}};
  HttpClient client;
  std::string base;
};

TEST_CASE("GET brings the body, with our headers, over a connection that is kept") {
  Fixture f;
  for (int i = 0; i < 3; ++i) {
    f.body.clear();
    const auto answer = f.client.get(f.base + "/text", {{"X-Token", "t"}}, f.gather(), 100);
    REQUIRE(answer.ok());
    CHECK(answer->status == 200);
    CHECK(answer->success());
    CHECK(answer->content_type == "text/plain");
    CHECK(answer->bytes == 7);
    CHECK(f.body == "token t");
  }
  CHECK_FALSE(f.client.bytes_per_second(f.base).has_value());  // too little to judge by
}

TEST_CASE("POST sends a body, DELETE none, over one connection; other methods are refused") {
  Fixture f;
  for (const std::string& body :
       {std::string("{\"a\":1}"), std::string("a\0b", 3), std::string()}) {
    f.body.clear();
    const auto posted = f.client.request({.method = "POST",
                                          .url = f.base + "/echo",
                                          .headers = {{"Content-Type", "application/json"}},
                                          .body = body},
                                         f.gather());
    REQUIRE(posted.ok());
    CHECK(posted->status == 201);
    CHECK(f.body == "application/json|" + body);

    f.body.clear();
    const auto deleted =
        f.client.request({.method = "DELETE", .url = f.base + "/thing"}, f.gather());
    REQUIRE(deleted.ok());
    CHECK(f.body == "gone");

    f.body.clear();
    REQUIRE(f.client.request({.url = f.base + "/text"}, f.gather()).ok());
    CHECK(f.body == "token -");
  }
  const auto wrong = f.client.request({.method = "BREW", .url = f.base + "/text"}, f.gather());
  REQUIRE_FALSE(wrong.ok());
  CHECK(wrong.error().code == ErrorCode::kInvalidArgument);
  const auto large = f.client.request({.url = f.base + "/text", .max_bytes = 6}, f.gather());
  REQUIRE_FALSE(large.ok());
  CHECK(large.error().code == ErrorCode::kTooLarge);
}

TEST_CASE("a large body is bounded, counted and timed") {
  Fixture f;
  auto answer = f.client.get(f.base + "/large", {}, f.gather(), 3'000'000);
  REQUIRE(answer.ok());
  CHECK(f.body.size() == 3'000'000);
  CHECK(f.client.bytes_per_second(f.base + "/any/path").value_or(0) > 1e6);
  CHECK_FALSE(f.client.bytes_per_second("http://elsewhere").has_value());
  answer = f.client.get(f.base + "/large", {}, f.gather(), 2'999'999);
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().code == ErrorCode::kTooLarge);
}

TEST_CASE("refusals and redirects are answers; the sink sees 2xx only") {
  Fixture f;
  auto answer = f.client.get(f.base + "/refused", {}, f.gather(), 100);
  REQUIRE(answer.ok());
  CHECK(answer->status == 403);
  CHECK_FALSE(answer->success());
  CHECK(answer->refusal.size() == 4096);
  CHECK(answer->refusal.starts_with("{\"error\":\"no\"}"));
  answer = f.client.get(f.base + "/moved", {}, f.gather(), 100);
  REQUIRE(answer.ok());
  CHECK(answer->status == 302);
  CHECK(f.body.empty());
}

TEST_CASE("a sink's error ends the transfer and is returned") {
  Fixture f;
  const auto answer = f.client.get(
      f.base + "/large", {},
      [](auto) -> Result<void> {
        return Error{ErrorCode::kInvalidArgument, "bad bytes."};
      },
      1 << 30);
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().message == "bad bytes.");
}

TEST_CASE("what cannot be reached, is torn, or is no URL") {
  Fixture f;
  const auto code_of = [&](const std::string& url) {
    const auto answer = f.client.get(url, {}, f.gather(), 1000);
    return answer.ok() ? std::to_string(answer->status)
                       : std::to_string(static_cast<int>(answer.error().code)) + " " +
                             answer.error().message;
  };
  const auto starts = [](ErrorCode code) { return std::to_string(static_cast<int>(code)) + " "; };
  const auto unused = listen_on("127.0.0.1", 0).value().port;  // closed again
  const std::string nobody = "http://127.0.0.1:" + std::to_string(unused);
  CHECK(code_of(nobody + "/x").starts_with(starts(ErrorCode::kUnavailable)));
  CHECK(code_of(nobody + "/x").find(nobody) != std::string::npos);
  CHECK(code_of(f.base + "/torn").starts_with(starts(ErrorCode::kUnavailable)));
  CHECK(code_of("http://no-such-host.invalid/").starts_with(starts(ErrorCode::kUnavailable)));
  for (const std::string url : {"file:///etc/passwd", "ftp://x/", "gopher://x", "nonsense", ""}) {
    CHECK(code_of(url).starts_with(starts(ErrorCode::kInvalidArgument)));
  }
}

TEST_CASE("a request is cancelled at once, before and while it waits") {
  Fixture f;
  std::stop_source stop;
  std::thread canceller([&] {
    CHECK(f.entered.wait([](bool in) { return in; }));
    stop.request_stop();
  });
  auto answer = f.client.get(f.base + "/wait", {}, f.gather(), 100, stop.get_token());
  canceller.join();
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().code == ErrorCode::kCancelled);
  answer = f.client.get(f.base + "/text", {}, f.gather(), 100, stop.get_token());
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().code == ErrorCode::kCancelled);
}

TEST_CASE("PUT sends what the source gives") {
  Fixture f;
  std::string data;
  for (int i = 0; i < 300'000; ++i) data += std::to_string(i);
  std::size_t at = 0;
  const BodySource source = [&](std::span<std::uint8_t> buffer) -> Result<std::size_t> {
    const std::size_t count = std::min(buffer.size(), data.size() - at);
    std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(at), count, buffer.begin());
    at += count;
    return count;
  };
  const auto answer = f.client.put(f.base + "/up", {}, source, data.size(), f.gather());
  REQUIRE(answer.ok());
  CHECK(answer->status == 200);
  CHECK(f.body == std::to_string(data.size()));
  CHECK(f.uploaded.get() == data);
  CHECK(f.client.bytes_per_second(f.base).value_or(0) > 1e5);

  at = 0;
  f.body.clear();
  const HttpCall patch{
      .method = "PATCH", .url = f.base + "/up", .source = source, .source_bytes = 1000};
  REQUIRE(f.client.request(patch, f.gather()).value().status == 200);
  CHECK(f.body == "1000");
  CHECK(at == 1000);  // not asked for more than the head told of

  const auto failed = f.client.put(
      f.base + "/up", {},
      [](auto) -> Result<std::size_t> {
        return Error{ErrorCode::kNotFound, "gone."};
      },
      10, f.gather());
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().message == "gone.");
}

TEST_CASE("a peer that stalls is left in time") {
  auto listening = listen_on("127.0.0.1", 0).value();
  HttpClientOptions options;
  options.stall_timeout = milliseconds(1000);
  HttpClient client(options);
  const auto answer = client.get(
      "http://127.0.0.1:" + std::to_string(listening.port), {}, [](auto) { return Result<void>(); },
      100);
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().code == ErrorCode::kUnavailable);
}

TEST_CASE("a connection that the server has closed meanwhile is no error") {
  HttpServerOptions options;
  options.idle_timeout = milliseconds(20);
  HttpServer server(options);
  server.route("GET", "/", [](HttpRequest&) { return HttpResponse(); });
  REQUIRE(server.start().ok());
  HttpClient client;
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port()) + "/";
  for (int i = 0; i < 3; ++i) {
    CHECK(client
              .get(
                  url, {}, [](auto) { return Result<void>(); }, 100)
              .ok());
    // Another connection's end by the same rule tells that ours has ended, too.
    RawSocket witness(server.port());
    witness.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    witness.read_all();
  }
}

TEST_CASE("many threads share a client") {
  Fixture f;
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int t = 0; t < 12; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        std::string own;
        const auto answer = f.client.get(
            f.base + "/text", {},
            [&](auto piece) -> Result<void> {
              own.append(piece.begin(), piece.end());
              return {};
            },
            100);
        if (answer.ok() && own == "token -") ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(good == 240);
}

TEST_CASE("an answer brings its headers, where it leads and when to come again") {
  Fixture f;
  const auto moved = f.client.get(f.base + "/moved?q=1", {}, f.gather(), 100);
  REQUIRE(moved.ok());
  CHECK(moved->status == 302);
  CHECK(moved->header("location") == "/text");
  CHECK(moved->header("nothing").empty());
  CHECK(moved->redirect_url == f.base + "/text");
  CHECK(moved->retry_after_s == 0);
  const auto busy = f.client.get(f.base + "/busy", {}, f.gather(), 100);
  REQUIRE(busy.ok());
  CHECK(busy->retry_after_s == 7);
  CHECK(busy->redirect_url.empty());
}

TEST_CASE("the head is told before the body, once, and may end the transfer") {
  Fixture f;
  std::vector<std::string> told;
  HttpCall call = {.url = f.base + "/text", .headers = {{"X-Token", "t"}}};
  call.on_head = [&](const HttpAnswer& head) -> Result<void> {
    told.push_back(std::to_string(head.status) + " " + head.content_type + " " + f.body);
    return {};
  };
  REQUIRE(f.client.request(call, f.gather()).ok());
  CHECK(told == std::vector<std::string>{"200 text/plain "});
  CHECK(f.body == "token t");

  call.url = f.base + "/refused";  // not of answers without a body that counts
  REQUIRE(f.client.request(call, f.gather()).ok());
  CHECK(told.size() == 1);

  call.url = f.base + "/empty";
  REQUIRE(f.client.request(call, f.gather()).ok());
  CHECK(told.size() == 2);

  for (const char* path : {"/text", "/empty"}) {
    f.body.clear();
    call.url = f.base + path;
    call.on_head = [](const HttpAnswer&) -> Result<void> {
      return Error{ErrorCode::kConflict, "not this one"};
    };
    const auto refused = f.client.request(call, f.gather());
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::kConflict);
    CHECK(f.body.empty());
  }
}

TEST_CASE("addresses inside are refused when that is asked for, however they are written") {
  Fixture f;
  HttpClient guarded({.refuse_inside = true});
  const std::string port = ":" + std::to_string(f.server.port()) + "/text";
  for (const char* host : {"127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433",
                           "[::ffff:127.0.0.1]", "0.0.0.0"}) {
    const auto answer = guarded.get("http://" + std::string(host) + port, {}, f.gather(), 100);
    REQUIRE_FALSE(answer.ok());
    CHECK_MESSAGE(answer.error().code == ErrorCode::kForbidden, answer.error().message);
    CHECK(f.client.get("http://" + std::string(host) + port, {}, f.gather(), 100).ok());
  }
}

}  // namespace
}  // namespace francine::net
