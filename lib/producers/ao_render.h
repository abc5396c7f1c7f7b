// One share of `ao`: sixteen subpixels at a time through the kernels, tile by
// tile of the image, so that neighbouring rays find in the caches what their
// neighbours fetched. Where sixteen subpixels have hit something, their occlusion
// rays are traced cell by cell of the grid: those of one cell start close to one
// another and go much the same way, which makes good packets.
//
// A pixel is the part of its occlusion rays that meet nothing; a subpixel that
// hits nothing counts as black. These are integers until the last division, so
// the order of the rays does not matter.
//
// Thread safety: pure functions; any thread. One call uses one thread.

#ifndef FRANCINE_PRODUCERS_AO_RENDER_H
#define FRANCINE_PRODUCERS_AO_RENDER_H

#include <cstdint>
#include <stop_token>

#include <francine/image.h>
#include <francine/result.h>

#include "producers/ao_kernels.h"
#include "producers/ao_settings.h"
#include "producers/mesh.h"
#include "producers/ray_packet.h"

namespace francine::producers {

struct AoShare {
  AoSettings settings;
  std::uint64_t seed = 0;
  std::stop_token stop;  ///< looked at every millisecond or so
};

/// Renders a share of the classic scene into `image`, which has the size of the
/// settings. kCancelled when stopped.
Result<void> render_classic(const AoShare& share, const AoKernels& kernels, Image& image);

/// Renders a share of a mesh, likewise. The tracer is one of this mesh, which has
/// at least one triangle.
Result<void> render_mesh(const AoShare& share, const AoKernels& kernels, const TriangleMesh& mesh,
                         const MeshTracer& tracer, Image& image);

}  // namespace francine::producers

#endif  // FRANCINE_PRODUCERS_AO_RENDER_H
