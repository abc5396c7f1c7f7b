#include "server/config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "api/json.h"
#include "base/posix.h"
#include "server/passwords.h"

namespace francine::server {
namespace {

using api::JsonValue;

constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20;
constexpr std::string_view kConfigVariable = "FRANCINE_CONFIG";

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

/// A small file as a whole; the sentence of an error begins with its name.
Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return base::errno_error(errno, path + " cannot be read");
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return Error{ErrorCode::kUnavailable, path + " cannot be read"};
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxFileBytes) return invalid(path + " has more than 1 MiB");
  return text;
}

/// A configuration file being read into settings.
class FileReader {
 public:
  FileReader(std::string path, std::string text, Settings& settings,
             std::vector<std::string>& warnings)
      : path_(std::move(path)), text_(std::move(text)), settings_(settings), warnings_(warnings) {}

  Result<void> read() {
    const Result<JsonValue> root = api::parse_json(text_, path_, {.comments = true});
    if (!root) return root.error();
    if (!root->is(JsonValue::Type::kObject)) {
      return invalid(path_ + " must be a JSON object, not " + quote(*root));
    }
    return read_members(*root, "");
  }

 private:
  /// `prefix` is the name of the object with a dot behind it, or empty.
  Result<void> read_members(const JsonValue& object, const std::string& prefix) {
    for (const api::JsonMember& member : object.members) {
      const std::string name = prefix + member.name;
      const std::string place = place_of(member);
      Result<void> done;
      if (Setting* setting = find_setting(settings_, name)) {
        done = check_entries(*setting, member.value, name);
        if (done) done = set_from_json(*setting, member.value, place + ": " + name);
      } else if (!prefix.empty() || !is_group(name)) {
        warnings_.push_back(place + ": unknown key " + name + suggestion(name, known_names()));
      } else if (member.value.is(JsonValue::Type::kObject)) {
        done = read_members(member.value, name + ".");
      } else {
        done = invalid(place + ": " + name + " must be an object, not " + quote(member.value));
      }
      if (!done) return done;
    }
    return {};
  }

  /// An object of strings may be long: what is wrong in it is named itself.
  Result<void> check_entries(const Setting& setting, const JsonValue& value,
                             const std::string& name) const {
    if (!std::holds_alternative<MapTarget>(setting.target)) return {};
    for (const api::JsonMember& entry : value.members) {
      if (entry.value.is(JsonValue::Type::kString)) continue;
      return invalid(place_of(entry) + ": " + name + "." + entry.name + " must be a string" +
                     (setting.secret ? "" : ", not " + quote(entry.value)));
    }
    return {};
  }

  std::string place_of(const api::JsonMember& member) const {
    return path_ + ":" + std::to_string(api::line_of(text_, member.offset));
  }

  bool is_group(const std::string& name) const {
    for (const Setting& setting : settings_) {
      if (setting.name.starts_with(name + ".")) return true;
    }
    return false;
  }

  std::vector<std::string> known_names() const {
    std::vector<std::string> names;
    for (const Setting& setting : settings_) names.emplace_back(setting.name);
    return names;
  }

  std::string path_;
  std::string text_;
  Settings& settings_;
  std::vector<std::string>& warnings_;
};

/// --config, else FRANCINE_CONFIG, else ~/.francinerc if that exists, else "".
std::string config_path(const Flags& flags, const Environment& environment) {
  if (!flags.config_file.empty()) return flags.config_file;
  const auto variable = environment.find(std::string(kConfigVariable));
  if (variable != environment.end() && !variable->second.empty()) return variable->second;
  const auto home = environment.find("HOME");
  if (home == environment.end() || home->second.empty()) return {};
  const std::string path = home->second + "/.francinerc";
  std::error_code ignored;
  return std::filesystem::exists(path, ignored) ? path : std::string();
}

