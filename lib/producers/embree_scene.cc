#include "producers/embree_scene.h"

#include <embree3/rtcore.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <mutex>
#include <utility>

namespace francine::producers {
namespace {

// Embree's packets of 8: with AVX2 its packets of 16 are two of 8.
constexpr int kPacket = 8;

// The best instruction set up to AVX2, which is fixed because the sets differ in
// the last bits. Embree's avx2 also uses what came with it.
const char* instruction_set() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")) {
    return "avx2";
  }
  if (__builtin_cpu_supports("avx")) return "avx";
  if (__builtin_cpu_supports("sse4.2")) return "sse4.2";
  return "sse2";
#else
  return "";
#endif
}

class Device {
 public:
  Device() {
    const std::string set = instruction_set();
    device_ = rtcNewDevice(("start_threads=0" + (set.empty() ? "" : ",isa=" + set)).c_str());
  }
  ~Device() {
    if (device_ != nullptr) rtcReleaseDevice(device_);
  }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  RTCDevice get() const { return device_; }

  // One for all scenes, gone with the last of them.
  static std::shared_ptr<Device> shared() {
    static std::mutex mutex;
    static std::weak_ptr<Device> current;
    const std::lock_guard lock(mutex);
    auto device = current.lock();
    if (device == nullptr) current = device = std::make_shared<Device>();
    return device;
  }

 private:
  RTCDevice device_ = nullptr;
};

// The nearest triangles so far. Where a ray meets several at the same distance
// (a shared edge, a face that is there twice), the one of the smallest index
// counts, so that the result does not depend on the order inside of the BVH.
struct NearestContext {
  RTCIntersectContext embree;  // first: Embree hands it back by its address
  float distance[kPacket];
  std::uint32_t triangle[kPacket];
};

void keep_nearest(const RTCFilterFunctionNArguments* args) {
  auto* nearest = reinterpret_cast<NearestContext*>(args->context);
  for (unsigned i = 0; i < args->N; ++i) {
    if (args->valid[i] == 0) continue;
    const unsigned lane = RTCRayN_id(args->ray, args->N, i);
    const float distance = RTCRayN_tfar(args->ray, args->N, i);
    const std::uint32_t triangle = RTCHitN_primID(args->hit, args->N, i);
    if (distance > nearest->distance[lane] ||
        (distance == nearest->distance[lane] && triangle > nearest->triangle[lane])) {
      args->valid[i] = 0;
    } else {
      nearest->distance[lane] = distance;
      nearest->triangle[lane] = triangle;
    }
  }
}

void load(const RayPacket& rays, int first, RTCRay8& packet, int (&valid)[kPacket]) {
  constexpr std::size_t kBytes = sizeof(float) * kPacket;
  std::memcpy(packet.org_x, rays.origin_x + first, kBytes);
  std::memcpy(packet.org_y, rays.origin_y + first, kBytes);
  std::memcpy(packet.org_z, rays.origin_z + first, kBytes);
  std::memcpy(packet.dir_x, rays.direction_x + first, kBytes);
  std::memcpy(packet.dir_y, rays.direction_y + first, kBytes);
  std::memcpy(packet.dir_z, rays.direction_z + first, kBytes);
  for (int i = 0; i < kPacket; ++i) {
    packet.tnear[i] = 0;
    packet.tfar[i] = rays.distance;
    packet.time[i] = 0;
    packet.mask[i] = ~0U;
    packet.id[i] = static_cast<unsigned>(i);
    packet.flags[i] = 0;
    valid[i] = ((rays.active >> (first + i)) & 1) != 0 ? -1 : 0;
  }
}

class EmbreeTracer final : public MeshTracer {
 public:
  EmbreeTracer(std::shared_ptr<Device> device, std::shared_ptr<const TriangleMesh> mesh)
      : device_(std::move(device)), mesh_(std::move(mesh)) {}
  ~EmbreeTracer() override {
    if (scene_ != nullptr) rtcReleaseScene(scene_);
  }
  EmbreeTracer(const EmbreeTracer&) = delete;
  EmbreeTracer& operator=(const EmbreeTracer&) = delete;

