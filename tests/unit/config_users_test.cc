// The configuration of users: what is refused, what is warned of, what is shown.

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "../support/temporary_directory.h"
#include "server/config.h"

namespace francine::server {
namespace {

struct Start {
  testing::TemporaryDirectory directory;
  MasterConfig config;
  Loaded loaded;

  std::string file() const { return (directory.path() / "rc").string(); }

  /// The error, or "". The file's name, which differs from run to run, becomes RC.
  std::string load(std::string_view text, const std::vector<std::string>& flags = {},
                   Environment environment = {}) {
    std::ofstream(file()) << text;
    std::filesystem::permissions(file(), std::filesystem::perms::owner_read);
    environment["FRANCINE_CONFIG"] = file();
    Result<Loaded> result = load_master_config(config, flags, environment);
    std::string error = result ? "" : result.error().message;
    if (result) loaded = *std::move(result);
    if (const auto at = error.find(file()); at == 0) error.replace(0, file().size(), "RC");
    return error;
  }

  bool warns(std::string_view words) const {
    return std::any_of(
        loaded.warnings.begin(), loaded.warnings.end(),
        [&](const std::string& warning) { return warning.find(words) != std::string::npos; });
  }

  /// The line that shows a key.
  std::string shown(const std::string& key) const {
    const std::string text = "\n" + loaded.in_force;
    const std::size_t begin = text.find("\n" + key + " = ");
    if (begin == std::string::npos) return "";
    return text.substr(begin + 1, text.find('\n', begin + 1) - begin - 1);
  }
};

using List = std::vector<std::string>;
constexpr std::string_view kKey = R"("privateKey": "0123456789abcdef0123456789abcdef")";

}  // namespace

TEST_CASE("lists are arrays in the file, and commas elsewhere") {
  Start start;
  CHECK(start.load(R"({"admins": ["anna", "bert, too"]})") == "");
  CHECK(start.config.admins == List{"anna", "bert, too"});
  CHECK(Start().load(R"({"admins": []})") == "");
  CHECK(Start().load("{\n\"admins\": \"anna\"}") ==
        "RC:2: admins must be an array of strings, not \"anna\"");
  CHECK(Start().load(R"({"admins": ["anna", 7]})") ==
        "RC:1: admins must be an array of strings, not an array");

  Start flags;
  CHECK(flags.load("{}", {"--admins", "anna, bert"}, {{"FRANCINE_CORS_ORIGINS", "[\"*\"]"}}) == "");
  CHECK(flags.config.admins == List{"anna", "bert"});
  CHECK(flags.config.cors_origins == List{"*"});
  CHECK(Start().load("{}", {"--admins", "anna,,bert"}).find("--admins must be") == 0);
}

TEST_CASE("what is wrong within users is named with its line, without a secret") {
  CHECK(Start().load("{\"users\": {\n\"anna\": \"x\",\n\"bert\": 123456}}") ==
        "RC:3: users.bert must be a string");
  CHECK(Start().load(R"({"users": ["anna"]})") == "RC:1: users must be an object of strings");
}

TEST_CASE("check-config shows what is in force, where it was set, and no secret") {
  Start start;
  CHECK(start.load("{\n\"users\": {\"anna\": \"her secret\"},\n" + std::string(kKey) +
                       ",\n\"gce\": {\n\"zone\": \"z\"},\n\"maxSessions\": 9, \"wsPort\": 1}",
                   {"--ws-port=3"},
                   {{"FRANCINE_REST_PORT", "2"}, {"FRANCINE_WS_PORT", "2"}}) == "");
  CHECK(start.shown("users") == "users = (secret)  (" + start.file() + ":2)");
  CHECK(start.shown("privateKey") == "privateKey = (secret)  (" + start.file() + ":3)");
  CHECK(start.shown("gce.zone") == "gce.zone = z  (" + start.file() + ":5)");
  CHECK(start.shown("maxSessions") == "maxSessions = 9  (" + start.file() + ":6)");
  CHECK(start.shown("wsPort") == "wsPort = 3  (--ws-port)");
  CHECK(start.shown("restPort") == "restPort = 2  (FRANCINE_REST_PORT)");
  CHECK(start.shown("maxParallel") == "maxParallel = 65536");
  CHECK(start.loaded.in_force.find("her secret") == std::string::npos);
  CHECK(start.loaded.in_force.find("0123456789abcdef") == std::string::npos);
  // Every key has its line.
  MasterConfig other;
  for (const Setting& setting : master_settings(other)) {
    CHECK(start.shown(std::string(setting.name)) != "");
  }
}

TEST_CASE("weak secrets are warned of") {
  Start weak;
  CHECK(weak.load(R"({"users": {"anna": "plain"}, "privateKey": "short"})") == "");
  CHECK(weak.warns("1 of 1 passwords are not hashed"));
  CHECK(weak.warns("privateKey has fewer than 32 bytes"));
  CHECK_FALSE(weak.warns("chmod"));
  std::filesystem::permissions(weak.file(), std::filesystem::perms::group_read,
                               std::filesystem::perm_options::add);
  Result<Loaded> again = load_master_config(weak.config, {"--config", weak.file()}, {});
  REQUIRE(again);
  weak.loaded = *std::move(again);
  CHECK(weak.warns("chmod 600 " + weak.file()));

  Start strong;
  CHECK(strong.load(R"({"users": {"anna": "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA"}, )" +
                    std::string(kKey) + "}") == "");
  CHECK(strong.loaded.warnings.empty());
}

TEST_CASE("without users only loopback addresses are listened on") {
  for (const char* address : {"0.0.0.0", "::", "192.0.2.1", "example.org", ""}) {
    CAPTURE(address);
    MasterConfig config;
    config.bind_address = address;
    CHECK(master_options(config, "x", {}).error().message.find("bindAddress") == 0);
    config.users = {{"anna", "x"}};
    CHECK(master_options(config, "x", {}));
  }
  for (const char* address : {"127.0.0.1", "127.3.2.1", "::1", "localhost"}) {
    CAPTURE(address);
    MasterConfig config;
    config.bind_address = address;
    CHECK(master_options(config, "x", {}));
  }
}

TEST_CASE("users and limits reach those who apply them") {
  Start start;
  CHECK(start.load(R"({"users": {"anna": "x"}, "privateKey": "k", "admins": ["anna"],
      "tokenLifetime": 60, "maxLogInFailuresPerMinute": 3, "logInBurst": 2,
      "maxLogInBytes": 300, "corsOrigins": ["https://a"],
      "allowedHosts": ["b"], "maxRequestsPerSecond": 5, "requestBurst": 6, "publicDemo": true,
      "headerTimeout": 1.5, "idleTimeout": 2, "bodyGrace": 3, "answerGrace": 4,
      "minBytesPerSecond": 7, "maxHeaderBytes": 1000, "maxSessionsPerUser": 8,
      "maxRunningExecutionsPerUser": 9})") == "");
  const AuthOptions auth = auth_options(start.config);
  CHECK(auth.users == start.config.users);
  CHECK(auth.admins.count("anna") == 1);
  CHECK(auth.private_key == "k");
  CHECK(auth.token_lifetime == std::chrono::seconds(60));
  CHECK(auth.failures_per_minute == 3);
  CHECK(auth.failures_at_once == 2);
  const AccessOptions access = access_options(start.config);
  CHECK_FALSE(access.open);
  CHECK(access.cors_origins == List{"https://a"});
  CHECK(access.allowed_hosts == List{"b"});
  CHECK(access.requests.per_second == 5);
  CHECK(access.requests.burst == 6);
  const RestOptions rest = rest_options(start.config);
  CHECK(rest.public_demo);
  CHECK(rest.max_log_in_bytes == 300);
  CHECK(rest.http.header_timeout == std::chrono::milliseconds(1500));
  CHECK(rest.http.idle_timeout == std::chrono::seconds(2));
  CHECK(rest.http.body_grace == std::chrono::seconds(3));
  CHECK(rest.http.write_grace == std::chrono::seconds(4));
  CHECK(rest.http.min_bytes_per_second == 7);
  CHECK(rest.http.max_header_bytes == 1000);
  CHECK(limits(start.config).max_sessions_per_owner == 8);
  CHECK(limits(start.config).max_running_executions_per_owner == 9);
}

TEST_CASE("limits reach the WebSocket port") {
  Start start;
  CHECK(start.load(R"({"authenticationTimeout": 1.5, "maxInFlight": 2, "maxBodyBytes": 100000,
      "maxInboundBytes": 65536, "maxOutboxBytes": 70000, "wsPingPeriod": 3, "wsPongTimeout": 4,
      "statusInterval": 0.25, "maxLogInBytes": 300})") == "");
  const WebSocketOptions options = web_socket_options(start.config);
  CHECK(options.authentication_timeout == std::chrono::milliseconds(1500));
  CHECK(options.max_in_flight == 2);
  CHECK(options.max_stranger_bytes == 300);
  CHECK(options.status_interval == std::chrono::milliseconds(250));
  CHECK(options.socket.max_message_bytes == 100'000);
  CHECK(options.socket.max_inbound_bytes == 100'000);  // one message has room in any case
  CHECK(options.socket.max_outbox_bytes == 70'000);
  CHECK(options.socket.ping_period == std::chrono::seconds(3));
  CHECK(options.socket.pong_timeout == std::chrono::seconds(4));
  start.config.max_body_bytes = 200;
  CHECK(web_socket_options(start.config).max_stranger_bytes == 200);
}

TEST_CASE("the defaults of limits are those of the parts that apply them") {
  const MasterConfig config;
  const net::HttpServerOptions http;
  const RestOptions rest = rest_options(config);
  CHECK(rest.http.header_timeout == http.header_timeout);
  CHECK(rest.http.idle_timeout == http.idle_timeout);
  CHECK(rest.http.body_grace == http.body_grace);
  CHECK(rest.http.write_grace == http.write_grace);
  CHECK(rest.http.min_bytes_per_second == http.min_bytes_per_second);
  CHECK(rest.http.max_header_bytes == http.max_header_bytes);
  CHECK(auth_options(config).token_lifetime == AuthOptions().token_lifetime);
  CHECK(auth_options(config).failures_per_minute == AuthOptions().failures_per_minute);
  CHECK(auth_options(config).failures_at_once == AuthOptions().failures_at_once);
  CHECK(rest.max_log_in_bytes == RestOptions().max_log_in_bytes);
  const WebSocketOptions from_config = web_socket_options(config);
  const WebSocketOptions web_socket;
  CHECK(from_config.authentication_timeout == web_socket.authentication_timeout);
  CHECK(from_config.max_in_flight == web_socket.max_in_flight);
  CHECK(from_config.max_stranger_bytes == web_socket.max_stranger_bytes);
  CHECK(from_config.status_interval == web_socket.status_interval);
  CHECK(from_config.socket.max_inbound_bytes == web_socket.socket.max_inbound_bytes);
  CHECK(from_config.socket.max_outbox_bytes == web_socket.socket.max_outbox_bytes);
  CHECK(from_config.socket.ping_period == web_socket.socket.ping_period);
  CHECK(from_config.socket.pong_timeout == web_socket.socket.pong_timeout);
  CHECK(limits(config).max_sessions_per_owner == Limits().max_sessions_per_owner);
  CHECK(access_options(config).open);
}

}  // namespace francine::server