Result<void> apply_environment(Settings& settings, const Environment& environment,
                               std::vector<std::string>& warnings) {
  std::vector<std::string> known = {std::string(kConfigVariable)};
  for (Setting& setting : settings) {
    const std::string name = environment_name(setting.name);
    known.push_back(name);
    const auto found = environment.find(name);
    if (found == environment.end() || found->second.empty()) continue;
    Result<void> set = set_from_text(setting, found->second, name);
    if (!set) return set;
  }
  for (const auto& [name, value] : environment) {
    if (!name.starts_with("FRANCINE_")) continue;
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      warnings.push_back("unknown environment variable " + name + suggestion(name, known));
    }
  }
  return {};
}

/// What is set but changes nothing in this version.
void warn_of_pending(const Settings& settings, std::vector<std::string>& warnings) {
  for (const Setting& setting : settings) {
    if (setting.pending.empty() || setting.origin.empty()) continue;
    // Ports that are merely named harm nobody.
    if (setting.name.ends_with("Port")) continue;
    warnings.push_back(setting.origin + " has no effect in this version; it takes effect with " +
                       std::string(setting.pending));
  }
}

/// What is permitted, but should not reach the open internet.
void warn_of_weak_secrets(const MasterConfig& config, const Settings& settings,
                          const std::string& path, std::vector<std::string>& warnings) {
  constexpr std::size_t kStrongKeyBytes = 32;
  std::size_t plain = 0;
  for (const auto& [user, password] : config.users) plain += is_password_hash(password) ? 0 : 1;
  if (plain != 0) {
    warnings.push_back("users: " + std::to_string(plain) + " of " +
                       std::to_string(config.users.size()) +
                       " passwords are not hashed; francine-server hash-password hashes them");
  }
  if (!config.users.empty() && !config.private_key.empty() &&
      config.private_key.size() < kStrongKeyBytes) {
    warnings.push_back("privateKey has fewer than " + std::to_string(kStrongKeyBytes) +
                       " bytes: whoever guesses it can make tokens; \"openssl rand -hex 32\" makes "
                       "a good one");
  }
  const bool holds_secrets =
      !path.empty() && std::any_of(settings.begin(), settings.end(), [&](const Setting& setting) {
        return setting.secret && setting.origin.starts_with(path + ":");
      });
  struct stat file {};
  if (holds_secrets && stat(path.c_str(), &file) == 0 &&
      (file.st_mode & (S_IRGRP | S_IROTH)) != 0) {
    warnings.push_back(path + " holds secrets and others may read it; chmod 600 " + path);
  }
}

/// The secret in `file`, without the line's end.
Result<std::string> read_secret(const std::string& file) {
  Result<std::string> text = read_file(file);
  if (!text) return text;
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  if (text->empty()) return invalid(file + " holds no secret");
  return text;
}

}  // namespace

Environment process_environment() {
  Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = text.substr(0, equals);
    if (name == "HOME" || name.starts_with("FRANCINE_")) {
      environment[std::string(name)] = text.substr(equals + 1);
    }
  }
  return environment;
}

Result<Loaded> load_master_config(MasterConfig& config, const std::vector<std::string>& arguments,
                                  const Environment& environment) {
  Loaded loaded;
  Settings settings = master_settings(config);
  const Result<Flags> flags = parse_flags(settings, arguments);
  if (!flags) return flags.error();
  loaded.help = flags->help;
  loaded.version = flags->version;
  if (loaded.help || loaded.version) return loaded;

  const std::string path = config_path(*flags, environment);
  if (!path.empty()) {
    Result<std::string> text = read_file(path);
    if (!text) return text.error();
    const Result<void> read = FileReader(path, *std::move(text), settings, loaded.warnings).read();
    if (!read) return read.error();
  }
  const Result<void> from_environment = apply_environment(settings, environment, loaded.warnings);
  if (!from_environment) return from_environment.error();
  const Result<void> from_flags = apply_flags(*flags);
  if (!from_flags) return from_flags.error();

  warn_of_pending(settings, loaded.warnings);
  warn_of_weak_secrets(config, settings, path, loaded.warnings);
  loaded.in_force = describe(settings);
  if (config.instance_manager_type == "twostate") {
    loaded.warnings.push_back(find_setting(settings, "instanceManagerType")->origin +
                              ": twostate works as static in this version");
  }
  return loaded;
}

