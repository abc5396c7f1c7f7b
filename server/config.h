// The configuration of the two roles of francine-server.
//
// The master's comes, in order of strength, from flags, from environment
// variables, from a file (--config, else FRANCINE_CONFIG, else ~/.francinerc if it
// exists) and from the defaults here. The file is JSON in which comments are
// permitted. A value of the wrong type or outside its range refuses the start, and
// the sentence says where it stands; an unknown key in the file or the environment
// is a warning with the nearest known one; an unknown flag refuses the start. An
// empty environment variable counts as not set.
//
// The worker's comes from flags alone, so that what is meant for a master is not
// taken up by the workers that it starts; its secret comes from the environment
// variable FRANCINE_CLUSTER_SECRET or from --cluster-secret-file.

#ifndef FRANCINE_SERVER_CONFIG_H
#define FRANCINE_SERVER_CONFIG_H

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <francine/chaos.h>
#include <francine/log.h>
#include <francine/master.h>
#include <francine/providers.h>
#include <francine/result.h>
#include <francine/tls_files.h>
#include <francine/worker.h>

#include "server/access.h"
#include "server/auth.h"
#include "server/log.h"
#include "server/rest.h"
#include "server/settings.h"
#include "server/websocket.h"

namespace francine::server {

/// Members are in the order, and have the meaning, of the table in config.cc.
/// Durations are seconds.
struct MasterConfig {
  std::int64_t rest_port = 3000;
  std::int64_t ws_port = 3001;
  std::int64_t dashboard_port = 4000;
  std::int64_t port = 5000;
  std::int64_t resource_port = 0;
  std::string bind_address = "127.0.0.1";
  std::string cluster_bind_address = "127.0.0.1";
  TlsFiles tls;
  std::string data_dir;
  std::string log_level = "info";
  std::string log_format = "text";
  bool request_log = true;
  std::int64_t max_request_log_bytes = std::int64_t{64} << 20;

  std::string instance_type = "local";
  std::string instance_manager_type = "static";
  std::int64_t static_instance_size = 0;
  std::int64_t worker_slots = 0;
  double manage_interval = 60;
  bool disable_zombie_destroy = false;
  double orphan_timeout = 60;
  double chaos = 0;
  double chaos_interval_seconds = 20;
  std::vector<std::string> chaos_kinds = {"exit"};
  std::string scheduler_type = "queue";
  std::string cluster_secret;
  std::string cluster_secret_file;

  double start_timeout = 20;
  double shutdown_grace = 5;
  double ping_period = 5;
  double first_task_timeout = 3600;
  double min_task_timeout = 30;

  std::int64_t max_parallel = 65'536;
  std::int64_t max_pixels = std::int64_t{64} << 20;
  std::int64_t max_update_bytes = 64 << 10;
  std::int64_t max_updates = 10'000;
  std::int64_t max_sessions = 10'000;
  std::int64_t max_sessions_per_user = 1000;
  std::int64_t max_running_executions_per_user = 1000;
  std::int64_t max_executions_per_session = 10'000;
  std::int64_t max_resources_per_session = 10'000;
  std::int64_t max_resource_bytes = std::int64_t{16} << 30;
  std::int64_t max_uploads_per_user = 100'000;
  std::int64_t max_unfinished_upload_bytes_per_user = std::int64_t{64} << 30;
  std::int64_t max_unfinished_upload_age = 24 * 3600;  ///< s
  std::int64_t max_result_bytes = 0;
  std::int64_t max_result_age = 0;  ///< s
  std::int64_t max_attempts = 4;
  std::int64_t max_losses = 20;
  std::int64_t max_body_bytes = std::int64_t{4} << 20;
  std::int64_t max_connections = 10'000;
  std::int64_t max_requests = 1024;
  double max_requests_per_second = 1000;
  double request_burst = 2000;
  double max_log_in_failures_per_minute = 10;
  double log_in_burst = 10;
  std::int64_t max_log_in_bytes = 16 << 10;
  std::int64_t max_header_bytes = 64 << 10;
  double header_timeout = 10;
  double idle_timeout = 60;
  double body_grace = 10;
  double answer_grace = 30;
  std::int64_t min_bytes_per_second = 1024;
  double authentication_timeout = 10;
  std::int64_t max_in_flight = 256;
  std::int64_t max_inbound_bytes = std::int64_t{256} << 20;
  std::int64_t max_outbox_bytes = std::int64_t{16} << 20;
  double ws_ping_period = 20;
  double ws_pong_timeout = 20;
  double status_interval = 10;

