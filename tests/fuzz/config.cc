// The configuration file, and values as the environment has them.

#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "base/posix.h"
#include "server/auth.h"
#include "server/config.h"

namespace francine::providers {

/// The libraries of the providers are not tried here, and not linked: all options are right.
Result<void> check(const ProviderOptions& /*options*/) { return {}; }
Result<void> check_result_store(const S3Options& /*options*/) { return {}; }

}  // namespace francine::providers

namespace francine::fuzz {

void one_input(std::string_view input) {
  const base::UniqueFd file(memfd_create("config", MFD_CLOEXEC));
  if (!file || write(file.get(), input.data(), input.size()) < 0) return;
  server::MasterConfig config;
  const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  const auto loaded = server::load_master_config(config, {"--config", path}, {});
  if (loaded) {
    check(config.rest_port >= 0 && config.rest_port <= 65'535);
    check(loaded->in_force.find('\0') == std::string::npos);
    static_cast<void>(server::Auth::make(server::auth_options(config)));
    static_cast<void>(server::rest_options(config));
    static_cast<void>(server::limits(config));
  } else {
    check(!loaded.error().message.empty());
  }
  if (input.empty()) return;
  server::Settings settings = server::master_settings(config);
  server::Setting& setting = settings[static_cast<std::uint8_t>(input[0]) % settings.size()];
  static_cast<void>(server::set_from_text(setting, input.substr(1), "FRANCINE_X"));
  static_cast<void>(server::value_text(setting));
}

}  // namespace francine::fuzz
