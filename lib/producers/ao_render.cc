#include "producers/ao_render.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

namespace francine::producers {
namespace {

constexpr int kTileSide = 16;

// The subpixels of sixteen lanes, and where in the tile their pixels are.
struct Subpixels {
  SubpixelBatch batch;
  int slot[kLanes] = {};
  int count = 0;
};

// The counts of a tile: for each of its pixels, the rays that met nothing.
using TileCounts = std::array<std::uint32_t, kTileSide * kTileSide>;

OcclusionGrid occlusion_grid(const AoSettings& settings) {
  return {settings.ao_samples, static_cast<float>(settings.ao_distance)};
}

// Occlusion in the classic scene, from sixteen points at a time.
class ClassicOcclusion {
 public:
  ClassicOcclusion(const AoShare& share, const AoKernels& kernels, const CameraRays& camera)
      : kernels_(kernels), camera_(camera), grid_(occlusion_grid(share.settings)) {}

  void add(const PrimaryRays& rays, const Subpixels& subpixels, TileCounts& counts) {
    ClassicHits hits;
    kernels_.classic_hits(camera_.origin, rays, hits);
    for (int i = 0; i < subpixels.count; ++i) {
      if (hits.shape.at[i] == kNothing) continue;
      OcclusionBatch& at = batch_.at;
      batch_.shape.at[used_] = hits.shape.at[i];
      at.point.x.at[used_] = hits.point.x.at[i];
      at.point.y.at[used_] = hits.point.y.at[i];
      at.point.z.at[used_] = hits.point.z.at[i];
      at.key_add.at[used_] = rays.key_add.at[i];
      at.key_xor.at[used_] = rays.key_xor.at[i];
      slot_[used_] = subpixels.slot[i];
      if (++used_ == kLanes) flush(counts);
    }
  }

  void flush(TileCounts& counts) {
    if (used_ == 0) return;
    kernels_.classic_frames(grid_, batch_);
    WordLanes occluded;
    kernels_.classic_occlusion(grid_, batch_, occluded);
    const auto all = static_cast<std::uint32_t>(grid_.side * grid_.side);
    for (int i = 0; i < used_; ++i) {
      counts[static_cast<std::size_t>(slot_[i])] += all - occluded.at[i];
    }
    used_ = 0;
  }

 private:
  const AoKernels& kernels_;
  const CameraRays& camera_;
  OcclusionGrid grid_;
  ClassicBatch batch_{};
  int slot_[kLanes] = {};
  int used_ = 0;
};

using Vector = std::array<double, 3>;

Vector minus(const Float3& a, const Float3& b) {
  return {double{a[0]} - double{b[0]}, double{a[1]} - double{b[1]}, double{a[2]} - double{b[2]}};
}

Vector cross(const Vector& a, const Vector& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

double dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

struct MeshPoint {
  Float3 point;
  Float3 normal;  // towards the eye
};

// Where a ray that meets a triangle meets it, moved off the surface by `offset`.
// Computed here, in double precision, because Embree's distance is made with an
// approximate reciprocal whose bits differ between CPUs. False if the triangle has
// no area.
bool surface_point(const TriangleMesh& mesh, std::uint32_t triangle, const Float3& origin,
                   const Vector& direction, double offset, MeshPoint& result) {
  const auto& corners = mesh.triangles[triangle];
  const Float3& a = mesh.vertices[corners[0]];
  const Float3& b = mesh.vertices[corners[1]];
  const Float3& c = mesh.vertices[corners[2]];
  Vector normal = cross(minus(b, a), minus(c, a));
  double facing = dot(normal, direction);
  const double length = std::sqrt(dot(normal, normal)) * (facing > 0 ? -1 : 1);
  if (length == 0) return false;
  for (double& x : normal) x /= length;
  facing = dot(normal, direction);

  const Vector to_a = minus(a, origin);
  const double along[3] = {dot(to_a, direction), dot(minus(b, origin), direction),
                           dot(minus(c, origin), direction)};
  const auto [nearest, furthest] = std::minmax_element(along, along + 3);
  double distance = dot(to_a, normal) / facing;
  // A ray along the plane; also for NaN.
  if (!(distance >= *nearest)) distance = *nearest;
  if (!(distance <= *furthest)) distance = *furthest;
  for (std::size_t i = 0; i < 3; ++i) {
    const double point = double{origin[i]} + distance * direction[i] + offset * normal[i];
    result.point[i] = static_cast<float>(point);
    result.normal[i] = static_cast<float>(normal[i]);
  }
  return true;
}

// Far enough off a surface for single precision to tell it from the surface: a
// few roundings of the largest numbers that meet in an intersection test.
double surface_offset(const TriangleMesh::Bounds& bounds) {
  double largest = 0;
  double diagonal = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const double extent = double{bounds.high[i]} - double{bounds.low[i]};
    diagonal += extent * extent;
    largest =
        std::max({largest, std::abs(double{bounds.low[i]}), std::abs(double{bounds.high[i]})});
  }
  return std::max(std::sqrt(diagonal), largest) * 0x1p-19;
}

// Occlusion by a mesh, from sixteen points at a time.
class MeshOcclusion {
 public:
  MeshOcclusion(const AoShare& share, const AoKernels& kernels, const CameraRays& camera,
                const TriangleMesh& mesh, const MeshTracer& tracer, double offset)
      : share_(share),
        kernels_(kernels),
        mesh_(mesh),
        tracer_(tracer),
        origin_{camera.origin[0], camera.origin[1], camera.origin[2]},
        offset_(offset),
        grid_(occlusion_grid(share.settings)) {}

