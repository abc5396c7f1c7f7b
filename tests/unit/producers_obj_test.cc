// Wavefront OBJ files, good and hostile, and polygons.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <fstream>
#include <limits>
#include <random>
#include <string>

#include <francine/producer.h>

#include "../support/temporary_directory.h"
#include "producers/embree_scene.h"
#include "producers/obj_file.h"
#include "producers/polygon.h"

using namespace francine;
using namespace francine::producers;

namespace {

class Files {
 public:
  Result<TriangleMesh> read(const std::string& text, const ObjLimits& limits = {}) {
    write("model.obj", text);
    TriangleMesh mesh;
    const auto result = read_obj(directory_.path() / "model.obj", "model.obj", limits, mesh);
    if (!result) return result.error();
    return mesh;
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(directory_.path() / name, std::ios::binary) << text;
  }
  SceneFiles scene(std::vector<std::string> names) const {
    return {directory_.path(), std::move(names)};
  }

 private:
  testing::TemporaryDirectory directory_;
};

const std::string kTriangle = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n";

// The summed areas of triangles in the plane z = 0, counter-clockwise positive.
double area(const std::vector<Float3>& vertices,
            const std::vector<std::array<std::uint32_t, 3>>& triangles, bool absolute) {
  double sum = 0;
  for (const auto& t : triangles) {
    const Float3& a = vertices[t[0]];
    const Float3& b = vertices[t[1]];
    const Float3& c = vertices[t[2]];
    const double twice =
        double{b[0] - a[0]} * double{c[1] - a[1]} - double{c[0] - a[0]} * double{b[1] - a[1]};
    sum += (absolute ? std::abs(twice) : twice) / 2;
  }
  return sum;
}

}  // namespace

TEST_CASE("positions and faces of all spellings are read") {
  Files files;
  const std::string good[] = {
      kTriangle,
      "v 0 0 0\r\nv 1 0 0\r\nv 0 1 0\r\nf 1 2 3\r\n",
      "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3",
      "# c\n\n  v\t+0.0 -0 0e5 1.0\nv 1. 0 .0e1\nv 0 1E0 0 0.5 0.5 0.5\n  f  1  2  3  \n",
      "v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\n",
      "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvn 0 0 1\nf 1/1 2/1/1 3//1\n",
      "mtllib /etc/passwd\nusemtl x\no thing\ng a b\ns off\nl 1 2\n" + kTriangle,
      "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 9 9 9\nunknown 1 2 3\nf 1 2 3\n",
  };
  for (const std::string& text : good) {
    CAPTURE(text);
    const auto mesh = files.read(text);
    REQUIRE(mesh.ok());
    REQUIRE(mesh->triangles.size() == 1);
    const auto& triangle = mesh->triangles[0];
    CHECK(mesh->vertices[triangle[0]] == Float3{0, 0, 0});
    CHECK(mesh->vertices[triangle[1]] == Float3{1, 0, 0});
    CHECK(mesh->vertices[triangle[2]] == Float3{0, 1, 0});
  }
}

TEST_CASE("numbers are rounded correctly") {
  Files files;
  const auto mesh = files.read("v 0.1 16777217.0000001 1e-40\nv 1 0 0\nv 0 1 0\nf 1 2 3\n");
  CHECK(mesh->vertices[0] == Float3{0.1F, 16777218.0F, 1e-40F});
}

TEST_CASE("several files become one mesh, each with its own indices") {
  Files files;
  files.write("a.obj", kTriangle);
  files.write("b.OBJ", "v 5 0 0\nv 6 0 0\nv 5 1 0\nf -3 2 3\n");
  TriangleMesh mesh;
  const auto directory = files.scene({}).directory;
  REQUIRE(read_obj(directory / "a.obj", "a.obj", {}, mesh).ok());
  REQUIRE(read_obj(directory / "b.OBJ", "b.OBJ", {}, mesh).ok());
  REQUIRE(mesh.triangles.size() == 2);
  CHECK(mesh.vertices[mesh.triangles[1][0]] == Float3{5, 0, 0});
  CHECK(mesh.bounds().high == Float3{6, 1, 0});
}

