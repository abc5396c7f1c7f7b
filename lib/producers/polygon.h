// Polygons to triangles.

#ifndef FRANCINE_PRODUCERS_POLYGON_H
#define FRANCINE_PRODUCERS_POLYGON_H

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "producers/mesh.h"

namespace francine::producers {

/// Triangulates polygons one after another. Concave ones are cut ear by ear
/// (Meisters, "Polygons Have Ears", 1975) in the plane in which they are largest;
/// convex ones, those that have no ear because they intersect themselves, and all
/// once kWorkBudget tests were spent (a hostile file could otherwise take days)
/// become fans. Every polygon of n corners gives n - 2 triangles with its winding.
///
/// Thread safety: an object by one thread at a time.
class Triangulator {
 public:
  static constexpr std::uint64_t kWorkBudget = 2'000'000'000;

  /// Appends the triangles of `polygon`, whose corners are indices of `vertices`.
  /// Needs at least three corners.
  void add(std::span<const std::uint32_t> polygon, std::span<const Float3> vertices,
           std::vector<std::array<std::uint32_t, 3>>& triangles);

 private:
  struct Corner {
    double x = 0;
    double y = 0;
    std::uint32_t vertex = 0;
  };
  void project(std::span<const std::uint32_t> polygon, std::span<const Float3> vertices);
  bool is_convex() const;
  bool is_ear(std::size_t corner);

  std::vector<Corner> corners_;  ///< what is left of the polygon, counter-clockwise
  std::uint64_t work_ = 0;
};

}  // namespace francine::producers

#endif  // FRANCINE_PRODUCERS_POLYGON_H
