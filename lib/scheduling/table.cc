#include "scheduling/table.h"

#include <array>
#include <string>

namespace francine::scheduling {
namespace {

constexpr std::array kSchedulers{
    SchedulerDescription{"queue",
                         "reducing before producing, oldest first, where the session is held",
                         make_queue_scheduler},
};

}  // namespace

std::span<const SchedulerDescription> schedulers() { return kSchedulers; }

Result<std::unique_ptr<Scheduler>> make_scheduler(std::string_view name) {
  std::string known;
  for (const SchedulerDescription& scheduler : kSchedulers) {
    if (scheduler.name == name) return scheduler.make();
    known += (known.empty() ? "" : ", ") + std::string(scheduler.name);
  }
  return Error{ErrorCode::kInvalidArgument,
               "unknown scheduler \"" + std::string(name) + "\"; there are: " + known};
}

}  // namespace francine::scheduling