Result<Loaded> load_worker_config(WorkerConfig& config, const std::vector<std::string>& arguments) {
  Loaded loaded;
  Settings settings = worker_settings(config);
  const Result<Flags> flags = parse_flags(settings, arguments);
  if (!flags) return flags.error();
  loaded.help = flags->help;
  loaded.version = flags->version;
  if (!flags->config_file.empty()) {
    return invalid("--config: a worker reads no configuration file; see worker --help");
  }
  const Result<void> applied = apply_flags(*flags);
  if (!applied) return applied.error();
  return loaded;
}

Limits limits(const MasterConfig& config) {
  Limits limits;
  limits.max_parallel = static_cast<std::uint32_t>(config.max_parallel);
  limits.max_pixels = static_cast<std::uint64_t>(config.max_pixels);
  limits.max_update_bytes = static_cast<std::size_t>(config.max_update_bytes);
  limits.max_updates = static_cast<std::size_t>(config.max_updates);
  limits.max_sessions = static_cast<std::size_t>(config.max_sessions);
  limits.max_sessions_per_owner = static_cast<std::size_t>(config.max_sessions_per_user);
  limits.max_running_executions_per_owner =
      static_cast<std::size_t>(config.max_running_executions_per_user);
  limits.max_executions_per_session = static_cast<std::size_t>(config.max_executions_per_session);
  limits.max_resources_per_session = static_cast<std::size_t>(config.max_resources_per_session);
  limits.max_resource_bytes = static_cast<std::uint64_t>(config.max_resource_bytes);
  limits.max_uploads_per_owner = static_cast<std::size_t>(config.max_uploads_per_user);
  limits.max_unfinished_upload_bytes_per_owner =
      static_cast<std::uint64_t>(config.max_unfinished_upload_bytes_per_user);
  limits.max_unfinished_upload_age = std::chrono::seconds(config.max_unfinished_upload_age);
  limits.max_result_bytes = static_cast<std::uint64_t>(config.max_result_bytes);
  limits.max_result_age = std::chrono::seconds(config.max_result_age);
  limits.max_attempts = static_cast<std::uint32_t>(config.max_attempts);
  limits.max_losses = static_cast<std::uint32_t>(config.max_losses);
  return limits;
}

AuthOptions auth_options(const MasterConfig& config) {
  AuthOptions options;
  options.users = config.users;
  options.admins = {config.admins.begin(), config.admins.end()};
  options.private_key = config.private_key;
  options.token_lifetime = std::chrono::seconds(std::llround(config.token_lifetime));
  options.failures_per_minute = config.max_log_in_failures_per_minute;
  options.failures_at_once = config.log_in_burst;
  return options;
}

AccessOptions access_options(const MasterConfig& config) {
  AccessOptions options;
  options.open = config.users.empty();
  options.cors_origins = config.cors_origins;
  options.allowed_hosts = config.allowed_hosts;
  options.requests = {config.max_requests_per_second, config.request_burst};
  for (const std::int64_t port : {config.rest_port, config.ws_port, config.dashboard_port}) {
    if (port != 0) options.own_ports.insert(static_cast<std::uint16_t>(port));
  }
  return options;
}

