// All of Embree: a mesh in, a tracer of packets out. Built with or without Embree
// (the Meson feature `embree`); without it, make_embree_tracer() refuses.
//
// Embree runs with one instruction set on all machines (AVX2 where the CPU has
// it), with conservative box tests and watertight triangle tests (robust mode);
// where a ray meets several triangles at the same distance, the first of the mesh
// counts. So what a ray meets depends neither on the shape of the BVH, hence on
// the number of threads that built it, nor on the packet that the ray travels in.
//
// Thread safety: any thread.

#ifndef FRANCINE_PRODUCERS_EMBREE_SCENE_H
#define FRANCINE_PRODUCERS_EMBREE_SCENE_H

#include <memory>
#include <string>

#include <francine/result.h>

#include "producers/mesh.h"
#include "producers/ray_packet.h"

namespace francine::producers {

/// Builds the BVH. Keeps the mesh alive and uses its arrays in place; they must
/// not change. kUnavailable: this build has no Embree, or the machine has not
/// enough memory.
Result<std::shared_ptr<const MeshTracer>> make_embree_tracer(
    std::shared_ptr<const TriangleMesh> mesh);

/// Version and instruction set, for example "embree-3.13.5 avx2"; empty without Embree.
std::string embree_arithmetic();

}  // namespace francine::producers

#endif  // FRANCINE_PRODUCERS_EMBREE_SCENE_H
