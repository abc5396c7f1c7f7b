// The schedulers that a configuration can name.

#ifndef FRANCINE_SCHEDULING_TABLE_H
#define FRANCINE_SCHEDULING_TABLE_H

#include <memory>
#include <span>
#include <string_view>

#include <francine/result.h>
#include <francine/scheduler.h>

namespace francine::scheduling {

struct SchedulerDescription {
  std::string_view name;
  std::string_view summary;
  std::unique_ptr<Scheduler> (*make)();
};

std::span<const SchedulerDescription> schedulers();

/// kInvalidArgument, with the names that exist, for an unknown one.
Result<std::unique_ptr<Scheduler>> make_scheduler(std::string_view name);

}  // namespace francine::scheduling

#endif  // FRANCINE_SCHEDULING_TABLE_H
