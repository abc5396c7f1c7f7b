// Ambient occlusion of meshes: against formulas, through a loop over all
// triangles, and Embree against that loop.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <stop_token>
#include <thread>
#include <vector>

#include "producers/ao_render.h"
#include "producers/embree_scene.h"

using namespace francine;
using namespace francine::producers;

namespace {

constexpr double kPi = 3.14159265358979323846;

using Vec = std::array<double, 3>;
Vec minus(const Vec& a, const Vec& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
Vec cross(const Vec& a, const Vec& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
double dot(const Vec& a, const Vec& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

// Moeller and Trumbore's test, in double precision, with every triangle.
class SlowTracer final : public MeshTracer {
 public:
  explicit SlowTracer(std::shared_ptr<const TriangleMesh> mesh) : mesh_(std::move(mesh)) {}

  PacketHits first_hits(const RayPacket& rays) const override {
    PacketHits hits;
    for (int i = 0; i < kLanes; ++i) {
      hits.triangle[i] = PacketHits::kNone;
      if (((rays.active >> i) & 1) == 0) continue;
      double nearest = double{rays.distance};
      for (std::uint32_t t = 0; t < mesh_->triangles.size(); ++t) {
        const double distance = meet(rays, i, t);
        if (distance >= nearest) continue;
        nearest = distance;
        hits.triangle[i] = t;
      }
    }
    return hits;
  }
  std::uint16_t occluded(const RayPacket& rays) const override {
    unsigned met = 0;
    for (int i = 0; i < kLanes; ++i) {
      if (((rays.active >> i) & 1) == 0) continue;
      for (std::uint32_t t = 0; t < mesh_->triangles.size(); ++t) {
        if (meet(rays, i, t) >= double{rays.distance}) continue;
        met |= 1U << i;
        break;
      }
    }
    return static_cast<std::uint16_t>(met);
  }

 private:
  double meet(const RayPacket& rays, int lane, std::uint32_t triangle) const {
    constexpr double kMiss = std::numeric_limits<double>::infinity();
    const auto corner = [&](std::size_t i) {
      const Float3& v = mesh_->vertices[mesh_->triangles[triangle][i]];
      return Vec{double{v[0]}, double{v[1]}, double{v[2]}};
    };
    const Vec origin{rays.origin_x[lane], rays.origin_y[lane], rays.origin_z[lane]};
    const Vec direction{rays.direction_x[lane], rays.direction_y[lane], rays.direction_z[lane]};
    const Vec e1 = minus(corner(1), corner(0));
    const Vec e2 = minus(corner(2), corner(0));
    const Vec p = cross(direction, e2);
    const double determinant = dot(e1, p);
    if (determinant == 0) return kMiss;
    const Vec from = minus(origin, corner(0));
    const double u = dot(from, p) / determinant;
    const Vec q = cross(from, e1);
    const double v = dot(direction, q) / determinant;
    const double distance = dot(e2, q) / determinant;
    return u >= 0 && v >= 0 && u + v <= 1 && distance > 0 ? distance : kMiss;
  }

  std::shared_ptr<const TriangleMesh> mesh_;
};

TriangleMesh sphere(int side, float radius) {
  TriangleMesh mesh;
  for (int row = 0; row <= side; ++row) {
    for (int column = 0; column < side; ++column) {
      const double polar = kPi * row / side;
      const double around = 2 * kPi * column / side;
      mesh.vertices.push_back({radius * static_cast<float>(std::sin(polar) * std::cos(around)),
                               radius * static_cast<float>(std::cos(polar)),
                               radius * static_cast<float>(std::sin(polar) * std::sin(around))});
    }
  }
  const auto n = static_cast<std::uint32_t>(side);
  for (std::uint32_t row = 0; row < n; ++row) {
    for (std::uint32_t column = 0; column < n; ++column) {
      const std::uint32_t next = (column + 1) % n;
      const std::uint32_t a = row * n + column;
      const std::uint32_t b = row * n + next;
      mesh.triangles.push_back({a, a + n, b});
      mesh.triangles.push_back({b, a + n, b + n});
    }
  }
  return mesh;
}

// A floor at y = 0 and a disk of radius 1 above the origin, facing it.
TriangleMesh disk_over_floor(float height, std::uint32_t corners) {
  TriangleMesh mesh{{{-50, 0, -50}, {-50, 0, 50}, {50, 0, 50}, {50, 0, -50}},
                    {{0, 1, 2}, {0, 2, 3}}};
  mesh.vertices.push_back({0, height, 0});
  for (std::uint32_t i = 0; i < corners; ++i) {
    const double angle = 2 * kPi * i / corners;
    mesh.vertices.push_back(
        {static_cast<float>(std::cos(angle)), height, static_cast<float>(std::sin(angle))});
    mesh.triangles.push_back({4, 5 + i, 5 + (i + 1) % corners});
  }
  return mesh;
}

Image share_of(const AoSettings& settings, const TriangleMesh& mesh, const MeshTracer& tracer,
               std::uint64_t seed = 1) {
  Image image(settings.size);
  render_mesh({settings, seed, {}}, ao_kernels(), mesh, tracer, image).value();
  return image;
}

// The slow tracer, and Embree where the build has it.
std::vector<std::shared_ptr<const MeshTracer>> tracers(
    const std::shared_ptr<const TriangleMesh>& mesh) {
  std::vector<std::shared_ptr<const MeshTracer>> all{std::make_shared<SlowTracer>(mesh)};
  if (!embree_arithmetic().empty()) all.push_back(make_embree_tracer(mesh).value());
  return all;
}

double average(const Image& image) {
  double sum = 0;
  for (const float value : image.plane(0)) sum += double{value};
  return sum / static_cast<double>(image.size().pixels());
}

}  // namespace

TEST_CASE("a sphere does not shadow itself and shows as a disk") {
  for (const float radius : {1.0F, 1e6F, 1e-4F}) {
    CAPTURE(radius);
    const auto mesh = std::make_shared<TriangleMesh>(sphere(24, radius));
    AoSettings settings;
    settings.size = {32, 32};
    settings.samples = 1;
    settings.ao_samples = 2;
    settings.camera.eye = Double3{0, 0, 4.0 * double{radius}};
    settings.camera.fov = 40;
    for (const auto& tracer : tracers(mesh)) {
      const Image image = share_of(settings, *mesh, *tracer);
      // With one subpixel a pixel is hit or not, and what is hit sees everything.
      int hit = 0;
      for (const float value : image.plane(0)) {
        REQUIRE((value == 0 || value == 1));
        hit += value == 1 ? 1 : 0;
      }
      // The silhouette is the cone of half angle asin(1/4).
      const double disk = std::tan(std::asin(0.25)) / std::tan(20 * kPi / 180) * 16;
      CHECK(hit == doctest::Approx(kPi * disk * disk).epsilon(0.08));
      CHECK(image.plane(3)[0] == 1);
    }
  }
}

TEST_CASE("inside of a sphere everything is near something, if rays reach that far") {
  const auto mesh = std::make_shared<TriangleMesh>(sphere(24, 1));
  AoSettings settings;
  settings.size = {8, 8};
  settings.samples = 1;
  settings.ao_samples = 4;
  settings.camera.eye = Double3{0.1, 0.05, 0};
  settings.camera.lookat = Double3{1, 0, 0};
  for (const auto& tracer : tracers(mesh)) {
    settings.ao_distance = std::numeric_limits<double>::infinity();
    CHECK(average(share_of(settings, *mesh, *tracer)) < 1e-3);
    // A chord of a unit sphere at the angle a from the normal is 2 cos(a) long, so
    // rays of length d get through where cos(a) > d / 2: 1 - d^2 / 4 of them.
    settings.ao_distance = 1;
    CHECK(average(share_of(settings, *mesh, *tracer)) == doctest::Approx(0.75).epsilon(0.05));
  }
}

TEST_CASE("a disk above a floor hides what the formula says") {
  for (const float height : {0.5F, 1.0F, 2.0F}) {
    CAPTURE(height);
    const auto mesh = std::make_shared<TriangleMesh>(disk_over_floor(height, 48));
    AoSettings settings;
    settings.size = {4, 4};
    settings.samples = 2;
    settings.ao_samples = 16;
    settings.camera.eye = Double3{0.5 * double{height}, 0.5 * double{height}, 0};
    settings.camera.lookat = Double3{0, 0, 0};
    settings.camera.fov = 1;
    for (const auto& tracer : tracers(mesh)) {
      // The form factor of a disk of radius 1, seen from its axis at distance h.
      const double expected = 1 - 1 / (1 + double{height} * double{height});
      CHECK(average(share_of(settings, *mesh, *tracer)) == doctest::Approx(expected).epsilon(0.02));
      settings.ao_distance = 0.9 * double{height};
      CHECK(average(share_of(settings, *mesh, *tracer)) == 1);
      settings.ao_distance = std::numeric_limits<double>::infinity();
    }
  }
}

TEST_CASE("Embree gives the same picture whatever the shape of its tree") {
  if (embree_arithmetic().empty()) return;
  // Bumps, so that there is occlusion; irregular, so that no distances are equal.
  TriangleMesh bumpy = sphere(40, 1);
  std::mt19937 random(3);
  for (Float3& vertex : bumpy.vertices) {
    const float scale = 1 - 0.2F * static_cast<float>(random() % 1000) / 1000;
    for (float& coordinate : vertex) coordinate *= scale;
  }
  AoSettings settings;
  settings.size = {40, 40};
  settings.ao_samples = 4;
  const auto mesh = std::make_shared<TriangleMesh>(bumpy);
  const Image image = share_of(settings, *mesh, *make_embree_tracer(mesh).value());
  CHECK(average(image) > 0.1);

  const auto shuffled = std::make_shared<TriangleMesh>(bumpy);
  std::shuffle(shuffled->triangles.begin(), shuffled->triangles.end(), random);
  const Image other = share_of(settings, *shuffled, *make_embree_tracer(shuffled).value());
  CHECK(std::ranges::equal(image.samples(), other.samples()));

  const Image slow = share_of(settings, *mesh, SlowTracer(mesh));
  double difference = 0;
  for (std::size_t p = 0; p < settings.size.pixels(); ++p) {
    difference += std::abs(double{image.plane(0)[p] - slow.plane(0)[p]});
  }
  CHECK(difference < 0.5);  // of 1,600 pixels: rays within a rounding of an edge
}

TEST_CASE("of triangles at the same distance the first counts") {
  if (embree_arithmetic().empty()) return;
  // A grid in which every triangle is there three times, and rays through its vertices.
  TriangleMesh once = sphere(16, 1);
  const auto count = static_cast<std::uint32_t>(once.triangles.size());
  const auto mesh = std::make_shared<TriangleMesh>(once);
  for (int copy = 0; copy < 2; ++copy) {
    mesh->triangles.insert(mesh->triangles.end(), once.triangles.begin(), once.triangles.end());
  }
  const auto tracer = make_embree_tracer(mesh).value();
  int hits = 0;
  for (std::size_t v = 0; v + kLanes <= once.vertices.size(); ++v) {
    RayPacket rays{};
    for (std::size_t i = 0; i < kLanes; ++i) {
      rays.direction_x[i] = once.vertices[v + i][0];
      rays.direction_y[i] = once.vertices[v + i][1];
      rays.direction_z[i] = once.vertices[v + i][2];
    }
    rays.active = 0xffff;
    rays.distance = std::numeric_limits<float>::infinity();
    const PacketHits found = tracer->first_hits(rays);
    for (const std::uint32_t triangle : found.triangle) {
      if (triangle == PacketHits::kNone) continue;
      CHECK(triangle < count);
      ++hits;
    }
  }
  CHECK(hits > 3'000);
}

TEST_CASE("lanes without a ray are left alone") {
  const auto mesh = std::make_shared<TriangleMesh>(sphere(8, 1));
  for (const auto& tracer : tracers(mesh)) {
    RayPacket rays{};
    for (float& z : rays.direction_z) z = 1;
    rays.active = 0x8004;
    rays.distance = 2;
    const PacketHits hits = tracer->first_hits(rays);
    for (int i = 0; i < kLanes; ++i) {
      CHECK((hits.triangle[i] != PacketHits::kNone) == (i == 2 || i == 15));
    }
    CHECK(tracer->occluded(rays) == 0x8004);
    rays.distance = 0.5;
    CHECK(tracer->occluded(rays) == 0);
  }
}

TEST_CASE("triangles without area are harmless") {
  TriangleMesh flat{{{0, 0, 0}, {1, 0, 0}, {2, 0, 0}, {0, 1, 0}}, {{0, 1, 2}, {0, 0, 0}}};
  flat.triangles.push_back({0, 1, 3});
  const auto mesh = std::make_shared<TriangleMesh>(flat);
  AoSettings settings;
  settings.size = {16, 16};
  for (const auto& tracer : tracers(mesh)) {
    const Image image = share_of(settings, *mesh, *tracer);
    for (const float value : image.plane(0)) REQUIRE((value >= 0 && value <= 1));
    CHECK(average(image) > 0.05);
  }
}

TEST_CASE("a stopped share of a mesh ends soon") {
  const auto mesh = std::make_shared<TriangleMesh>(sphere(24, 1));
  AoSettings settings;
  settings.samples = 64;
  settings.ao_samples = 64;
  Image image(settings.size);
  std::stop_source stop;
  std::jthread stopper([&stop] { stop.request_stop(); });
  const SlowTracer tracer(mesh);
  const auto result =
      render_mesh({settings, 1, stop.get_token()}, ao_kernels(), *mesh, tracer, image);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == ErrorCode::kCancelled);
}
