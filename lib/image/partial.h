// Partial: a weighted linear image plus the shares that it covers.

#ifndef FRANCINE_IMAGE_PARTIAL_H
#define FRANCINE_IMAGE_PARTIAL_H

#include <francine/image.h>
#include <francine/result.h>
#include <francine/shares.h>

namespace francine::image {

/// The sum of the images of `shares`; the picture is sum / weight.
struct Partial {
  Image sum;
  double weight = 0;  ///< the number of shares, while each weighs the same
  ShareRange shares;

  std::uint64_t size_bytes() const { return sum.samples().size_bytes(); }
};

}  // namespace francine::image

#endif  // FRANCINE_IMAGE_PARTIAL_H