RestOptions rest_options(const MasterConfig& config) {
  RestOptions options;
  options.http.bind_address = config.bind_address;
  options.http.port = static_cast<std::uint16_t>(config.rest_port);
  options.http.max_connections = static_cast<std::size_t>(config.max_connections);
  options.http.max_threads = static_cast<std::size_t>(config.max_requests);
  options.http.max_header_bytes = static_cast<std::size_t>(config.max_header_bytes);
  options.http.header_timeout = milliseconds(config.header_timeout);
  options.http.idle_timeout = milliseconds(config.idle_timeout);
  options.http.body_grace = milliseconds(config.body_grace);
  options.http.write_grace = milliseconds(config.answer_grace);
  options.http.min_bytes_per_second = static_cast<std::uint64_t>(config.min_bytes_per_second);
  options.max_body_bytes = static_cast<std::uint64_t>(config.max_body_bytes);
  options.max_log_in_bytes = static_cast<std::uint64_t>(config.max_log_in_bytes);
  options.max_resource_bytes = static_cast<std::uint64_t>(config.max_resource_bytes);
  options.public_demo = config.public_demo;
  return options;
}

WebSocketOptions web_socket_options(const MasterConfig& config) {
  WebSocketOptions options;
  options.socket.bind_address = config.bind_address;
  options.socket.port = static_cast<std::uint16_t>(config.ws_port);
  options.socket.max_connections = static_cast<std::size_t>(config.max_connections);
  options.socket.max_header_bytes = static_cast<std::size_t>(config.max_header_bytes);
  options.socket.max_message_bytes = static_cast<std::size_t>(config.max_body_bytes);
  options.socket.max_inbound_bytes =
      static_cast<std::size_t>(std::max(config.max_inbound_bytes, config.max_body_bytes));
  options.socket.max_outbox_bytes = static_cast<std::size_t>(config.max_outbox_bytes);
  options.socket.ping_period = milliseconds(config.ws_ping_period);
  options.socket.pong_timeout = milliseconds(config.ws_pong_timeout);
  options.socket.header_timeout = milliseconds(config.header_timeout);
  options.socket.write_grace = milliseconds(config.answer_grace);
  options.socket.min_bytes_per_second = static_cast<std::uint64_t>(config.min_bytes_per_second);
  options.max_in_flight = static_cast<std::size_t>(config.max_in_flight);
  options.max_stranger_bytes =
      static_cast<std::size_t>(std::min(config.max_log_in_bytes, config.max_body_bytes));
  options.authentication_timeout = milliseconds(config.authentication_timeout);
  options.status_interval = milliseconds(config.status_interval);
  return options;
}

providers::ProviderOptions provider_options(const MasterConfig& config) {
  providers::ProviderOptions options = config.providers;
  options.limits.max_bytes = static_cast<std::uint64_t>(config.max_resource_bytes);
  options.file.roots.assign(config.file_roots.begin(), config.file_roots.end());
  return options;
}

Result<ChaosOptions> chaos_options(const MasterConfig& config) {
  ChaosOptions chaos;
  chaos.percent = config.chaos;
  chaos.interval = milliseconds(config.chaos_interval_seconds);
  chaos.kinds.clear();
  for (const std::string& name : config.chaos_kinds) {
    const auto* const found = std::find(kChaosKinds.begin(), kChaosKinds.end(), name);
    if (found == kChaosKinds.end()) {
      std::string known;
      for (const std::string_view kind : kChaosKinds) {
        known.append(known.empty() ? "" : ", ").append(kind);
      }
      return invalid("chaosKinds names \"" + name + "\", which is none of " + known);
    }
    chaos.kinds.push_back(static_cast<ChaosKind>(found - kChaosKinds.begin()));
  }
  return chaos;
}

