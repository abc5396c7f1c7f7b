// Wavefront OBJ files as triangle meshes.
//
// Positions (`v`) and faces (`f`) are read; everything else in the file is
// skipped, and no other file is opened (materials are ignored). Polygons become
// triangles, concave ones by clipping ears (polygon.h). tinyobjloader reads the
// statements; indices, numbers and sizes are checked here, for the file comes
// from a stranger.
//
// Thread safety: any thread. Errors are kInvalidArgument and name the file and
// the line: "model.obj, line 7: a face names vertex 9, but the file has 8".

#ifndef FRANCINE_PRODUCERS_OBJ_FILE_H
#define FRANCINE_PRODUCERS_OBJ_FILE_H

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include <francine/result.h>

#include "producers/mesh.h"

namespace francine::producers {

/// Bounds on one scene: about 10 GiB of memory while its BVH is built.
struct ObjLimits {
  std::size_t max_vertices = 100'000'000;
  std::size_t max_triangles = 100'000'000;
  std::size_t max_line_bytes = 1 << 20;
};

/// Appends the mesh in the file at `path` to `mesh`, called `name` in errors.
/// A file without a face is an error. After an error `mesh` holds a part of it.
Result<void> read_obj(const std::filesystem::path& path, const std::string& name,
                      const ObjLimits& limits, TriangleMesh& mesh);

}  // namespace francine::producers

#endif  // FRANCINE_PRODUCERS_OBJ_FILE_H
