// Rays a second of `ao`, beside those of a bare Embree packet loop over the very
// same rays in the same order: on the aobench scene, and on a mesh of a million
// triangles. The bare loop has its packets ready in memory and does nothing but
// trace them; `ao` starts from the settings and ends with the image. Both run on
// one thread, turn by turn.

#include <embree3/rtcore.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "producers/ao_render.h"
#include "producers/embree_scene.h"
#include "report.h"

namespace {

using namespace francine;
using namespace francine::producers;

constexpr int kRepeats = 9;
constexpr int kPacket = 8;  // native with AVX2; packets of 16 are two of these

// Rays in the order in which `ao` traces them.
struct RecordedRays {
  std::vector<RTCRayHit8> primary;
  std::vector<RTCRay8> occlusion;
  std::vector<std::array<int, kPacket>> primary_valid;
  std::vector<std::array<int, kPacket>> occlusion_valid;
  std::size_t rays = 0;
};

std::array<int, kPacket> load(const RayPacket& rays, int first, RTCRay8& packet) {
  std::array<int, kPacket> valid;
  for (int i = 0; i < kPacket; ++i) {
    packet.org_x[i] = rays.origin_x[first + i];
    packet.org_y[i] = rays.origin_y[first + i];
    packet.org_z[i] = rays.origin_z[first + i];
    packet.dir_x[i] = rays.direction_x[first + i];
    packet.dir_y[i] = rays.direction_y[first + i];
    packet.dir_z[i] = rays.direction_z[first + i];
    packet.tnear[i] = 0;
    packet.tfar[i] = rays.distance;
    packet.time[i] = 0;
    packet.mask[i] = ~0U;
    packet.id[i] = 0;
    packet.flags[i] = 0;
    valid[static_cast<std::size_t>(i)] = ((rays.active >> (first + i)) & 1) != 0 ? -1 : 0;
  }
  return valid;
}

void record_primary(const RayPacket& rays, RecordedRays& recorded) {
  for (int first = 0; first < kLanes; first += kPacket) {
    RTCRayHit8 packet;
    recorded.primary_valid.push_back(load(rays, first, packet.ray));
    std::fill_n(packet.hit.geomID, kPacket, RTC_INVALID_GEOMETRY_ID);
    std::fill_n(packet.hit.instID[0], kPacket, RTC_INVALID_GEOMETRY_ID);
    recorded.primary.push_back(packet);
  }
  recorded.rays += static_cast<std::size_t>(__builtin_popcount(rays.active));
}

void record_occlusion(const RayPacket& rays, RecordedRays& recorded) {
  for (int first = 0; first < kLanes; first += kPacket) {
    RTCRay8 packet;
    recorded.occlusion_valid.push_back(load(rays, first, packet));
    recorded.occlusion.push_back(packet);
  }
  recorded.rays += static_cast<std::size_t>(__builtin_popcount(rays.active));
}

// Passes rays on to a tracer and keeps them. For one thread.
class Recorder final : public MeshTracer {
 public:
  Recorder(const MeshTracer& tracer, RecordedRays& recorded)
      : tracer_(tracer), recorded_(recorded) {}
  PacketHits first_hits(const RayPacket& rays) const override {
    record_primary(rays, recorded_);
    return tracer_.first_hits(rays);
  }
  std::uint16_t occluded(const RayPacket& rays) const override {
    record_occlusion(rays, recorded_);
    return tracer_.occluded(rays);
  }

 private:
  const MeshTracer& tracer_;
  RecordedRays& recorded_;
};

// The bare side: Embree as its tutorials use it.
class BareScene {
 public:
  explicit BareScene(RTCSceneFlags flags) : device_(rtcNewDevice("isa=avx2")) {
    scene_ = rtcNewScene(device_);
    rtcSetSceneFlags(scene_, flags);
  }
  ~BareScene() {
    rtcReleaseScene(scene_);
    rtcReleaseDevice(device_);
  }
  BareScene(const BareScene&) = delete;
  BareScene& operator=(const BareScene&) = delete;

  void add(const TriangleMesh& mesh) {
    RTCGeometry geometry = rtcNewGeometry(device_, RTC_GEOMETRY_TYPE_TRIANGLE);
    fill(geometry, RTC_BUFFER_TYPE_VERTEX, RTC_FORMAT_FLOAT3, mesh.vertices);
    fill(geometry, RTC_BUFFER_TYPE_INDEX, RTC_FORMAT_UINT3, mesh.triangles);
    attach(geometry);
  }
  void add_sphere(float x, float y, float z, float radius) {
    RTCGeometry geometry = rtcNewGeometry(device_, RTC_GEOMETRY_TYPE_SPHERE_POINT);
    fill(geometry, RTC_BUFFER_TYPE_VERTEX, RTC_FORMAT_FLOAT4,
         std::vector<std::array<float, 4>>{{x, y, z, radius}});
    attach(geometry);
  }
  void commit() { rtcCommitScene(scene_); }