TEST_CASE("broken files are refused by name and line") {
  Files files;
  const struct {
    std::string text;
    const char* message;
  } cases[] = {
      {"", "model.obj has no face; is it a Wavefront OBJ?"},
      {"v 0 0 0\n", "model.obj has no face; is it a Wavefront OBJ?"},
      {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "model.obj has no face; is it a Wavefront OBJ?"},
      {"v 0 0 0\nv 1 0\n", "model.obj, line 2: a vertex needs three numbers from -1e12 to 1e12"},
      {"v a b c\n", "model.obj, line 1: a vertex needs three numbers from -1e12 to 1e12"},
      {"v nan 0 0\n", "model.obj, line 1: a vertex needs three numbers from -1e12 to 1e12"},
      {"v 0 -inf 0\n", "model.obj, line 1: a vertex needs three numbers from -1e12 to 1e12"},
      {"v 0 0 1e999\n", "model.obj, line 1: a vertex needs three numbers from -1e12 to 1e12"},
      {"v 0 0 2e12\n", "model.obj, line 1: a vertex needs three numbers from -1e12 to 1e12"},
      {"v 0 0 1x\n", "model.obj, line 1: a vertex needs three numbers from -1e12 to 1e12"},
      {"v\t\n", "model.obj, line 1: a vertex needs three numbers from -1e12 to 1e12"},
      {"\n\nf 1 2 3\n", "model.obj, line 3: a face names vertex 1, but there are 0 before it"},
      {kTriangle + "f 1 2 4\n",
       "model.obj, line 5: a face names vertex 4, but there are 3 before it"},
      {kTriangle + "f 1 2 -4\n",
       "model.obj, line 5: a face names vertex -4, but there are 3 before it"},
      {kTriangle + "f 1 2 0\n",
       "model.obj, line 5: a face names vertex 0, but there are 3 before it"},
      {kTriangle + "f 1 2 x\n",
       "model.obj, line 5: a face names vertex 0, but there are 3 before it"},
      {kTriangle + "f 1 2 4294967297\n", "model.obj, line 5: a face has a number over 999,999,999"},
      {kTriangle + "f 1 2 99999999999999999999999\n",
       "model.obj, line 5: a face has a number over 999,999,999"},
      {kTriangle + "f 1 2\n", "model.obj, line 5: a face has 2 corners; it needs three"},
  };
  for (const auto& [text, message] : cases) {
    CAPTURE(text);
    const auto mesh = files.read(text);
    REQUIRE_FALSE(mesh.ok());
    CHECK(mesh.error().code == ErrorCode::kInvalidArgument);
    CHECK(mesh.error().message == message);
  }
}

TEST_CASE("sizes are bounded") {
  Files files;
  ObjLimits limits;
  limits.max_vertices = 3;
  limits.max_triangles = 2;
  limits.max_line_bytes = 100;
  CHECK(files.read(kTriangle, limits).ok());
  CHECK(files.read("v 1 1 1\n" + kTriangle, limits).error().message ==
        "model.obj, line 4: the scene has over 3 vertices");
  CHECK(files.read(kTriangle + "f 1 2 3\n", limits).ok());
  CHECK(files.read(kTriangle + "f 1 2 3 1 2\n", limits).error().message ==
        "model.obj, line 5: the scene has over 2 triangles");
  CHECK(files.read(kTriangle + "f 1 2 3 \\\n" + std::string(200, '#'), limits).error().code ==
        ErrorCode::kInvalidArgument);
  CHECK(files.read("# " + std::string(200, 'x') + "\n" + kTriangle, limits).error().message ==
        "model.obj, line 1: the line has over 100 bytes");
}

TEST_CASE("damaged files never do worse than fail") {
  Files files;
  const std::string whole =
      "mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0.5 0.25 1e-3\nv 0 1 0\nvn 0 0 1\n"
      "usemtl b\ng c d\nf 1//1 2//1 3//1 4//1 5//1\nf -1 -2 -3\n";
  std::mt19937 random(1);
  for (int i = 0; i < 3'000; ++i) {
    std::string damaged = whole;
    for (unsigned change = 0; change <= random() % 6; ++change) {
      const std::size_t at = random() % damaged.size();
      switch (random() % 4) {
        case 0:
          damaged[at] = static_cast<char>(random());
          break;
        case 1:
          damaged.erase(at, random() % 9);
          break;
        case 2:
          damaged.insert(at, std::to_string(static_cast<int>(random())));
          break;
        default:
          damaged.insert(at, damaged.substr(random() % damaged.size(), 20));
          break;
      }
      if (damaged.empty()) damaged.push_back('f');
    }
    const auto mesh = files.read(damaged);
    if (!mesh) {
      CHECK(mesh.error().code == ErrorCode::kInvalidArgument);
      continue;
    }
    for (const auto& triangle : mesh->triangles) {
      for (const std::uint32_t vertex : triangle) REQUIRE(vertex < mesh->vertices.size());
    }
  }
}

