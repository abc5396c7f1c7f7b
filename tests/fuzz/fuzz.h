// What a fuzz target is: one function that libFuzzer calls again and again with any
// bytes, which must not crash, leak, hang or break a promise (check()).

#ifndef FRANCINE_TESTS_FUZZ_FUZZ_H
#define FRANCINE_TESTS_FUZZ_FUZZ_H

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace francine::fuzz {

/// Given in each target.
void one_input(std::string_view input);

inline void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace francine::fuzz

extern "C" [[gnu::used]] inline int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                                           std::size_t size) {
  francine::fuzz::one_input({reinterpret_cast<const char*>(data), size});
  return 0;
}

#endif  // FRANCINE_TESTS_FUZZ_FUZZ_H
