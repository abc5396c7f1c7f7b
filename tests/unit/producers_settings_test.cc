// The settings and cameras of ao.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "producers/ao_settings.h"

using namespace francine;
using namespace francine::producers;

namespace {

std::string after(const char* settings, const char* update) {
  return apply_ao_update(settings, update).value();
}

// The direction through a point of the image, not normalised.
std::array<double, 3> through(const CameraRays& camera, ImageSize size, double x, double y) {
  std::array<double, 3> direction{};
  for (std::size_t i = 0; i < 3; ++i) {
    direction[i] = double{camera.forward[i]} + (x - size.width / 2.0) * double{camera.right[i]} +
                   (y - size.height / 2.0) * double{camera.down[i]};
  }
  return direction;
}

}  // namespace

TEST_CASE("defaults are those of aobench") {
  const AoSettings settings = parse_ao_settings("", "settings").value();
  CHECK(settings.size == ImageSize{256, 256});
  CHECK(settings.samples == 2);
  CHECK(settings.ao_samples == 8);
  CHECK(settings.ao_distance == std::numeric_limits<double>::infinity());
  CHECK(settings.camera.empty());
}

TEST_CASE("updates replace members and settings are normalised") {
  CHECK(after("", "{}") == "{}");
  CHECK(after("", R"({"width": 64.0, "height": 32})") == R"({"width":64,"height":32})");
  CHECK(after(R"({"width":64,"height":32})", R"({"height":8})") == R"({"width":64,"height":8})");
  CHECK(after(R"({"width":64})", R"({"width":null})") == "{}");
  CHECK(after("", R"({"mystery":{"a":[1,2]},"samples":1})") == R"({"samples":1})");
  CHECK(after("", R"({"width":1,"width":2})") == R"({"width":2})");
  CHECK(after("", R"({"aoDistance":0.1})") == R"({"aoDistance":0.1})");
  CHECK(after(R"({"aoDistance":0.1})", R"({"aoDistance":null})") == "{}");
}

TEST_CASE("numbers are read exactly, however they are written") {
  CHECK(after("", R"({"width":6.4e1,"height":8e0})") == R"({"width":64,"height":8})");
  CHECK(after("", R"({"camera":{"eye":[0e137,-0,1e-300]}})") ==
        R"({"camera":{"eye":[0.0,0.0,1e-300]}})");
  CHECK(parse_ao_settings(R"({"aoDistance":0.30000000000000004})", "it")->ao_distance ==
        0.30000000000000004);
  for (const char* number : {"1e999", "-1e999", "1e-999"}) {
    const auto refused = apply_ao_update("", R"({"aoDistance":)" + std::string(number) + "}");
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().message.find("too ") != std::string::npos);
  }
}

TEST_CASE("the camera is set member by member, also in the original's way") {
  const std::string set =
      after("", R"({"camera":{"eye":[0,1,2],"lookat":[0,0,0],"up":[0,1,0],"fov":45}})");
  CHECK(set == R"({"camera":{"eye":[0.0,1.0,2.0],"lookat":[0.0,0.0,0.0],"up":[0.0,1.0,0.0],)"
               R"("fov":45.0}})");
  CHECK(after(set.c_str(), R"({"camera":{"fov":60,"up":null,"lookat":null}})") ==
        R"({"camera":{"eye":[0.0,1.0,2.0],"fov":60.0}})");
  CHECK(after(set.c_str(), R"({"camera":null})") == "{}");
  CHECK(after("", R"({"view_changed":{"set":{"eye":[1,2,3],"fov":30}}})") ==
        R"({"camera":{"eye":[1.0,2.0,3.0],"fov":30.0}})");
  CHECK(after(R"({"camera":{"fov":10}})", R"({"view_changed":{"set":{"eye":[1,2,3]}}})") ==
        R"({"camera":{"eye":[1.0,2.0,3.0],"fov":10.0}})");
  CHECK(after("", R"({"view_changed":{}})") == "{}");
}