  double seconds(const RecordedRays& rays) const {
    return bench::seconds_of([&] {
      RTCIntersectContext context;
      rtcInitIntersectContext(&context);
      for (std::size_t i = 0; i < rays.primary.size(); ++i) {
        RTCRayHit8 packet = rays.primary[i];
        alignas(32) const std::array<int, kPacket> valid = rays.primary_valid[i];
        rtcIntersect8(valid.data(), scene_, &context, &packet);
      }
      for (std::size_t i = 0; i < rays.occlusion.size(); ++i) {
        RTCRay8 packet = rays.occlusion[i];
        alignas(32) const std::array<int, kPacket> valid = rays.occlusion_valid[i];
        rtcOccluded8(valid.data(), scene_, &context, &packet);
      }
    });
  }

 private:
  template <typename T>
  void fill(RTCGeometry geometry, RTCBufferType type, RTCFormat format,
            const std::vector<T>& values) {
    void* buffer = rtcSetNewGeometryBuffer(geometry, type, 0, format, sizeof(T), values.size());
    std::memcpy(buffer, values.data(), values.size() * sizeof(T));
  }
  void attach(RTCGeometry geometry) {
    rtcCommitGeometry(geometry);
    rtcAttachGeometry(scene_, geometry);
    rtcReleaseGeometry(geometry);
  }

