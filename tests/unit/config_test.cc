// Where a setting's value comes from, and what is said when it is wrong.

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "../support/temporary_directory.h"
#include "server/config.h"

namespace francine::server {
namespace {

/// A configuration file, and what the program that reads it is given.
struct Start {
  testing::TemporaryDirectory directory;
  MasterConfig config;
  Environment environment;
  Loaded loaded;

  std::string file() const { return (directory.path() / "rc").string(); }

  void write(std::string_view text) { std::ofstream(file()) << text; }

  /// The error, or "".
  std::string load(std::vector<std::string> arguments = {}, bool with_file = true) {
    if (with_file) environment["FRANCINE_CONFIG"] = file();
    Result<Loaded> result = load_master_config(config, arguments, environment);
    if (!result) return result.error().message;
    loaded = *std::move(result);
    return "";
  }
};

std::string file_error(std::string_view text) {
  Start start;
  start.write(text);
  std::string error = start.load();
  // The sentence begins with the file's name, which differs from run to run.
  if (const auto at = error.find(start.file()); at != std::string::npos) {
    error.replace(at, start.file().size(), "RC");
  }
  return error;
}

}  // namespace

TEST_CASE("the specification's file is accepted, comments included") {
  Start start;
  start.write(R"({
    "gce": {
        "project": "p", "zone": "us-central1-a",
        "masterMachineType": "n1-highcpu-2", "workerMachineType": "n1-highcpu-4",
        "isPreemptive": true, "prefix": "instance-name-prefix"
    },
    "dropbox": { "apiKey": "k", "apiSecret": "s" },
    "users": { "yourusernameforfrancine": "yourpasswordforfrancine" },
    "privateKey": "k",
    "ltePath": "/path/to/lte/lte_Linux_x64",
    "malliePath": "/path/to/mallie",
    /* the ports */
    "restPort": 3000,
    "wsPort": 3001,
    "instanceManagerType": "twostate",  // or static
    "staticInstanceSize": 256,
    "manageInterval": 60,
    "disableZombieDestroy": false,
    "chaos": 10
})");
  CHECK(start.load() == "");
  CHECK(start.config.gce_is_preemptive);
  CHECK(start.config.users.at("yourusernameforfrancine") == "yourpasswordforfrancine");
  CHECK(start.config.static_instance_size == 256);
  for (const std::string& warning : start.loaded.warnings) {
    CHECK(warning.find("unknown") == std::string::npos);
  }
  // What has no effect yet is said.
  CHECK(std::any_of(start.loaded.warnings.begin(), start.loaded.warnings.end(),
                    [](const std::string& w) { return w.find("users") != std::string::npos; }));
}

TEST_CASE("flags are stronger than the environment, that than the file, that than defaults") {
  Start start;
  CHECK(start.load({}, false) == "");
  CHECK(start.config.rest_port == 3000);
  start.write(R"({"restPort": 1, "wsPort": 1, "port": 1})");
  start.environment["FRANCINE_REST_PORT"] = "2";
  start.environment["FRANCINE_WS_PORT"] = "2";
  start.environment["FRANCINE_PORT"] = "";  // as not set
  CHECK(start.load({"--rest-port", "3"}) == "");
  CHECK(start.config.rest_port == 3);
  CHECK(start.config.ws_port == 2);
  CHECK(start.config.port == 1);
  CHECK(start.config.dashboard_port == 4000);
}

TEST_CASE("the file: --config, else FRANCINE_CONFIG, else ~/.francinerc") {
  Start start;
  std::ofstream(start.directory.path() / ".francinerc") << R"({"restPort": 11})";
  start.environment["HOME"] = start.directory.path().string();
  CHECK(start.load({}, false) == "");
  CHECK(start.config.rest_port == 11);
  start.write(R"({"restPort": 12})");
  CHECK(start.load() == "");
  CHECK(start.config.rest_port == 12);
  const std::string other = (start.directory.path() / "other").string();
  CHECK(start.load({"--config", other}).find(other + " cannot be read") == 0);
  std::ofstream(other) << R"({"restPort": 13})";
  CHECK(start.load({"--config=" + other}) == "");
  CHECK(start.config.rest_port == 13);
}