TEST_CASE("what ao cannot use is refused by name") {
  const struct {
    const char* update;
    const char* message;
  } cases[] = {
      {R"({"width":"abc"})", R"(update.width must be an integer from 1 to 65,536, not "abc")"},
      {R"({"width":0})", "update.width must be an integer from 1 to 65,536, not 0"},
      {R"({"width":65537})", "update.width must be an integer from 1 to 65,536, not 65537"},
      {R"({"height":1.5})", "update.height must be an integer from 1 to 65,536, not 1.5"},
      {R"({"height":-1})", "update.height must be an integer from 1 to 65,536, not -1"},
      {R"({"height":1e300})", "update.height must be an integer from 1 to 65,536, not 1e300"},
      {R"({"height":true})", "update.height must be an integer from 1 to 65,536, not true"},
      {R"({"samples":65})", "update.samples must be an integer from 1 to 64, not 65"},
      {R"({"samples":[]})", "update.samples must be an integer from 1 to 64, not []"},
      {R"({"aoSamples":0})", "update.aoSamples must be an integer from 1 to 64, not 0"},
      {R"({"aoDistance":0})",
       "update.aoDistance must be a number over 0 (from 1e-12 to 1e12) or null, not 0"},
      {R"({"aoDistance":"far"})",
       R"(update.aoDistance must be a number over 0 (from 1e-12 to 1e12) or null, not "far")"},
      {R"({"camera":[]})", "update.camera must be an object or null, not []"},
      {R"({"camera":{"eye":[1,2]}})",
       "update.camera.eye must be an array of three numbers from -1e12 to 1e12, not [1,2]"},
      {R"({"camera":{"eye":[1,2,"3"]}})",
       "update.camera.eye must be an array of three numbers from -1e12 to 1e12, not [1,2,\"3\"]"},
      {R"({"camera":{"lookat":[1,2,1e13]}})",
       "update.camera.lookat must be an array of three numbers from -1e12 to 1e12, not "
       "[1,2,10000000000000.0]"},
      {R"({"camera":{"up":[0,0,0]}})", "update.camera.up must be a direction, not [0,0,0]"},
      {R"({"camera":{"fov":180}})",
       "update.camera.fov must be a number of degrees from 1 to 179, not 180"},
      {R"({"camera":{"eye":[1,1,1],"lookat":[1,1,1]}})",
       "update.camera.lookat must differ from update.camera.eye; move one of them"},
      {R"({"camera":{"eye":[0,0,0],"lookat":[0,2,0],"up":[0,1,0]}})",
       "update.camera.up must not be along the direction of view; choose another one"},
      {R"({"view_changed":3})", "update.view_changed must be an object or null, not 3"},
      {R"({"view_changed":{"set":{"fov":"wide"}}})",
       "update.view_changed.set.fov must be a number of degrees from 1 to 179, not \"wide\""},
  };
  for (const auto& [update, message] : cases) {
    CAPTURE(update);
    const auto result = apply_ao_update("{}", update);
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().code == ErrorCode::kInvalidArgument);
    CHECK(result.error().message == message);
  }
}

TEST_CASE("long values are shown shortened") {
  const std::string update = R"({"width":")" + std::string(100'000, 'a') + R"("})";
  CHECK(apply_ao_update("", update).error().message.size() < 200);
}

TEST_CASE("the classic camera is the formula of the original") {
  AoSettings settings;
  settings.size = {200, 100};
  const CameraRays camera = classic_camera(settings);
  const auto direction = through(camera, settings.size, 150, 20);
  CHECK(direction[0] == doctest::Approx((150 - 100) / 100.0));
  CHECK(direction[1] == doctest::Approx(-(20 - 50) / 50.0));
  CHECK(direction[2] == doctest::Approx(-1));
}

