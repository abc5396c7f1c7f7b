// The mean of each tile of an image: enough of it to see that it looks otherwise than
// others of the same scene.
//
// The order of the additions is fixed: the same image gives the same bits. Eight sums
// side by side make vector code of it, about as fast as memory is read. Thread safety:
// functions of their arguments.

#ifndef FRANCINE_IMAGE_TILE_MEANS_H
#define FRANCINE_IMAGE_TILE_MEANS_H

#include <array>

#include "image/partial.h"

namespace francine::image {

inline constexpr int kTilesASide = 4;

/// For each share of the partial: the mean over the samples of all planes in each tile,
/// row by row. 0 for a tile without pixels, of an image with less than 4 of them a side.
/// NaN and infinity give what arithmetic gives.
std::array<float, kTilesASide * kTilesASide> tile_means(const Partial& partial);

}  // namespace francine::image

#endif  // FRANCINE_IMAGE_TILE_MEANS_H
