#include "producers/obj_file.h"

#include <tiny_obj_loader.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <istream>
#include <new>
#include <span>
#include <streambuf>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "producers/polygon.h"

namespace francine::producers {
namespace {

// Hands a file to the loader line by line, so that its callbacks know the line
// that they are called for. Ends early at a line over the limit, and when told.
class LineBuffer final : public std::streambuf {
 public:
  LineBuffer(std::ifstream& file, std::size_t max_line_bytes)
      : file_(file), max_line_bytes_(max_line_bytes), chunk_(64 << 10) {}

  std::size_t line_number() const { return line_number_; }
  std::string_view line() const { return line_; }
  bool line_too_long() const { return line_too_long_; }
  void end() { ended_ = true; }

 protected:
  int_type underflow() override {
    line_.clear();
    while (!ended_ && (line_.empty() || line_.back() != '\n')) {
      if (next_ == filled_ && !fill()) break;
      const char* begin = chunk_.data() + next_;
      const auto* newline = static_cast<const char*>(std::memchr(begin, '\n', filled_ - next_));
      const std::size_t size =
          newline != nullptr ? static_cast<std::size_t>(newline + 1 - begin) : filled_ - next_;
      if (line_.size() + size > max_line_bytes_) line_too_long_ = ended_ = true;
      line_.append(begin, size);
      next_ += size;
    }
    if (line_.empty()) return traits_type::eof();
    ++line_number_;
    if (ended_) return traits_type::eof();
    setg(line_.data(), line_.data(), line_.data() + line_.size());
    return traits_type::to_int_type(line_.front());
  }

 private:
  bool fill() {
    file_.read(chunk_.data(), static_cast<std::streamsize>(chunk_.size()));
    filled_ = static_cast<std::size_t>(file_.gcount());
    next_ = 0;
    return filled_ > 0;
  }

  std::ifstream& file_;
  std::size_t max_line_bytes_;
  std::vector<char> chunk_;
  std::size_t next_ = 0;
  std::size_t filled_ = 0;
  std::string line_;
  std::size_t line_number_ = 0;
  bool line_too_long_ = false;
  bool ended_ = false;
};

// The three numbers of a `v` line, correctly rounded. The loader's own go through
// pow(), whose last bits differ between CPUs, and what it cannot read is 0 to it.
bool read_vertex(std::string_view line, Float3& vertex) {
  constexpr std::string_view kSpace = " \t\r\n";
  line.remove_prefix(std::min(line.find('v') + 1, line.size()));
  for (float& coordinate : vertex) {
    line.remove_prefix(std::min(line.find_first_not_of(kSpace), line.size()));
    std::string_view token = line.substr(0, line.find_first_of(kSpace));
    line.remove_prefix(token.size());
    if (token.starts_with('+')) token.remove_prefix(1);
    const auto [end, error] =
        std::from_chars(token.data(), token.data() + token.size(), coordinate);
    if (error != std::errc{} || end != token.data() + token.size() ||
        !(std::abs(coordinate) <= TriangleMesh::kMaxCoordinate)) {
      return false;
    }
  }
  return true;
}

// Whether a line has a number of ten or more digits. The loader takes its
// remainder, which may be the index of a vertex.
bool has_overlong_number(std::string_view line) {
  constexpr int kMostDigits = 9;
  int digits = 0;
  for (const char c : line) {
    digits = c >= '0' && c <= '9' ? digits + 1 : 0;
    if (digits > kMostDigits) return true;
  }
  return false;
}

// What the loader's callbacks fill.
class MeshReader {
 public:
  MeshReader(LineBuffer& lines, std::string name, const ObjLimits& limits, TriangleMesh& mesh)
      : lines_(lines),
        name_(std::move(name)),
        limits_(limits),
        mesh_(mesh),
        first_vertex_(mesh.vertices.size()),
        first_triangle_(mesh.triangles.size()) {}

  void vertex() {
    if (failed_) return;
    Float3 vertex;
    if (!read_vertex(lines_.line(), vertex)) {
      return fail("a vertex needs three numbers from -1e12 to 1e12");
    }
    if (mesh_.vertices.size() >= limits_.max_vertices) {
      return fail("the scene has over " + std::to_string(limits_.max_vertices) + " vertices");
    }
    mesh_.vertices.push_back(vertex);
  }

