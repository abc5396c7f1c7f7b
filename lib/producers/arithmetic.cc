#include "producers/arithmetic.h"

#include "producers/embree_scene.h"

namespace francine::producers {
namespace {

#if defined(__x86_64__)
constexpr const char* kArchitecture = "x86-64";
#elif defined(__aarch64__)
constexpr const char* kArchitecture = "aarch64";
#else
#error "Name this architecture: its arithmetic may differ from that of the others"
#endif

// Grows with every change of the kernels, the cameras or the sampling that
// changes a result.
constexpr const char* kKernels = "ao-1";

}  // namespace

std::string arithmetic() {
  std::string text = kArchitecture;
  const std::string embree = embree_arithmetic();
  if (!embree.empty()) text += " " + embree;
  return text + " " + kKernels;
}

}  // namespace francine::producers
