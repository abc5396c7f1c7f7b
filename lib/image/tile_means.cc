#include "image/tile_means.h"

#include <cstddef>
#include <numeric>
#include <span>

namespace francine::image {
namespace {

/// The first row or column of a tile.
std::size_t begin_of(int tile, int pixels) {
  return static_cast<std::size_t>(tile) * static_cast<std::size_t>(pixels) / kTilesASide;
}

double sum_of(std::span<const float> samples) {
  constexpr std::size_t kLanes = 8;
  std::array<float, kLanes> lanes{};
  std::size_t i = 0;
  for (; i + kLanes <= samples.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += samples[i + lane];
  }
  for (std::size_t lane = 0; i < samples.size(); ++i, ++lane) lanes[lane] += samples[i];
  return std::accumulate(lanes.begin(), lanes.end(), 0.0);
}

double sum_of_tile(const Image& image, int row, int column) {
  const ImageSize size = image.size();
  const std::size_t left = begin_of(column, size.width);
  const std::size_t right = begin_of(column + 1, size.width);
  double sum = 0;
  for (int plane = 0; plane < Image::kPlanes; ++plane) {
    const std::span<const float> samples = image.plane(plane);
    const std::size_t bottom = begin_of(row + 1, size.height);
    for (std::size_t y = begin_of(row, size.height); y < bottom; ++y) {
      const std::size_t at = y * static_cast<std::size_t>(size.width);
      sum += sum_of(samples.subspan(at + left, right - left));
    }
  }
  return sum;
}

}  // namespace

std::array<float, kTilesASide * kTilesASide> tile_means(const Partial& partial) {
  std::array<float, kTilesASide * kTilesASide> means{};
  const ImageSize size = partial.sum.size();
  for (int row = 0; row < kTilesASide; ++row) {
    for (int column = 0; column < kTilesASide; ++column) {
      const std::size_t pixels = (begin_of(row + 1, size.height) - begin_of(row, size.height)) *
                                 (begin_of(column + 1, size.width) - begin_of(column, size.width));
      if (pixels == 0) continue;
      const double samples = static_cast<double>(pixels) * Image::kPlanes * partial.weight;
      means[static_cast<std::size_t>(row * kTilesASide + column)] =
          static_cast<float>(sum_of_tile(partial.sum, row, column) / samples);
    }
  }
  return means;
}

}  // namespace francine::image