  std::map<std::string, std::string> users;
  std::string private_key;
  double token_lifetime = 86'400;
  std::int64_t authorize_timeout = 3600;
  std::vector<std::string> admins;
  bool public_demo = false;
  std::vector<std::string> cors_origins;
  std::vector<std::string> allowed_hosts;

  providers::ProviderOptions providers;
  std::vector<std::string> file_roots;
  providers::S3Options result_store;

  std::string lte_path;
  std::string mallie_path;
  std::string gce_project;
  std::string gce_zone;
  std::string gce_master_machine_type;
  std::string gce_worker_machine_type;
  bool gce_is_preemptive = false;
  std::string gce_prefix;
};

struct WorkerConfig {
  std::string name;
  std::string master_host = "127.0.0.1";
  std::int64_t port = 5000;
  std::int64_t slots = 0;
  std::string bind_address = "127.0.0.1";
  std::string advertised_host;
  std::string zone;
  std::int64_t resource_port = 0;
  TlsFiles tls;
  std::string data_dir;
  std::int64_t partial_budget_bytes = std::int64_t{1} << 30;
  std::int64_t cache_bytes = std::int64_t{64} << 30;
  std::int64_t orphan_timeout = 600'000;  ///< milliseconds
  std::string cluster_secret_file;
  std::string log_level = "info";
  std::string log_format = "text";
};

/// The tables, bound to `config`, which must outlive them.
Settings master_settings(MasterConfig& config);
Settings worker_settings(WorkerConfig& config);

using Environment = std::map<std::string, std::string>;
/// The environment variables of this process that begin with FRANCINE_, and HOME.
Environment process_environment();

/// What a start asks for beside its configuration.
struct Loaded {
  bool help = false;
  bool version = false;
  std::vector<std::string> warnings;  ///< sentences
  /// All keys as they are in force, a line each, and where each was set; secrets are
  /// masked.
  std::string in_force;
};

/// Reads everything into `config`. kInvalidArgument: see above; kNotFound and
/// kUnavailable: the file that --config names cannot be read.
Result<Loaded> load_master_config(MasterConfig& config, const std::vector<std::string>& arguments,
                                  const Environment& environment);
Result<Loaded> load_worker_config(WorkerConfig& config, const std::vector<std::string>& arguments);

/// Into the library's options. `worker_program` is run with the argument "worker"
/// by the local backend. kInvalidArgument: what is set does not fit together.
Result<MasterOptions> master_options(const MasterConfig& config, const std::string& worker_program,
                                     LogSink log);
Result<WorkerOptions> worker_options(const WorkerConfig& config, const Environment& environment,
                                     LogSink log);

AuthOptions auth_options(const MasterConfig& config);
AccessOptions access_options(const MasterConfig& config);
RestOptions rest_options(const MasterConfig& config);
WebSocketOptions web_socket_options(const MasterConfig& config);
Limits limits(const MasterConfig& config);
providers::ProviderOptions provider_options(const MasterConfig& config);
/// kInvalidArgument: chaosKinds names one that is not known.
Result<ChaosOptions> chaos_options(const MasterConfig& config);
std::chrono::milliseconds milliseconds(double seconds);
/// What `logLevel` and `logFormat` name.
LogLevel log_level(std::string_view name);
LogFormat log_format(std::string_view name);

}  // namespace francine::server

#endif  // FRANCINE_SERVER_CONFIG_H