Result<MasterOptions> master_options(const MasterConfig& config, const std::string& worker_program,
                                     LogSink log) {
  if (config.users.empty() && !is_loopback(config.bind_address)) {
    return invalid("bindAddress must be a loopback address such as 127.0.0.1, not \"" +
                   config.bind_address +
                   "\": without users anybody who reaches the port could use it");
  }
  if (!config.cluster_secret.empty() && !config.cluster_secret_file.empty()) {
    return invalid("clusterSecret and clusterSecretFile are both set; use one of them");
  }
  MasterOptions options;
  options.cluster_secret = config.cluster_secret;
  if (!config.cluster_secret_file.empty()) {
    Result<std::string> secret = read_secret(config.cluster_secret_file);
    if (!secret) return secret.error();
    options.cluster_secret = *std::move(secret);
  }
  if (config.instance_type == "static" && options.cluster_secret.empty()) {
    return invalid(
        "instanceType static needs clusterSecret or clusterSecretFile, which its workers know "
        "as well");
  }
  options.data_dir = config.data_dir;
  options.instance_type = config.instance_type;
  options.instances = static_cast<std::uint32_t>(config.static_instance_size);
  options.slots_per_worker = static_cast<std::uint32_t>(config.worker_slots);
  options.manage_interval = milliseconds(config.manage_interval);
  options.start_timeout = milliseconds(config.start_timeout);
  options.orphan_timeout = milliseconds(config.orphan_timeout);
  options.disable_zombie_destroy = config.disable_zombie_destroy;
  if (config.instance_type == "local") options.worker_command = {worker_program, "worker"};
  options.bind_address = config.cluster_bind_address;
  options.tls = config.tls;
  options.port = static_cast<std::uint16_t>(config.port);
  options.resource_port = static_cast<std::uint16_t>(config.resource_port);
  options.ping_period = milliseconds(config.ping_period);
  options.first_task_timeout = milliseconds(config.first_task_timeout);
  options.min_task_timeout = milliseconds(config.min_task_timeout);
  options.limits = limits(config);
  Result<ChaosOptions> chaos = chaos_options(config);
  if (!chaos) return chaos.error();
  options.chaos = *std::move(chaos);
  options.providers = provider_options(config);
  if (auto good = providers::check(options.providers); !good) return good.error();
  options.result_store = config.result_store;
  if (auto good = providers::check_result_store(options.result_store); !good) return good.error();
  options.private_key = config.private_key;
  options.authorize_timeout = std::chrono::seconds(config.authorize_timeout);
  options.log = std::move(log);
  return options;
}

Result<WorkerOptions> worker_options(const WorkerConfig& config, const Environment& environment,
                                     LogSink log) {
  WorkerOptions options;
  if (!config.cluster_secret_file.empty()) {
    Result<std::string> secret = read_secret(config.cluster_secret_file);
    if (!secret) return secret.error();
    options.cluster_secret = *std::move(secret);
  } else if (const auto secret = environment.find("FRANCINE_CLUSTER_SECRET");
             secret != environment.end()) {
    options.cluster_secret = secret->second;
  }
  if (options.cluster_secret.empty()) {
    return invalid(
        "a worker needs the cluster's secret: set FRANCINE_CLUSTER_SECRET or "
        "--cluster-secret-file");
  }
  options.name = config.name;
  options.master_host = config.master_host;
  options.master_port = static_cast<std::uint16_t>(config.port);
  options.slots = static_cast<std::uint32_t>(config.slots);
  options.bind_address = config.bind_address;
  options.advertised_host = config.advertised_host;
  options.zone = config.zone;
  options.resource_port = static_cast<std::uint16_t>(config.resource_port);
  options.tls = config.tls;
  options.data_dir = config.data_dir;
  options.partial_budget_bytes = static_cast<std::uint64_t>(config.partial_budget_bytes);
  options.cache_bytes = static_cast<std::uint64_t>(config.cache_bytes);
  options.orphan_timeout = std::chrono::milliseconds(config.orphan_timeout);
  options.log = std::move(log);
  return options;
}

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(std::llround(seconds * 1000));
}

LogFormat log_format(std::string_view name) {
  return name == "json" ? LogFormat::kJson : LogFormat::kText;
}

LogLevel log_level(std::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "warning") return LogLevel::kWarning;
  return name == "error" ? LogLevel::kError : LogLevel::kInfo;
}

}  // namespace francine::server