  void add(const PrimaryRays& rays, const Subpixels& subpixels, TileCounts& counts) {
    RayPacket packet;
    std::fill_n(packet.origin_x, kLanes, origin_[0]);
    std::fill_n(packet.origin_y, kLanes, origin_[1]);
    std::fill_n(packet.origin_z, kLanes, origin_[2]);
    std::copy_n(rays.direction.x.at, kLanes, packet.direction_x);
    std::copy_n(rays.direction.y.at, kLanes, packet.direction_y);
    std::copy_n(rays.direction.z.at, kLanes, packet.direction_z);
    packet.active = lanes_below(subpixels.count);
    packet.distance = std::numeric_limits<float>::infinity();
    const PacketHits hits = tracer_.first_hits(packet);
    for (int i = 0; i < subpixels.count; ++i) {
      if (hits.triangle[i] == PacketHits::kNone) continue;
      const Vector direction{rays.direction.x.at[i], rays.direction.y.at[i],
                             rays.direction.z.at[i]};
      MeshPoint at;
      if (!surface_point(mesh_, hits.triangle[i], origin_, direction, offset_, at)) continue;
      batch_.point.x.at[used_] = at.point[0];
      batch_.point.y.at[used_] = at.point[1];
      batch_.point.z.at[used_] = at.point[2];
      batch_.normal.x.at[used_] = at.normal[0];
      batch_.normal.y.at[used_] = at.normal[1];
      batch_.normal.z.at[used_] = at.normal[2];
      batch_.key_add.at[used_] = rays.key_add.at[i];
      batch_.key_xor.at[used_] = rays.key_xor.at[i];
      slot_[used_] = subpixels.slot[i];
      if (++used_ == kLanes) flush(counts);
    }
  }

  void flush(TileCounts& counts) {
    if (used_ == 0) return;
    kernels_.frames(batch_);
    RayPacket packet;
    std::copy_n(batch_.point.x.at, kLanes, packet.origin_x);
    std::copy_n(batch_.point.y.at, kLanes, packet.origin_y);
    std::copy_n(batch_.point.z.at, kLanes, packet.origin_z);
    packet.active = lanes_below(used_);
    packet.distance = grid_.distance;
    std::uint32_t met[kLanes] = {};
    for (int y = 0; y < grid_.side && !share_.stop.stop_requested(); ++y) {
      for (int x = 0; x < grid_.side; ++x) {
        kernels_.occlusion_directions(grid_, x, y, batch_, packet);
        const unsigned occluded = tracer_.occluded(packet);
        for (int i = 0; i < kLanes; ++i) met[i] += (occluded >> i) & 1U;
      }
    }
    const auto all = static_cast<std::uint32_t>(grid_.side * grid_.side);
    for (int i = 0; i < used_; ++i) counts[static_cast<std::size_t>(slot_[i])] += all - met[i];
    used_ = 0;
  }

 private:
  static std::uint16_t lanes_below(int count) {
    return static_cast<std::uint16_t>((1U << count) - 1);
  }

