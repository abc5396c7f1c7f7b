#include <array>
#include <cstddef>

#include "producers/ao_kernels.h"

namespace francine::producers {

extern const AoKernels baseline;
#if defined(__x86_64__)
extern const AoKernels avx2;
extern const AoKernels avx512;
#endif

namespace {

// Fastest first; ends with a null pointer.
using KernelList = std::array<const AoKernels*, 4>;

KernelList usable_kernels() {
  KernelList list{};
  std::size_t used = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    list[used++] = &avx512;
  }
  if (__builtin_cpu_supports("avx2")) list[used++] = &avx2;
#endif
  list[used] = &baseline;
  return list;
}

const KernelList& kernel_list() {
  static const KernelList list = usable_kernels();
  return list;
}

}  // namespace

const AoKernels& ao_kernels() { return *kernel_list()[0]; }

const AoKernels* const* all_ao_kernels() { return kernel_list().data(); }

}  // namespace francine::producers
