#include "runtime/worker_launch.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "net/log_json.h"

namespace francine {
namespace runtime {

std::vector<std::string> launch_arguments(const WorkerOptions& options) {
  std::vector<std::string> arguments = {
      "--name",           options.name,
      "--master-host",    options.master_host,
      "--port",           std::to_string(options.master_port),
      "--slots",          std::to_string(options.slots),
      "--data-dir",       options.data_dir.string(),
      "--orphan-timeout", std::to_string(options.orphan_timeout.count())};
  const auto add = [&](const char* flag, const std::string& file) {
    if (!file.empty()) arguments.insert(arguments.end(), {flag, file});
  };
  add("--tls-certificate", options.tls.certificate);
  add("--tls-key", options.tls.key);
  add("--tls-ca", options.tls.ca);
  add("--log-format", "json");
  add("--log-level", "debug");
  return arguments;
}

}  // namespace runtime

namespace {

template <typename Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

/// The log of a program that is both master and worker, as its master reads it.
void print_json(const LogRecord& record) {
  const std::string line = net::log_json(record) + '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);  // one call: lines stay whole
}

bool read_argument(std::string_view flag, std::string_view value, WorkerOptions& options) {
  if (flag == "--name") return options.name = value, true;
  if (flag == "--master-host") return options.master_host = value, true;
  if (flag == "--port") return read_number(value, options.master_port);
  if (flag == "--slots") return read_number(value, options.slots);
  if (flag == "--data-dir") return options.data_dir = std::string(value), true;
  if (flag == "--tls-certificate") return options.tls.certificate = value, true;
  if (flag == "--tls-key") return options.tls.key = value, true;
  if (flag == "--tls-ca") return options.tls.ca = value, true;
  if (flag == "--log-format") return options.log = print_json, value == "json";
  if (flag == "--log-level") return value == "debug";
  std::int64_t milliseconds = 0;
  if (flag != "--orphan-timeout" || !read_number(value, milliseconds)) return false;
  options.orphan_timeout = std::chrono::milliseconds(milliseconds);
  return true;
}

}  // namespace

Result<WorkerOptions> worker_options_from(int argc, const char* const* argv) {
  WorkerOptions options;
  int at = 1;
  while (at < argc && !std::string_view(argv[at]).starts_with("--")) ++at;
  for (; at < argc; at += 2) {
    if (at + 1 == argc || !read_argument(argv[at], argv[at + 1], options)) {
      return Error{ErrorCode::kInvalidArgument,
                   std::string("a worker cannot use the argument ") + argv[at]};
    }
  }
  const char* secret = std::getenv(runtime::kSecretVariable);
  if (secret == nullptr || *secret == '\0') {
    return Error{ErrorCode::kInvalidArgument,
                 std::string(runtime::kSecretVariable) + " is not set in the environment"};
  }
  options.cluster_secret = secret;
  return options;
}

}  // namespace francine