TEST_CASE("fov is the angle over the height, and pixels are square") {
  AoSettings settings;
  settings.size = {300, 100};
  for (const double fov : {1.0, 10.0, 90.0, 120.0, 179.0}) {
    CAPTURE(fov);
    settings.camera.fov = fov;
    const CameraRays camera = classic_camera(settings);
    const auto top = through(camera, settings.size, 150, 0);
    const double expected = std::tan(fov / 2 * 3.14159265358979323846 / 180);
    CHECK(top[1] == doctest::Approx(expected).epsilon(1e-6));
    CHECK(camera.right[0] == doctest::Approx(-camera.down[1]).epsilon(1e-6));
  }
}

TEST_CASE("a camera looks where it is told") {
  AoSettings settings;
  settings.camera.eye = Double3{1, 2, 3};
  settings.camera.lookat = Double3{4, 2, 3};
  settings.camera.up = Double3{0, 0, 5};
  const CameraRays camera = mesh_camera(settings, {{-1, -1, -1}, {1, 1, 1}});
  CHECK(camera.origin[0] == 1.0F);
  CHECK(camera.origin[2] == 3.0F);
  const auto middle = through(camera, settings.size, 128, 128);
  CHECK(middle[0] == doctest::Approx(1));
  CHECK(middle[1] == doctest::Approx(0));
  CHECK(middle[2] == doctest::Approx(0));
  CHECK(camera.right[1] < 0);  // +z is up, so -y is right of +x
  CHECK(camera.down[2] < 0);
}

TEST_CASE("a mesh is framed: all corners of its box are in view, some near an edge") {
  const TriangleMesh::Bounds boxes[] = {{{-1, -1, -1}, {1, 1, 1}},
                                        {{100, 0, -3}, {108, 0.5F, 5}},
                                        {{-1e-3F, 5, 0}, {1e-3F, 9, 1e-3F}},
                                        {{-1e9F, -1e9F, -1e9F}, {1e9F, 1e9F, 1e9F}}};
  for (const ImageSize size : {ImageSize{256, 256}, ImageSize{640, 120}, ImageSize{50, 400}}) {
    for (const auto& box : boxes) {
      CAPTURE(size.width);
      CAPTURE(box.high[0]);
      AoSettings settings;
      settings.size = size;
      const CameraRays camera = mesh_camera(settings, box);
      const auto dot = [](const std::array<double, 3>& a, const float* b) {
        return a[0] * double{b[0]} + a[1] * double{b[1]} + a[2] * double{b[2]};
      };
      double most = 0;
      for (unsigned corner = 0; corner < 8; ++corner) {
        std::array<double, 3> from{};
        for (std::size_t i = 0; i < 3; ++i) {
          const float at = ((corner >> i) & 1U) != 0 ? box.high[i] : box.low[i];
          from[i] = double{at} - double{camera.origin[i]};
        }
        const double ahead = dot(from, camera.forward);
        REQUIRE(ahead > 0);
        const double step = std::sqrt(
            dot({double{camera.right[0]}, double{camera.right[1]}, double{camera.right[2]}},
                camera.right));
        const double x = dot(from, camera.right) / step / step / ahead;
        const double y = dot(from, camera.down) / step / step / ahead;
        most =
            std::max({most, std::abs(x) / (size.width / 2.0), std::abs(y) / (size.height / 2.0)});
      }
      CHECK(most <= 1.0);
      CHECK(most > 0.7);
    }
  }
}

TEST_CASE("cameras of degenerate settings are still cameras") {
  AoSettings settings;
  const TriangleMesh::Bounds point{{1, 1, 1}, {1, 1, 1}};
  settings.camera.up = Double3{0.45, 0.4, 1};  // along the framing's direction of view
  for (const auto& camera : {mesh_camera(settings, point), classic_camera(settings)}) {
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(std::isfinite(camera.origin[i]));
      CHECK(std::isfinite(camera.right[i]));
    }
    CHECK(camera.right[0] * camera.right[0] + camera.right[1] * camera.right[1] +
              camera.right[2] * camera.right[2] >
          0);
  }
}