  bool build() {
    RTCDevice device = device_->get();
    scene_ = rtcNewScene(device);
    rtcSetSceneFlags(scene_, RTC_SCENE_FLAG_ROBUST);
    RTCGeometry geometry = rtcNewGeometry(device, RTC_GEOMETRY_TYPE_TRIANGLE);
    // Embree reads four bytes past the last vertex, so it gets a buffer of its own.
    void* vertices = rtcSetNewGeometryBuffer(geometry, RTC_BUFFER_TYPE_VERTEX, 0, RTC_FORMAT_FLOAT3,
                                             sizeof(Float3), mesh_->vertices.size());
    if (vertices != nullptr) {
      std::memcpy(vertices, mesh_->vertices.data(), mesh_->vertices.size() * sizeof(Float3));
      rtcSetSharedGeometryBuffer(geometry, RTC_BUFFER_TYPE_INDEX, 0, RTC_FORMAT_UINT3,
                                 mesh_->triangles.data(), 0, sizeof(mesh_->triangles[0]),
                                 mesh_->triangles.size());
      rtcSetGeometryIntersectFilterFunction(geometry, keep_nearest);
      rtcCommitGeometry(geometry);
      rtcAttachGeometry(scene_, geometry);
      rtcCommitScene(scene_);
    }
    rtcReleaseGeometry(geometry);
    return rtcGetDeviceError(device) == RTC_ERROR_NONE;
  }

  PacketHits first_hits(const RayPacket& rays) const override {
    PacketHits hits;
    for (int first = 0; first < kLanes; first += kPacket) {
      NearestContext context;
      rtcInitIntersectContext(&context.embree);
      std::fill_n(context.distance, kPacket, std::numeric_limits<float>::infinity());
      std::fill_n(context.triangle, kPacket, PacketHits::kNone);
      RTCRayHit8 packet;
      alignas(32) int valid[kPacket];
      load(rays, first, packet.ray, valid);
      std::fill_n(packet.hit.geomID, kPacket, RTC_INVALID_GEOMETRY_ID);
      std::fill_n(packet.hit.instID[0], kPacket, RTC_INVALID_GEOMETRY_ID);
      rtcIntersect8(valid, scene_, &context.embree, &packet);
      std::copy_n(context.triangle, kPacket, hits.triangle + first);
    }
    return hits;
  }

  std::uint16_t occluded(const RayPacket& rays) const override {
    unsigned met = 0;
    RTCIntersectContext context;
    rtcInitIntersectContext(&context);
    for (int first = 0; first < kLanes; first += kPacket) {
      RTCRay8 packet;
      alignas(32) int valid[kPacket];
      load(rays, first, packet, valid);
      rtcOccluded8(valid, scene_, &context, &packet);
      for (int i = 0; i < kPacket; ++i) {
        if (valid[i] != 0 && packet.tfar[i] < 0) met |= 1U << (first + i);
      }
    }
    return static_cast<std::uint16_t>(met);
  }

 private:
  std::shared_ptr<Device> device_;
  std::shared_ptr<const TriangleMesh> mesh_;
  RTCScene scene_ = nullptr;
};

std::string describe_embree() {
  const auto device = Device::shared();
  if (device->get() == nullptr) return "embree-unusable";
  // 31305 is 3.13.5.
  const auto version = rtcGetDeviceProperty(device->get(), RTC_DEVICE_PROPERTY_VERSION);
  std::string text = "embree-" + std::to_string(version / 10000) + "." +
                     std::to_string(version / 100 % 100) + "." + std::to_string(version % 100);
  const std::string set = instruction_set();
  return set.empty() ? text : text + " " + set;
}

}  // namespace

Result<std::shared_ptr<const MeshTracer>> make_embree_tracer(
    std::shared_ptr<const TriangleMesh> mesh) {
  const std::string triangles = std::to_string(mesh->triangles.size());
  auto device = Device::shared();
  if (device->get() == nullptr) {
    return Error{ErrorCode::kUnavailable, "Embree cannot start on this machine"};
  }
  const auto tracer = std::make_shared<EmbreeTracer>(std::move(device), std::move(mesh));
  if (!tracer->build()) {
    return Error{ErrorCode::kUnavailable, "Embree has not enough memory for a mesh of " +
                                              triangles + " triangles; use a smaller one"};
  }
  return std::shared_ptr<const MeshTracer>(tracer);
}

std::string embree_arithmetic() {
  static const std::string text = describe_embree();
  return text;
}

}  // namespace francine::producers