TEST_CASE("a wrong type refuses the start and says where") {
  CHECK(file_error("{\n\n  \"restPort\": \"3000\"\n}") ==
        "RC:3: restPort must be an integer from 0 to 65535, not \"3000\"");
  CHECK(file_error(R"({"restPort": 65536})") ==
        "RC:1: restPort must be an integer from 0 to 65535, not 65536");
  CHECK(file_error(R"({"restPort": 2.5})") ==
        "RC:1: restPort must be an integer from 0 to 65535, not 2.5");
  CHECK(file_error("{\"chaos\": 1,\n\"manageInterval\": -1}") ==
        "RC:2: manageInterval must be a number from 0.01 to 1e+07, not -1");
  CHECK(file_error(R"({"disableZombieDestroy": 1})") ==
        "RC:1: disableZombieDestroy must be true or false, not 1");
  CHECK(file_error(R"({"instanceType": "gcee"})") ==
        "RC:1: instanceType must be \"local\", \"in_process\" or \"static\", not \"gcee\"");
  CHECK(file_error("{\"gce\": {\n\"zone\": 7}}") == "RC:2: gce.zone must be a string, not 7");
  CHECK(file_error(R"({"gce": 7})") == "RC:1: gce must be an object, not 7");
  CHECK(file_error("[]") == "RC must be a JSON object, not an array");
  CHECK(file_error("{\n\"restPort\": 1 \"wsPort\": 2}").find("RC is not valid JSON") == 0);
  CHECK(file_error(R"({"restPort": 1, "restPort": 2})").find("occurs twice") != std::string::npos);
}

TEST_CASE("a secret of the wrong type is not repeated") {
  const std::string error = file_error(R"({"clusterSecret": 123456})");
  CHECK(error == "RC:1: clusterSecret must be a string");
  CHECK(file_error(R"({"users": {"anna": 987654}})").find("987654") == std::string::npos);
}

TEST_CASE("unknown keys warn with the nearest one") {
  Start start;
  start.write("{\n\"restport\": 1,\n\"gce\": {\"zones\": \"a\"},\n\"colour\": 2}");
  CHECK(start.load() == "");
  REQUIRE(start.loaded.warnings.size() == 3);
  CHECK(start.loaded.warnings[0].ends_with("rc:2: unknown key restport (did you mean restPort?)"));
  CHECK(start.loaded.warnings[1].ends_with("rc:3: unknown key gce.zones (did you mean gce.zone?)"));
  CHECK(start.loaded.warnings[2].ends_with("rc:4: unknown key colour"));
  CHECK(start.config.rest_port == 3000);

  start.write("{}");
  start.environment["FRANCINE_RESTPORT"] = "1";
  CHECK(start.load() == "");
  REQUIRE(start.loaded.warnings.size() == 1);
  CHECK(start.loaded.warnings[0] ==
        "unknown environment variable FRANCINE_RESTPORT (did you mean FRANCINE_REST_PORT?)");
}

TEST_CASE("flags are checked") {
  const auto error = [](std::vector<std::string> arguments) {
    Start start;
    return start.load(std::move(arguments), false);
  };
  CHECK(error({"--rest-prot", "1"}) == "unknown flag --rest-prot (did you mean --rest-port?)");
  CHECK(error({"--rest-port"}) == "--rest-port needs a value");
  CHECK(error({"3000"}) == "\"3000\" is not a flag; see francine-server --help");
  CHECK(error({"--rest-port", "x"}) == "--rest-port must be an integer from 0 to 65535, not \"x\"");
  CHECK(error({"--rest-port="}) == "--rest-port must be an integer from 0 to 65535, not \"\"");
  CHECK(error({"--cluster-secret", "x"}) ==
        "--cluster-secret would show a secret in the list of processes; use the configuration "
        "file or FRANCINE_CLUSTER_SECRET");
  Start start;
  CHECK(start.load({"--disable-zombie-destroy", "--chaos=2.5", "--gce-zone", "z"}, false) == "");
  CHECK(start.config.disable_zombie_destroy);
  CHECK(start.config.chaos == 2.5);
  CHECK(start.config.gce_zone == "z");
}

