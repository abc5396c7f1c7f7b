// A scheduler of one's own: users take turns, however much each has asked for.
//
//     custom_scheduler
//
// Alice asks for a large execution, then Bob for a small one. The default
// scheduler, oldest first, would let Bob wait for all of Alice's; this one does not.

#include <iostream>
#include <map>
#include <string_view>

#include <francine/francine.h>

namespace {

class TakingTurns : public francine::Scheduler {
 public:
  std::string_view name() const override { return "taking-turns"; }

  void plan(const francine::ClusterView& view, std::vector<francine::Placement>& plan) override {
    // Each free slot goes to the user who has been given the fewest so far.
    auto worker = view.next_free_worker(std::nullopt);
    std::map<francine::WorkKey, std::uint32_t> taken;
    for (; worker; worker = view.next_free_worker(worker)) {
      for (std::uint32_t slot = view.worker(*worker).free_slots; slot > 0; --slot) {
        const francine::WorkKey* chosen = nullptr;
        std::string_view chosen_owner;
        for (const auto& [key, work] : view.work()) {
          if (taken[key] >= work.pending) continue;
          if (chosen == nullptr ||
              given_[std::string(work.owner)] < given_[std::string(chosen_owner)]) {
            chosen = &key;
            chosen_owner = work.owner;
          }
        }
        if (chosen == nullptr) return;
        plan.push_back({*chosen, *worker, 1});
        ++taken[*chosen];
        ++given_[std::string(chosen_owner)];
      }
    }
  }

 private:
  std::map<std::string, std::uint64_t> given_;
};

}  // namespace

int main() {
  francine::MasterOptions options;
  options.scheduler = std::make_shared<TakingTurns>();
  auto master = francine::Master::start(std::move(options)).value();
  auto alices = master->create_session({.producer = "ao", .owner = "alice"}).value();
  auto bobs = master->create_session({.producer = "ao", .owner = "bob"}).value();

  auto large = alices.create_execution({.parallel = 128}).value();
  auto small = bobs.create_execution({.parallel = 8}).value();
  small.wait().value();
  const auto progress = large.info();
  large.wait().value();
  std::cout << "Bob's 8 shares were done when " << progress.shares_done << " of Alice's "
            << progress.parallel << " were\n";
  return progress.shares_done < progress.parallel ? 0 : 1;
}