  RTCDevice device_;
  RTCScene scene_ = nullptr;
};

// A sphere with bumps, of 2 * side * side triangles.
TriangleMesh bumpy_sphere(int side) {
  constexpr double kPi = 3.14159265358979323846;
  TriangleMesh mesh;
  for (int row = 0; row <= side; ++row) {
    for (int column = 0; column <= side; ++column) {
      const double polar = kPi * row / side;
      const double around = 2 * kPi * (column % side) / side;
      const double radius = 1 + 0.15 * std::sin(9 * polar) * std::sin(11 * around) +
                            0.03 * std::sin(40 * polar) * std::cos(50 * around);
      mesh.vertices.push_back({static_cast<float>(radius * std::sin(polar) * std::cos(around)),
                               static_cast<float>(radius * std::cos(polar)),
                               static_cast<float>(radius * std::sin(polar) * std::sin(around))});
    }
  }
  const auto line = static_cast<std::uint32_t>(side + 1);
  for (std::uint32_t row = 0; row + 1 < line; ++row) {
    for (std::uint32_t column = 0; column + 1 < line; ++column) {
      const std::uint32_t corner = row * line + column;
      mesh.triangles.push_back({corner, corner + line, corner + 1});
      mesh.triangles.push_back({corner + 1, corner + line, corner + line + 1});
    }
  }
  return mesh;
}

TriangleMesh classic_plane() {
  constexpr float kFar = 10'000;
  constexpr float kY = -0.5F;
  return {{{-kFar, kY, -kFar}, {kFar, kY, -kFar}, {kFar, kY, kFar}, {-kFar, kY, kFar}},
          {{0, 1, 2}, {0, 2, 3}}};
}

// The rays of a share of the classic scene, which `ao` itself never writes down.
RecordedRays classic_rays(const AoShare& share, const AoKernels& kernels) {
  const AoSettings& settings = share.settings;
  SubpixelGrid grid;
  grid.camera = classic_camera(settings);
  grid.seed_low = static_cast<std::uint32_t>(share.seed);
  grid.half_width = static_cast<float>(settings.size.width) / 2;
  grid.half_height = static_cast<float>(settings.size.height) / 2;
  grid.cell = 1 / static_cast<float>(settings.samples);
  const OcclusionGrid occlusion{settings.ao_samples, std::numeric_limits<float>::infinity()};
  RecordedRays recorded;
  // A lane is a pixel; sixteen in a row.
  for (int pixel = 0; pixel < settings.size.width * settings.size.height; pixel += kLanes) {
    for (int index = 0; index < settings.samples * settings.samples; ++index) {
      SubpixelBatch batch{};
      for (int i = 0; i < kLanes; ++i) {
        batch.pixel.at[i] = static_cast<std::uint32_t>(pixel + i);
        batch.index.at[i] = static_cast<std::uint32_t>(index);
        batch.x.at[i] = static_cast<float>((pixel + i) % settings.size.width);
        batch.y.at[i] = static_cast<float>((pixel + i) / settings.size.width);
        batch.cell_x.at[i] = static_cast<float>(index % settings.samples);
        batch.cell_y.at[i] = static_cast<float>(index / settings.samples);
      }
      PrimaryRays rays;
      kernels.primary_rays(grid, batch, rays);
      RayPacket packet{};
      std::copy_n(rays.direction.x.at, kLanes, packet.direction_x);
      std::copy_n(rays.direction.y.at, kLanes, packet.direction_y);
      std::copy_n(rays.direction.z.at, kLanes, packet.direction_z);
      packet.active = 0xffff;
      packet.distance = occlusion.distance;
      record_primary(packet, recorded);

      ClassicHits hits;
      kernels.classic_hits(grid.camera.origin, rays, hits);
      ClassicBatch points{};
      points.at.point = hits.point;
      points.at.key_add = rays.key_add;
      points.at.key_xor = rays.key_xor;
      points.shape = hits.shape;
      kernels.classic_frames(occlusion, points);
      packet.active = 0;
      for (int i = 0; i < kLanes; ++i) {
        if (hits.shape.at[i] != kNothing) {
          packet.active = static_cast<std::uint16_t>(packet.active | (1U << i));
        }
        // As in the original, off the surface so as not to meet it again.
        constexpr float kOffset = 1e-4F;
        packet.origin_x[i] = hits.point.x.at[i] + kOffset * points.at.normal.x.at[i];
        packet.origin_y[i] = hits.point.y.at[i] + kOffset * points.at.normal.y.at[i];
        packet.origin_z[i] = hits.point.z.at[i] + kOffset * points.at.normal.z.at[i];
      }
      if (packet.active == 0) continue;
      for (int cell = 0; cell < occlusion.side * occlusion.side; ++cell) {
        kernels.occlusion_directions(occlusion, cell % occlusion.side, cell / occlusion.side,
                                     points.at, packet);
        record_occlusion(packet, recorded);
      }
    }
  }
  return recorded;
}

void classic(const AoKernels& kernels) {
  AoShare share;
  share.settings.size = {256, 256};
  share.seed = 1;
  const RecordedRays rays = classic_rays(share, kernels);
  BareScene bare(RTC_SCENE_FLAG_NONE);
  bare.add_sphere(-2.0F, 0, -3.5F, 0.5F);
  bare.add_sphere(-0.5F, 0, -3.0F, 0.5F);
  bare.add_sphere(1.0F, 0, -2.2F, 0.5F);
  bare.add(classic_plane());
  bare.commit();
  Image image(share.settings.size);
  std::vector<double> ours;
  std::vector<double> theirs;
  for (int i = 0; i < kRepeats; ++i) {
    ours.push_back(bench::seconds_of([&] { render_classic(share, kernels, image).value(); }));
    theirs.push_back(bare.seconds(rays));
  }
  const auto count = static_cast<double>(rays.rays);
  bench::Report("ao-rays-classic", bench::median(theirs) / bench::median(ours),
                "times a bare Embree packet loop")
      .with("required", 2.5)
      .with("ao_rays_per_s", count / bench::median(ours))
      .with("bare_rays_per_s", count / bench::median(theirs))
      .with("rays", rays.rays)
      .with("loops", kernels.instruction_set)
      .print();
}

void million_triangles(const AoKernels& kernels) {
  const auto mesh = std::make_shared<TriangleMesh>(bumpy_sphere(707));
  const auto tracer = make_embree_tracer(mesh).value();
  AoShare share;
  share.settings.size = {160, 160};
  share.seed = 1;
  Image image(share.settings.size);
  RecordedRays rays;
  const Recorder recorder(*tracer, rays);
  render_mesh(share, kernels, *mesh, recorder, image).value();

  BareScene bare(RTC_SCENE_FLAG_ROBUST);
  bare.add(*mesh);
  bare.commit();
  BareScene fragile(RTC_SCENE_FLAG_NONE);
  fragile.add(*mesh);
  fragile.commit();
  std::vector<double> ours;
  std::vector<double> theirs;
  std::vector<double> theirs_fragile;
  for (int i = 0; i < kRepeats; ++i) {
    ours.push_back(
        bench::seconds_of([&] { render_mesh(share, kernels, *mesh, *tracer, image).value(); }));
    theirs.push_back(bare.seconds(rays));
    theirs_fragile.push_back(fragile.seconds(rays));
  }
  const auto count = static_cast<double>(rays.rays);
  bench::Report("ao-rays-mesh", bench::median(theirs) / bench::median(ours),
                "times a bare Embree packet loop")
      .with("required", 0.9)
      .with("ao_rays_per_s", count / bench::median(ours))
      .with("bare_rays_per_s", count / bench::median(theirs))
      .with("bare_not_watertight_rays_per_s", count / bench::median(theirs_fragile))
      .with("rays", rays.rays)
      .with("triangles", mesh->triangles.size())
      .print();
}

}  // namespace

int main() {
  const AoKernels& kernels = ao_kernels();
  classic(kernels);
  million_triangles(kernels);
}
