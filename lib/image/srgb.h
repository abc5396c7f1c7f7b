// Linear light to 8-bit codes of the sRGB transfer curve (IEC 61966-2-1), each
// rounded to the nearest code exactly.
//
// With c = 12.92 v for v <= 0.0031308 and c = 1.055 v^(1/2.4) - 0.055 above, the
// code is floor(255 c + 1/2); values below 0 and NaN have code 0, above 1 code 255.
// The curve grows, so a code is the number of thresholds at or below the value. A
// table finds it with one look-up: floats are cut into ranges by exponent and the
// first seven bits of the fraction, each so short that it holds at most one threshold.
//
// Thread safety: any thread.

#ifndef FRANCINE_IMAGE_SRGB_H
#define FRANCINE_IMAGE_SRGB_H

#include <cstddef>
#include <cstdint>

namespace francine::image {

/// The code of one value.
std::uint8_t srgb_code(float linear);

/// The codes of `count` pixels whose values are the planes' divided by `weight`, as
/// red | green << 8 | blue << 16 | 255 << 24.
void srgb_pixels(const float* red, const float* green, const float* blue, float weight,
                 std::size_t count, std::uint32_t* pixels);

/// The same where red, green and blue are one plane.
void srgb_grey_pixels(const float* grey, float weight, std::size_t count, std::uint32_t* pixels);

}  // namespace francine::image

#endif  // FRANCINE_IMAGE_SRGB_H
