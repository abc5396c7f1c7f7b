// The encoders behind picture.h, one file each. They are given what encode_picture
// has checked: an image, a weight above 0.

#ifndef FRANCINE_IMAGE_PICTURE_ENCODERS_H
#define FRANCINE_IMAGE_PICTURE_ENCODERS_H

#include <cstdint>
#include <memory>
#include <vector>

#include <francine/result.h>

#include "image/partial.h"

namespace francine::image {

using FileBytes = std::vector<std::uint8_t>;

Result<FileBytes> encode_jpeg(const Partial& partial);
Result<FileBytes> encode_png(const Partial& partial);
Result<FileBytes> encode_exr(const Partial& partial);

/// What the alpha plane says.
enum class Alpha : std::uint8_t {
  kOpaque,  ///< 1 everywhere
  kUnused,  ///< 0 everywhere, also where there is colour
  kVaries,
};
Alpha alpha_of(const Partial& partial);

/// Red, green and blue are the same, bit for bit.
bool is_grey(const Image& image);

/// Pixels as red, green, blue and 255, a byte each, with the sRGB curve, top row first.
std::unique_ptr<std::uint32_t[]> srgb_picture(const Partial& partial);

}  // namespace francine::image

#endif  // FRANCINE_IMAGE_PICTURE_ENCODERS_H