  void face(std::span<const tinyobj::index_t> corners) {
    if (failed_) return;
    if (corners.size() < 3) {
      return fail("a face has " + std::to_string(corners.size()) + " corners; it needs three");
    }
    if (has_overlong_number(lines_.line())) return fail("a face has a number over 999,999,999");
    polygon_.clear();
    const std::size_t count = mesh_.vertices.size() - first_vertex_;
    for (const tinyobj::index_t& corner : corners) {
      // From 1, or from the last one backwards with -1.
      const std::int64_t given = corner.vertex_index;
      const std::int64_t index = given > 0 ? given - 1 : static_cast<std::int64_t>(count) + given;
      if (given == 0 || index < 0 || index >= static_cast<std::int64_t>(count)) {
        return fail("a face names vertex " + std::to_string(given) + ", but there are " +
                    std::to_string(count) + " before it");
      }
      polygon_.push_back(
          static_cast<std::uint32_t>(first_vertex_ + static_cast<std::size_t>(index)));
    }
    if (mesh_.triangles.size() + polygon_.size() > limits_.max_triangles + 2) {
      return fail("the scene has over " + std::to_string(limits_.max_triangles) + " triangles");
    }
    triangulator_.add(polygon_, mesh_.vertices, mesh_.triangles);
  }

  Result<void> finish() {
    if (lines_.line_too_long()) {
      fail("the line has over " + std::to_string(limits_.max_line_bytes) + " bytes");
    }
    if (failed_) return error_;
    if (mesh_.triangles.size() == first_triangle_) {
      return Error{ErrorCode::kInvalidArgument, name_ + " has no face; is it a Wavefront OBJ?"};
    }
    return {};
  }

 private:
  void fail(const std::string& what) {
    failed_ = true;
    error_ = {ErrorCode::kInvalidArgument,
              name_ + ", line " + std::to_string(lines_.line_number()) + ": " + what};
    lines_.end();
  }

  LineBuffer& lines_;
  std::string name_;
  const ObjLimits& limits_;
  TriangleMesh& mesh_;
  std::size_t first_vertex_;
  std::size_t first_triangle_;
  std::vector<std::uint32_t> polygon_;
  Triangulator triangulator_;
  bool failed_ = false;
  Error error_;
};

}  // namespace

Result<void> read_obj(const std::filesystem::path& path, const std::string& name,
                      const ObjLimits& limits, TriangleMesh& mesh) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{ErrorCode::kInternal, "cannot read " + name};
  LineBuffer lines(file, limits.max_line_bytes);
  MeshReader reader(lines, name, limits, mesh);
  tinyobj::callback_t callbacks;
  callbacks.vertex_cb = [](void* user, float, float, float, float) {
    static_cast<MeshReader*>(user)->vertex();
  };
  callbacks.index_cb = [](void* user, tinyobj::index_t* corners, int count) {
    static_cast<MeshReader*>(user)->face({corners, static_cast<std::size_t>(count)});
  };
  // Without it the loader collects a warning for each material.
  callbacks.usemtl_cb = [](void*, const char*, int) {};
  std::istream stream(&lines);
  try {
    tinyobj::LoadObjWithCallback(stream, callbacks, &reader, nullptr, nullptr, nullptr);
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kUnavailable, "there is not enough memory for " + name};
  }
  if (file.bad()) return Error{ErrorCode::kInternal, "cannot read " + name};
  return reader.finish();
}

TriangleMesh::Bounds TriangleMesh::bounds() const {
  Bounds bounds{vertices[triangles[0][0]], vertices[triangles[0][0]]};
  for (const auto& triangle : triangles) {
    for (const std::uint32_t vertex : triangle) {
      for (std::size_t i = 0; i < 3; ++i) {
        bounds.low[i] = std::min(bounds.low[i], vertices[vertex][i]);
        bounds.high[i] = std::max(bounds.high[i], vertices[vertex][i]);
      }
    }
  }
  return bounds;
}

}  // namespace francine::producers