TEST_CASE("polygons keep their area, winding and number of triangles") {
  const std::vector<Float3> square = {{0, 0, 0}, {2, 0, 0}, {2, 2, 0}, {0, 2, 0}};
  const std::vector<Float3> arrow = {{0, 0, 0}, {4, 2, 0}, {0, 4, 0}, {1, 2, 0}};
  const std::vector<Float3> letter_l = {{0, 0, 0}, {3, 0, 0}, {3, 1, 0},
                                        {1, 1, 0}, {1, 3, 0}, {0, 3, 0}};
  std::vector<Float3> comb = {{0, -1, 0}, {21, -1, 0}};
  for (int tooth = 10; tooth >= 0; --tooth) {
    comb.push_back({static_cast<float>(2 * tooth + 1), 0, 0});
    comb.push_back({static_cast<float>(2 * tooth) + 0.5F, 5, 0});
    comb.push_back({static_cast<float>(2 * tooth), 0, 0});
  }
  for (auto polygon : {square, arrow, letter_l, comb}) {
    double expected = 0;
    for (std::size_t i = 0; i < polygon.size(); ++i) {
      const Float3& a = polygon[i];
      const Float3& b = polygon[(i + 1) % polygon.size()];
      expected += (double{a[0]} * double{b[1]} - double{b[0]} * double{a[1]}) / 2;
    }
    for (const bool reversed : {false, true}) {
      CAPTURE(polygon.size());
      CAPTURE(reversed);
      std::vector<std::uint32_t> corners;
      for (std::uint32_t i = 0; i < polygon.size(); ++i) corners.push_back(i);
      if (reversed) std::reverse(corners.begin(), corners.end());
      std::vector<std::array<std::uint32_t, 3>> triangles;
      Triangulator().add(corners, polygon, triangles);
      CHECK(triangles.size() == polygon.size() - 2);
      CHECK(area(polygon, triangles, false) == doctest::Approx(reversed ? -expected : expected));
      // No triangle is turned over: nothing lies outside of the polygon.
      CHECK(area(polygon, triangles, true) == doctest::Approx(expected));
    }
  }
}

TEST_CASE("polygons without sense still become triangles") {
  std::mt19937 random(2);
  for (std::uint32_t corners = 3; corners < 40; ++corners) {
    std::vector<Float3> vertices;
    std::vector<std::uint32_t> polygon;
    for (std::uint32_t i = 0; i < corners; ++i) {
      vertices.push_back({static_cast<float>(random() % 5), static_cast<float>(random() % 5),
                          static_cast<float>(random() % 2)});
      polygon.push_back(static_cast<std::uint32_t>(random() % (i + 1)));
    }
    std::vector<std::array<std::uint32_t, 3>> triangles;
    Triangulator().add(polygon, vertices, triangles);
    CHECK(triangles.size() == corners - 2);
  }
}

TEST_CASE("ao checks the meshes of a session and only these") {
  Files files;
  files.write("good.obj", kTriangle);
  files.write("bad.Obj", "v 0 0 0\n");
  files.write("notes.txt", "v nan\n");
  const auto producer = make_ao_producer();
  CHECK(producer->check(files.scene({"notes.txt"})).ok());
  const auto bad = producer->check(files.scene({"bad.Obj", "good.obj"}));
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.error().code == ErrorCode::kInvalidArgument);
  CHECK(bad.error().message == "bad.Obj has no face; is it a Wavefront OBJ?");
  CHECK(producer->prepare(files.scene({"bad.Obj"})).error().message == bad.error().message);

  const auto good = producer->check(files.scene({"good.obj"}));
  if (embree_arithmetic().empty()) {
    REQUIRE_FALSE(good.ok());
    CHECK(good.error().code == ErrorCode::kInvalidArgument);
    CHECK(good.error().message.find("without Embree") != std::string::npos);
    CHECK(producer->prepare(files.scene({"good.obj"})).error().code == ErrorCode::kUnavailable);
  } else {
    CHECK(good.ok());
    CHECK(producer->prepare(files.scene({"good.obj", "notes.txt"})).ok());
  }
}
