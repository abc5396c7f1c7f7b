#include <francine/instance_manager.h>

namespace francine {
namespace {

class StaticInstanceManager final : public InstanceManager {
 public:
  explicit StaticInstanceManager(std::uint32_t size) : size_(size) {}
  std::string_view name() const override { return "static"; }
  std::uint32_t desired(const ClusterLoad& /*load*/) override { return size_; }

 private:
  const std::uint32_t size_;
};

}  // namespace

std::unique_ptr<InstanceManager> make_static_instance_manager(std::uint32_t size) {
  return std::make_unique<StaticInstanceManager>(size);
}

}  // namespace francine
