// What a session brings to the renderer ao: the update of an execution, and an OBJ file.

#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <string>

#include "producers/ao_settings.h"
#include "producers/obj_file.h"

namespace francine::fuzz {
namespace {

constexpr producers::ObjLimits kLimits{
    .max_vertices = 500, .max_triangles = 500, .max_line_bytes = 2000};

/// A file in memory with the input in it.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view contents) : file_(memfd_create("input", MFD_CLOEXEC)) {
    check(file_ >= 0);
    check(write(file_, contents.data(), contents.size()) == static_cast<ssize_t>(contents.size()));
  }
  ~MemoryFile() { close(file_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  const int file_;
};

void update(std::string_view input) {
  const Result<std::string> settings = producers::apply_ao_update("", input);
  if (!settings) return check(!settings.error().message.empty());
  // What was accepted is kept, read by workers, and updated again.
  const auto parsed = producers::parse_ao_settings(*settings, "settings");
  check(parsed.ok());
  check(parsed->size.width >= 1 && parsed->size.width <= 65'536);
  check(parsed->size.height >= 1 && parsed->size.height <= 65'536);
  check(parsed->samples >= 1 && parsed->ao_samples >= 1 && parsed->ao_distance > 0);
  check(producers::apply_ao_update(*settings, "{}").value() == *settings);
  static_cast<void>(producers::classic_camera(*parsed));
  static_cast<void>(producers::mesh_camera(*parsed, {{-1, -2, -3}, {4, 5, 6}}));
}

void mesh(std::string_view input) {
  const MemoryFile file(input);
  producers::TriangleMesh mesh;
  const Result<void> read = producers::read_obj(file.path(), "model.obj", kLimits, mesh);
  if (!read) return check(!read.error().message.empty());
  check(!mesh.triangles.empty());
  check(mesh.vertices.size() <= kLimits.max_vertices);
  check(mesh.triangles.size() <= kLimits.max_triangles);
  for (const auto& vertex : mesh.vertices) {
    for (const float coordinate : vertex) check(std::isfinite(coordinate));
  }
  for (const auto& triangle : mesh.triangles) {
    for (const std::uint32_t vertex : triangle) check(vertex < mesh.vertices.size());
  }
}

}  // namespace

void one_input(std::string_view input) {
  update(input);
  mesh(input);
}

}  // namespace francine::fuzz
