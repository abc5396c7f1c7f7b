// Finds samples that must not be counted: NaN, infinity, and what is so large that a
// sum of it overflows.
//
// A test of the bits without a branch a sample, so that the compiler makes vector
// code of it: about as fast as memory is read. Thread safety: functions of their
// arguments.

#ifndef FRANCINE_IMAGE_BAD_SAMPLES_H
#define FRANCINE_IMAGE_BAD_SAMPLES_H

#include <cstddef>
#include <limits>
#include <optional>
#include <string>

#include <francine/image.h>
#include <francine/shares.h>

namespace francine::image {

/// As many shares as there may be of this, in absolute value, are no infinity.
inline constexpr float kLargestRendered =
    std::numeric_limits<float>::max() / static_cast<float>(kMaxParallel);
inline constexpr float kLargestSum = std::numeric_limits<float>::max();

struct BadSamples {
  std::size_t count = 0;
  // Of the first one, in the order of planes, rows and columns.
  int x = 0;
  int y = 0;
  int plane = 0;
  float value = 0;
};

/// The samples whose absolute value is not at most `largest`, if there are any.
std::optional<BadSamples> find_bad_samples(const Image& image, float largest);

/// "NaN at (12, 7)" or "NaN at (12, 7) and 40 more bad samples".
std::string to_string(const BadSamples& bad);

}  // namespace francine::image

#endif  // FRANCINE_IMAGE_BAD_SAMPLES_H
