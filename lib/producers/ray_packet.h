// Rays in packets of sixteen, and what traces them through a mesh.
//
// The renderer of meshes knows this interface only; Embree is behind it in
// production (embree_scene.h), a loop over all triangles in tests, and a recorder
// of rays in the benchmark.

#ifndef FRANCINE_PRODUCERS_RAY_PACKET_H
#define FRANCINE_PRODUCERS_RAY_PACKET_H

#include <cstdint>

namespace francine::producers {

inline constexpr int kLanes = 16;

/// Sixteen rays, one a lane. Directions have length 1 (to float precision).
struct alignas(64) RayPacket {
  float origin_x[kLanes];
  float origin_y[kLanes];
  float origin_z[kLanes];
  float direction_x[kLanes];
  float direction_y[kLanes];
  float direction_z[kLanes];
  std::uint16_t active;  ///< bit i: lane i holds a ray; the others are ignored
  float distance;        ///< how far each ray reaches; may be infinite
};

/// The first triangle that each ray meets.
struct alignas(64) PacketHits {
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  std::uint32_t triangle[kLanes];  ///< its index in the mesh, or kNone
};

/// A mesh that rays can be traced through. What a ray meets must not depend on
/// the other rays of its packet. Thread safety: any thread, also at the same time.
class MeshTracer {
 public:
  virtual ~MeshTracer() = default;
  virtual PacketHits first_hits(const RayPacket& rays) const = 0;
  /// Bit i: the ray of lane i meets a triangle within its distance.
  virtual std::uint16_t occluded(const RayPacket& rays) const = 0;
};

}  // namespace francine::producers

#endif  // FRANCINE_PRODUCERS_RAY_PACKET_H