TEST_CASE("chaos: by default a worker kills itself, and an unknown kind is named") {
  Start start;
  REQUIRE(start.load({"--chaos", "10"}, false) == "");
  CHECK(chaos_options(start.config).value() ==
        ChaosOptions{10, std::chrono::seconds(20), {ChaosKind::kExit}, 0});
  REQUIRE(start.load({"--chaos-interval-seconds", "0.5", "--chaos-kinds", "drop,diskFull"},
                     false) == "");
  const ChaosOptions chaos = chaos_options(start.config).value();
  CHECK(chaos.interval == std::chrono::milliseconds(500));
  CHECK(chaos.kinds == std::vector{ChaosKind::kDrop, ChaosKind::kDiskFull});
  start.config.chaos_kinds = {"drop", "flood"};
  CHECK(chaos_options(start.config).error().message ==
        "chaosKinds names \"flood\", which is none of exit, drop, delay, fail, diskFull");
}

TEST_CASE("names in their three spellings differ from each other") {
  MasterConfig config;
  std::set<std::string> flags;
  std::set<std::string> variables;
  const Settings settings = master_settings(config);
  for (const Setting& setting : settings) {
    flags.insert(flag_name(setting.name));
    variables.insert(environment_name(setting.name));
    CHECK(setting.help.ends_with("."));
  }
  CHECK(flags.size() == settings.size());
  CHECK(variables.size() == settings.size());
  CHECK(flag_name("gce.masterMachineType") == "--gce-master-machine-type");
  CHECK(environment_name("gce.isPreemptive") == "FRANCINE_GCE_IS_PREEMPTIVE");
}

TEST_CASE("every default is one that the table accepts") {
  MasterConfig config;
  WorkerConfig worker;
  for (Settings settings : {master_settings(config), worker_settings(worker)}) {
    for (Setting& setting : settings) {
      CAPTURE(setting.name);
      if (std::holds_alternative<MapTarget>(setting.target)) continue;
      CHECK(set_from_text(setting, value_text(setting), "it").ok());
    }
  }
}

TEST_CASE("the library's options") {
  Start start;
  CHECK(start.load({"--data-dir", "/d", "--static-instance-size", "3", "--manage-interval", "0.5",
                    "--max-parallel", "64", "--orphan-timeout", "7.5", "--disable-zombie-destroy"},
                   false) == "");
  Result<MasterOptions> options = master_options(start.config, "/bin/server", {});
  REQUIRE(options.ok());
  CHECK(options->data_dir == "/d");
  CHECK(options->instances == 3);
  CHECK(options->manage_interval == std::chrono::milliseconds(500));
  CHECK(options->limits.max_parallel == 64);
  CHECK(options->orphan_timeout == std::chrono::milliseconds(7500));
  CHECK(options->disable_zombie_destroy);
  CHECK(options->port == 5000);
  CHECK(options->worker_command == std::vector<std::string>{"/bin/server", "worker"});

  start.config.bind_address = "0.0.0.0";
  CHECK_FALSE(master_options(start.config, "/bin/server", {}).ok());
  start.config.bind_address = "::1";
  CHECK(master_options(start.config, "/bin/server", {}).ok());
  start.config.instance_type = "static";
  CHECK_FALSE(master_options(start.config, "/bin/server", {}).ok());

  const std::string secret = (start.directory.path() / "secret").string();
  std::ofstream(secret) << "0123456789abcdef\n";
  start.config.cluster_secret_file = secret;
  options = master_options(start.config, "/bin/server", {});
  REQUIRE(options.ok());
  CHECK(options->cluster_secret == "0123456789abcdef");
  start.config.cluster_secret = "another";
  CHECK_FALSE(master_options(start.config, "/bin/server", {}).ok());
}

