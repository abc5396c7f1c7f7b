// TriangleMesh: what a mesh renderer needs of a model file, and nothing else.

#ifndef FRANCINE_PRODUCERS_MESH_H
#define FRANCINE_PRODUCERS_MESH_H

#include <array>
#include <cstdint>
#include <vector>

namespace francine::producers {

using Float3 = std::array<float, 3>;

/// Coordinates are finite and at most kMaxCoordinate in magnitude; every index is
/// that of a vertex.
struct TriangleMesh {
  /// Squares of squares of it still fit a double, and its squares a float, which
  /// is what intersection tests need.
  static constexpr float kMaxCoordinate = 1e12F;

  std::vector<Float3> vertices;
  std::vector<std::array<std::uint32_t, 3>> triangles;

  struct Bounds {
    Float3 low;
    Float3 high;
  };
  /// The box around the triangles. Needs at least one triangle.
  Bounds bounds() const;
};

}  // namespace francine::producers

#endif  // FRANCINE_PRODUCERS_MESH_H
