// The inner loops of `ao`: sixteen rays at a time, one a lane.
//
// They are plain loops over arrays of sixteen, which the compiler turns into
// vector code, compiled once for each instruction set (ao_kernels.cc) and chosen
// at run time. All sets give the same bits: the loops use only IEEE + - * / and
// square roots, each rounded once, in the order written (no fused operations, no
// approximate reciprocals), and polynomials of their own instead of libm.
//
// Sampling. A share takes samples x samples subpixels of each pixel, jittered (a
// box filter over the pixel), and aoSamples x aoSamples occlusion rays where each
// hits, one jittered in each cell of a grid on the square that is mapped to the
// disk with the concentric map (Shirley and Chiu, "A Low Distortion Map Between
// Disk and Square", 1997) and lifted to the hemisphere (Malley's method), so that
// they are cosine-weighted.
//
// Random numbers are hashes of (seed, pixel, subpixel, cell): pcg4d for a
// subpixel (Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 2020),
// whose four words jitter the subpixel and key the hash of its cells, an integer
// hash of two multiplications (Wellons, "Prospecting for Hash Functions", 2018).
// So a ray does not depend on the order in which rays are traced. A cell's hash
// gives two jitters of 16 bits, midpoints of 65,536 parts of the cell.
//
// Thread safety: pure functions; any thread.

#ifndef FRANCINE_PRODUCERS_AO_KERNELS_H
#define FRANCINE_PRODUCERS_AO_KERNELS_H

#include <cstdint>

#include "producers/ray_packet.h"

namespace francine::producers {

/// A float for each lane.
struct alignas(64) Lanes {
  float at[kLanes];
};
/// An unsigned number for each lane.
struct alignas(64) WordLanes {
  std::uint32_t at[kLanes];
};
struct VectorLanes {
  Lanes x, y, z;
};

/// The rays of a camera: that through the point (px, py) of the image, in pixels
/// from its top left corner, is along forward + (px - width/2) * right
/// + (py - height/2) * down.
struct CameraRays {
  float origin[3];
  float forward[3];
  float right[3];  ///< to the next pixel on the right
  float down[3];   ///< to the next pixel below
};

/// What all subpixels of a share have in common.
struct SubpixelGrid {
  CameraRays camera;
  std::uint32_t seed_low = 0;
  std::uint32_t seed_high = 0;
  float half_width = 0;  ///< of the image, pixels
  float half_height = 0;
  float cell = 1;  ///< side of a subpixel: 1 / samples
};

/// Sixteen subpixels.
struct SubpixelBatch {
  WordLanes pixel;       ///< y * width + x
  WordLanes index;       ///< subpixel_y * samples + subpixel_x
  Lanes x, y;            ///< of the pixel
  Lanes cell_x, cell_y;  ///< of the subpixel in its pixel: 0 .. samples - 1
};

/// Their rays from the eye, and the keys of the occlusion rays that start where
/// these hit.
struct PrimaryRays {
  VectorLanes direction;  ///< length 1
  WordLanes key_add;
  WordLanes key_xor;
};

/// The classic scene: spheres 0..2 and the plane.
enum Shape : std::uint32_t { kSphere0, kSphere1, kSphere2, kPlane, kNothing };

struct ClassicHits {
  WordLanes shape;  ///< a Shape
  VectorLanes point;
};

/// Sixteen points where occlusion rays start, each with the frame of its normal
/// and its keys.
struct OcclusionBatch {
  VectorLanes point;
  VectorLanes normal;  ///< length 1
  VectorLanes tangent, bitangent;
  WordLanes key_add;
  WordLanes key_xor;
};

/// Sixteen points of the classic scene. From a point of it, each of the three
/// other shapes is met by the rays of directions d with d . axis > threshold
/// (with `axis` in the frame of the normal, its x and y in cells of the grid).
struct ClassicBatch {
  OcclusionBatch at;
  WordLanes shape;
  VectorLanes axis[3];
  Lanes threshold[3];
};

/// The grid of occlusion rays.
struct OcclusionGrid {
  int side = 8;        ///< aoSamples
  float distance = 0;  ///< aoDistance; may be infinite
};

/// One compilation of the loops.
struct AoKernels {
  const char* instruction_set;  ///< "avx2" or "baseline"

  void (*primary_rays)(const SubpixelGrid& grid, const SubpixelBatch& subpixels, PrimaryRays& rays);
  /// What rays from `origin` meet first in the classic scene; a sphere is not met
  /// from inside.
  void (*classic_hits)(const float origin[3], const PrimaryRays& rays, ClassicHits& hits);
  /// Fills in everything but points, shapes and keys.
  void (*classic_frames)(const OcclusionGrid& grid, ClassicBatch& batch);
  /// Traces all occlusion rays of a batch; counts those of each lane that meet something.
  void (*classic_occlusion)(const OcclusionGrid& grid, const ClassicBatch& batch,
                            WordLanes& occluded);
  /// Fills in tangents and bitangents.
  void (*frames)(OcclusionBatch& batch);
  /// The directions of the occlusion rays of one cell of the grid, one a lane.
  void (*occlusion_directions)(const OcclusionGrid& grid, int cell_x, int cell_y,
                               const OcclusionBatch& batch, RayPacket& rays);
};

/// The fastest compilation that this CPU runs.
const AoKernels& ao_kernels();
/// All that this CPU runs, for tests of their equality; ends with a null pointer.
const AoKernels* const* all_ao_kernels();

}  // namespace francine::producers

#endif  // FRANCINE_PRODUCERS_AO_KERNELS_H