  const AoShare& share_;
  const AoKernels& kernels_;
  const TriangleMesh& mesh_;
  const MeshTracer& tracer_;
  Float3 origin_;
  double offset_;
  OcclusionGrid grid_;
  OcclusionBatch batch_{};
  int slot_[kLanes] = {};
  int used_ = 0;
};

// A rectangle of pixels.
struct Tile {
  int left, top, right, bottom;
};

// Calls `visit` with all subpixels of a tile, sixteen at a time; the last time
// with those that are left. `visit` returns whether to go on.
template <typename Visit>
void for_each_batch(const Tile& tile, const AoSettings& settings, Visit&& visit) {
  Subpixels subpixels{};
  SubpixelBatch& batch = subpixels.batch;
  for (int y = tile.top; y < tile.bottom; ++y) {
    for (int x = tile.left; x < tile.right; ++x) {
      const auto pixel =
          static_cast<std::uint32_t>(y) * static_cast<std::uint32_t>(settings.size.width) +
          static_cast<std::uint32_t>(x);
      const int slot = (y - tile.top) * kTileSide + (x - tile.left);
      std::uint32_t index = 0;
      for (int cell_y = 0; cell_y < settings.samples; ++cell_y) {
        for (int cell_x = 0; cell_x < settings.samples; ++cell_x) {
          const int lane = subpixels.count;
          batch.pixel.at[lane] = pixel;
          batch.index.at[lane] = index++;
          batch.x.at[lane] = static_cast<float>(x);
          batch.y.at[lane] = static_cast<float>(y);
          batch.cell_x.at[lane] = static_cast<float>(cell_x);
          batch.cell_y.at[lane] = static_cast<float>(cell_y);
          subpixels.slot[lane] = slot;
          if (++subpixels.count < kLanes) continue;
          if (!visit(subpixels)) return;
          subpixels.count = 0;
        }
      }
    }
  }
  if (subpixels.count > 0) visit(subpixels);
}

void write_tile(const Tile& tile, const TileCounts& counts, float rays_per_pixel, Image& image) {
  const auto width = static_cast<std::size_t>(tile.right - tile.left);
  std::array<float, kTileSide> grey;
  std::array<float, kTileSide> opaque;
  opaque.fill(1);
  for (int y = tile.top; y < tile.bottom; ++y) {
    const auto first = static_cast<std::size_t>(y - tile.top) * kTileSide;
    for (std::size_t x = 0; x < width; ++x) {
      grey[x] = static_cast<float>(counts[first + x]) / rays_per_pixel;
    }
    const std::size_t at =
        static_cast<std::size_t>(y) * static_cast<std::size_t>(image.size().width) +
        static_cast<std::size_t>(tile.left);
    for (int plane = 0; plane < Image::kPlanes; ++plane) {
      const auto& row = plane < 3 ? grey : opaque;
      std::copy_n(row.begin(), width, image.plane(plane).subspan(at, width).begin());
    }
  }
}

template <typename Occlusion>
Result<void> render(const AoShare& share, const AoKernels& kernels, const CameraRays& camera,
                    Occlusion& occlusion, Image& image) {
  const AoSettings& settings = share.settings;
  const ImageSize size = settings.size;
  SubpixelGrid grid;
  grid.camera = camera;
  grid.seed_low = static_cast<std::uint32_t>(share.seed);
  grid.seed_high = static_cast<std::uint32_t>(share.seed >> 32);
  grid.half_width = static_cast<float>(size.width) / 2;
  grid.half_height = static_cast<float>(size.height) / 2;
  grid.cell = 1 / static_cast<float>(settings.samples);
  // At most 2^24, so exact.
  const float rays_per_pixel = static_cast<float>(settings.samples * settings.samples *
                                                  settings.ao_samples * settings.ao_samples);
  for (int top = 0; top < size.height; top += kTileSide) {
    for (int left = 0; left < size.width; left += kTileSide) {
      const Tile tile{left, top, std::min(left + kTileSide, size.width),
                      std::min(top + kTileSide, size.height)};
      TileCounts counts{};
      for_each_batch(tile, settings, [&](const Subpixels& subpixels) {
        PrimaryRays rays;
        kernels.primary_rays(grid, subpixels.batch, rays);
        occlusion.add(rays, subpixels, counts);
        return !share.stop.stop_requested();
      });
      occlusion.flush(counts);
      if (share.stop.stop_requested()) {
        return Error{ErrorCode::kCancelled, "rendering was cancelled"};
      }
      write_tile(tile, counts, rays_per_pixel, image);
    }
  }
  return {};
}

}  // namespace

Result<void> render_classic(const AoShare& share, const AoKernels& kernels, Image& image) {
  const CameraRays camera = classic_camera(share.settings);
  ClassicOcclusion occlusion(share, kernels, camera);
  return render(share, kernels, camera, occlusion, image);
}

Result<void> render_mesh(const AoShare& share, const AoKernels& kernels, const TriangleMesh& mesh,
                         const MeshTracer& tracer, Image& image) {
  const TriangleMesh::Bounds bounds = mesh.bounds();
  const CameraRays camera = mesh_camera(share.settings, bounds);
  MeshOcclusion occlusion(share, kernels, camera, mesh, tracer, surface_offset(bounds));
  return render(share, kernels, camera, occlusion, image);
}

}  // namespace francine::producers