TEST_CASE("what providers are told") {
  Start start;
  start.write(R"({
    "http": {"allowPrivate": true},
    "dropbox": {"apiKey": "k", "apiSecret": "dropbox-s", "redirectUri": "https://f/done"},
    "googledrive": {"clientId": "c", "clientSecret": "google-s", "redirectUri": "https://f/done"},
    "s3": {"endpoint": "https://s3", "bucket": "our-b", "accessKey": "a", "secretKey": "s3-s", "pathStyle": false},
    "file": {"roots": ["/scenes", "/more"]},
    "resultStore": {"endpoint": "https://s3", "bucket": "results-b", "region": "eu-2",
                    "accessKey": "i", "secretKey": "store-s", "pathStyle": false, "prefix": "r/"},
    "privateKey": "the private key", "authorizeTimeout": 60, "maxResourceBytes": 7})");
  REQUIRE(start.load() == "");
  const MasterOptions options = master_options(start.config, "/bin/server", {}).value();
  CHECK(options.private_key == "the private key");
  CHECK(options.authorize_timeout == std::chrono::seconds(60));
  const providers::ProviderOptions& told = options.providers;
  CHECK(told.limits.max_bytes == 7);
  CHECK(told.http.allow_private);
  CHECK(told.dropbox.api_secret == "dropbox-s");
  CHECK(told.dropbox.redirect_uri == "https://f/done");
  CHECK(told.googledrive.client_id == "c");
  CHECK(told.s3.bucket == "our-b");
  CHECK_FALSE(told.s3.path_style);
  CHECK(told.file.roots == std::vector<std::filesystem::path>{"/scenes", "/more"});
  CHECK(options.result_store.endpoint == "https://s3");
  CHECK(options.result_store.bucket == "results-b");
  CHECK(options.result_store.region == "eu-2");
  CHECK(options.result_store.access_key == "i");
  CHECK(options.result_store.secret_key == "store-s");
  CHECK_FALSE(options.result_store.path_style);
  CHECK(options.result_store.prefix == "r/");
  start.config.result_store.prefix = "../";
  CHECK(master_options(start.config, "/bin/server", {})
            .error()
            .message.starts_with("resultStore.prefix "));
  start.config.result_store = {};
  CHECK(master_options(start.config, "/bin/server", {}).ok());
  start.config.providers.googledrive.redirect_uri.clear();
  CHECK(master_options(start.config, "/bin/server", {})
            .error()
            .message.find("googledrive.redirectUri") != std::string::npos);
  // Who looks at what is in force sees none of the secrets.
  for (const char* const secret : {"dropbox-s", "google-s", "s3-s", "store-s", "the private key"}) {
    CHECK(start.loaded.in_force.find(secret) == std::string::npos);
  }
}

TEST_CASE("defaults are the library's") {
  const Limits from_config = limits(MasterConfig{});
  const Limits library;
  CHECK(from_config.max_parallel == library.max_parallel);
  CHECK(from_config.max_pixels == library.max_pixels);
  CHECK(from_config.max_update_bytes == library.max_update_bytes);
  CHECK(from_config.max_updates == library.max_updates);
  CHECK(from_config.max_sessions == library.max_sessions);
  CHECK(from_config.max_executions_per_session == library.max_executions_per_session);
  CHECK(from_config.max_resources_per_session == library.max_resources_per_session);
  CHECK(from_config.max_resource_bytes == library.max_resource_bytes);
  CHECK(from_config.max_result_bytes == library.max_result_bytes);
  CHECK(from_config.max_result_age == library.max_result_age);
  CHECK(from_config.max_attempts == library.max_attempts);
  CHECK(from_config.max_losses == library.max_losses);
}

TEST_CASE("a worker takes flags, and its secret from the environment or a file") {
  WorkerConfig config;
  REQUIRE(load_worker_config(
              config, {"--name", "w1", "--port=77", "--slots", "2", "--orphan-timeout", "1500"})
              .ok());
  CHECK_FALSE(worker_options(config, {}, {}).ok());
  Result<WorkerOptions> options = worker_options(config, {{"FRANCINE_CLUSTER_SECRET", "s"}}, {});
  REQUIRE(options.ok());
  CHECK(options->name == "w1");
  CHECK(options->master_port == 77);
  CHECK(options->slots == 2);
  CHECK(options->orphan_timeout == std::chrono::milliseconds(1500));
  CHECK(options->cluster_secret == "s");
  CHECK_FALSE(load_worker_config(config, {"--config", "x"}).ok());
  CHECK_FALSE(load_worker_config(config, {"--rest-port", "1"}).ok());
}

}  // namespace francine::server
