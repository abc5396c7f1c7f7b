// The one place that lists every instance backend and every instance manager.
//
// Explicit arrays and no self-registration, which would vanish from a static
// library. A new backend is a description (backend.h) in its own source file and
// a line in table.cc; tests/contract then holds it to the contract.
//
// Thread safety: all of it from any thread.

#ifndef FRANCINE_INSTANCES_TABLE_H
#define FRANCINE_INSTANCES_TABLE_H

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include <francine/instance_manager.h>
#include <francine/result.h>

#include "instances/backend.h"

namespace francine::instances {

/// All backends, in the order in which they are shown to people.
std::span<const BackendDescription* const> backends();

/// The backend of that name. kInvalidArgument lists the names that exist.
Result<const BackendDescription*> find_backend(std::string_view name);

struct ManagerOptions {
  std::uint32_t static_instance_size = 1;
};

/// An instance manager: a policy and how to make it.
struct ManagerDescription {
  std::string_view name;     ///< instanceManagerType of the configuration
  std::string_view summary;  ///< one line for a person
  std::unique_ptr<InstanceManager> (*create)(const ManagerOptions& options) = nullptr;
};

std::span<const ManagerDescription> managers();

/// The manager of that name. kInvalidArgument lists the names that exist.
Result<const ManagerDescription*> find_manager(std::string_view name);

}  // namespace francine::instances

#endif  // FRANCINE_INSTANCES_TABLE_H
