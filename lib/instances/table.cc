#include "instances/table.h"

#include <array>
#include <string>

#include "instances/descriptions.h"

namespace francine::instances {
namespace {

constexpr BackendDescription kStaticBackend = {
    .name = "static",
    .summary = "workers are started elsewhere and dial in; as many as do",
};

constexpr std::array<const BackendDescription*, 3> kBackends = {
    &kLocalBackend,
    &kInProcessBackend,
    &kStaticBackend,
};

constexpr std::array<ManagerDescription, 1> kManagers = {{
    {"static", "keeps staticInstanceSize instances",
     [](const ManagerOptions& options) {
       return make_static_instance_manager(options.static_instance_size);
     }},
}};

const std::string_view& name_of(const BackendDescription* backend) { return backend->name; }
const std::string_view& name_of(const ManagerDescription& manager) { return manager.name; }

template <typename Table>
Error unknown(std::string_view what, std::string_view name, const Table& table) {
  std::string message = "there is no " + std::string(what) + " \"" + std::string(name) + "\"; use ";
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (i > 0) message += i + 1 == table.size() ? " or " : ", ";
    message += name_of(table[i]);
  }
  return {ErrorCode::kInvalidArgument, std::move(message)};
}

}  // namespace

std::span<const BackendDescription* const> backends() { return kBackends; }

Result<const BackendDescription*> find_backend(std::string_view name) {
  for (const BackendDescription* backend : kBackends) {
    if (backend->name == name) return backend;
  }
  return unknown("instance type", name, kBackends);
}

std::span<const ManagerDescription> managers() { return kManagers; }

Result<const ManagerDescription*> find_manager(std::string_view name) {
  for (const ManagerDescription& manager : kManagers) {
    if (manager.name == name) return &manager;
  }
  return unknown("instance manager", name, kManagers);
}

}  // namespace francine::instances
