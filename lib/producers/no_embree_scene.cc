#include "producers/embree_scene.h"

namespace francine::producers {

Result<std::shared_ptr<const MeshTracer>> make_embree_tracer(std::shared_ptr<const TriangleMesh>) {
  return Error{ErrorCode::kUnavailable,
               "this build has no Embree, which meshes need; build with -Dembree=enabled"};
}

std::string embree_arithmetic() { return {}; }

}  // namespace francine::producers
