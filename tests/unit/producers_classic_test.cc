// The aobench scene, against an implementation of it that shares nothing with the
// kernels: scalar, in double precision, with independent random numbers.

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <francine/producer.h>
#include <francine/shares.h>

#include "producers/ao_render.h"

using namespace francine;
using namespace francine::producers;

namespace {

Image share_of(const AoSettings& settings, std::uint64_t seed,
               const AoKernels& kernels = ao_kernels()) {
  Image image(settings.size);
  render_classic({settings, seed, {}}, kernels, image).value();
  return image;
}

std::uint64_t checksum(const Image& image) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, of 32-bit units
  for (const float sample : image.samples()) {
    hash = (hash ^ std::bit_cast<std::uint32_t>(sample)) * 0x100000001b3;
  }
  return hash;
}

struct Vec {
  double x = 0, y = 0, z = 0;
  Vec operator+(Vec o) const { return {x + o.x, y + o.y, z + o.z}; }
  Vec operator-(Vec o) const { return {x - o.x, y - o.y, z - o.z}; }
  Vec operator*(double s) const { return {x * s, y * s, z * s}; }
};
double dot(Vec a, Vec b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
Vec cross(Vec a, Vec b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
Vec unit(Vec a) { return a * (1 / std::sqrt(dot(a, a))); }

struct Hit {
  double distance = 1e17;
  Vec point, normal;
};

// The nearest thing on a ray, as the original tests for it.
bool meet(Vec origin, Vec direction, Hit& hit) {
  bool met = false;
  for (const Vec centre : {Vec{-2, 0, -3.5}, Vec{-0.5, 0, -3}, Vec{1, 0, -2.2}}) {
    const Vec from = origin - centre;
    const double b = dot(from, direction);
    const double d = b * b - (dot(from, from) - 0.25);
    const double t = d > 0 ? -b - std::sqrt(d) : -1;
    if (t > 0 && t < hit.distance) {
      hit.distance = t;
      hit.point = origin + direction * t;
      hit.normal = unit(hit.point - centre);
      met = true;
    }
  }
  const double t = -(origin.y + 0.5) / direction.y;
  if (t > 0 && t < hit.distance) {
    hit.distance = t;
    hit.point = origin + direction * t;
    hit.normal = {0, 1, 0};
    met = true;
  }
  return met;
}

// One sample of a pixel: 0 or 1.
double sample(int x, int y, ImageSize size, double ao_distance, std::mt19937_64& random) {
  std::uniform_real_distribution<double> uniform(0, 1);
  const double px = (x + uniform(random) - size.width / 2.0) / (size.width / 2.0);
  const double py = -(y + uniform(random) - size.height / 2.0) / (size.height / 2.0);
  Hit first;
  if (!meet({}, unit({px, py, -1}), first)) return 0;
  const double radius = std::sqrt(uniform(random));
  const double angle = 2 * 3.14159265358979323846 * uniform(random);
  const Vec side = std::abs(first.normal.x) < 0.6 ? Vec{1, 0, 0} : Vec{0, 1, 0};
  const Vec u = unit(cross(side, first.normal));
  const Vec v = cross(first.normal, u);
  const Vec direction = u * (radius * std::cos(angle)) + v * (radius * std::sin(angle)) +
                        first.normal * std::sqrt(1 - radius * radius);
  Hit second;
  second.distance = ao_distance;
  return meet(first.point + first.normal * 1e-6, direction, second) ? 0 : 1;
}

// Mean of the squared standard scores of all pixels, and the largest score.
struct Agreement {
  double mean_square = 0;
  double largest = 0;
};

Agreement compare(const AoSettings& settings, int shares, int samples) {
  std::vector<double> sum(settings.size.pixels());
  std::vector<double> squares(settings.size.pixels());
  for (int i = 0; i < shares; ++i) {
    const Image image = share_of(settings, share_seed(17, static_cast<std::uint32_t>(i)));
    for (std::size_t p = 0; p < sum.size(); ++p) {
      const double value = image.plane(0)[p];
      sum[p] += value;
      squares[p] += value * value;
    }
  }
  std::mt19937_64 random(4711);
  Agreement agreement;
  int varying = 0;
  for (std::size_t p = 0; p < sum.size(); ++p) {
    const int x = static_cast<int>(p) % settings.size.width;
    const int y = static_cast<int>(p) / settings.size.width;
    double expected = 0;
    for (int i = 0; i < samples; ++i) {
      expected += sample(x, y, settings.size, settings.ao_distance, random) / samples;
    }
    const double mean = sum[p] / shares;
    // Where few of the shares' subpixels meet a shape, the shares may have none by
    // chance: their variance is then not taken for less than a tenth of what
    // independent subpixels have.
    const double independent = expected * (1 - expected) / (settings.samples * settings.samples);
    const double of_shares = std::max(squares[p] / shares - mean * mean, independent / 10);
    const double variance = of_shares / shares + expected * (1 - expected) / samples;
    if (variance < 1e-9) {
      CHECK(mean == doctest::Approx(expected).epsilon(1e-3));
      continue;
    }
    const double score = (mean - expected) / std::sqrt(variance);
    agreement.mean_square += score * score;
    agreement.largest = std::max(agreement.largest, std::abs(score));
    ++varying;
  }
  REQUIRE(varying > 60);
  agreement.mean_square /= varying;
  return agreement;
}

}  // namespace

TEST_CASE("the picture agrees with a plain implementation in every pixel") {
  AoSettings settings;
  settings.size = {24, 24};
  settings.ao_samples = 2;
  for (const double distance : {std::numeric_limits<double>::infinity(), 0.6, 0.25}) {
    CAPTURE(distance);
    settings.ao_distance = distance;
    const Agreement agreement = compare(settings, 128, 4'000);
    // Of some 70 to 300 scores: 1 +- 0.2 where the pictures agree.
    CHECK(agreement.mean_square > 0.6);
    CHECK(agreement.mean_square < 1.4);
    CHECK(agreement.largest < 4.5);
  }
}

TEST_CASE("every instruction set gives the same bits") {
  AoSettings settings;
  settings.size = {45, 37};
  for (const int side : {1, 3, 8}) {
    settings.ao_samples = side;
    settings.samples = 4 - side / 3;
    settings.ao_distance = side == 3 ? 0.4 : std::numeric_limits<double>::infinity();
    const std::uint64_t expected = checksum(share_of(settings, 99));
    for (const AoKernels* const* kernels = all_ao_kernels(); *kernels != nullptr; ++kernels) {
      CAPTURE((*kernels)->instruction_set);
      CHECK(checksum(share_of(settings, 99, **kernels)) == expected);
    }
  }
}

TEST_CASE("the bits of a share are known") {
  // Changes only with the arithmetic: raise its number in arithmetic.cc then.
  AoSettings settings;
  settings.size = {32, 32};
  CHECK(checksum(share_of(settings, 7)) == 9989519508225090341U);
  settings.camera.eye = Double3{0.5, 1, 1};
  settings.camera.lookat = Double3{0, 0, -3};
  settings.ao_distance = 0.5;
  CHECK(checksum(share_of(settings, 7)) == 10785515030127403813U);
}

TEST_CASE("pixels are grey and opaque; what hits nothing is black; open ground is white") {
  AoSettings settings;
  settings.size = {64, 64};
  const Image image = share_of(settings, 3);
  for (std::size_t p = 0; p < settings.size.pixels(); ++p) {
    const float red = image.plane(0)[p];
    REQUIRE(red >= 0);
    REQUIRE(red <= 1);
    REQUIRE(image.plane(1)[p] == red);
    REQUIRE(image.plane(2)[p] == red);
    REQUIRE(image.plane(3)[p] == 1);
  }
  CHECK(image.plane(0)[0] == 0);               // the sky
  CHECK(image.plane(0)[33 * 64] > 0.95);       // the plane, far from the spheres
  CHECK(image.plane(0)[27 * 64 + 47] > 0.6);   // the top of the nearest sphere
  CHECK(image.plane(0)[37 * 64 + 47] < 0.35);  // its bottom
}

TEST_CASE("a share depends on its seed alone, and on all of it") {
  AoSettings settings;
  settings.size = {16, 16};
  CHECK(checksum(share_of(settings, 5)) == checksum(share_of(settings, 5)));
  CHECK(checksum(share_of(settings, 5)) != checksum(share_of(settings, 6)));
  CHECK(checksum(share_of(settings, 5)) != checksum(share_of(settings, 5 + (1ULL << 32))));
}

TEST_CASE("shares of different seeds are uncorrelated") {
  AoSettings settings;
  settings.size = {64, 64};
  settings.ao_samples = 2;
  settings.samples = 1;
  // Seeds that differ in one bit, and those that an execution gives.
  std::vector<std::uint64_t> seeds = {0, 1, 2, 1ULL << 31, 1ULL << 32, 1ULL << 63};
  for (std::uint32_t i = 0; i < 6; ++i) seeds.push_back(share_seed(0, i));
  std::vector<Image> shares;
  for (const std::uint64_t seed : seeds) shares.push_back(share_of(settings, seed));
  // What is left of each when the picture, as many other shares have it, is taken off.
  std::vector<double> picture(settings.size.pixels());
  constexpr int kOthers = 256;
  for (std::uint32_t i = 0; i < kOthers; ++i) {
    const Image other = share_of(settings, share_seed(1, i));
    for (std::size_t p = 0; p < picture.size(); ++p) picture[p] += other.plane(0)[p] / kOthers;
  }
  for (std::size_t a = 0; a < seeds.size(); ++a) {
    for (std::size_t b = 0; b < a; ++b) {
      double product = 0;
      double square_a = 0;
      double square_b = 0;
      for (std::size_t p = 0; p < picture.size(); ++p) {
        const double left_a = shares[a].plane(0)[p] - picture[p];
        const double left_b = shares[b].plane(0)[p] - picture[p];
        product += left_a * left_b;
        square_a += left_a * left_a;
        square_b += left_b * left_b;
      }
      CAPTURE(seeds[a]);
      CAPTURE(seeds[b]);
      // Of some 1,500 pixels that vary, weighted unevenly: a standard deviation of 0.03.
      CHECK(std::abs(product / std::sqrt(square_a * square_b)) < 0.13);
    }
  }
}

TEST_CASE("a camera of 90 degrees at the origin is the classic one") {
  AoSettings settings;
  settings.size = {24, 24};
  const Image classic = share_of(settings, 1);
  settings.camera.fov = 90;
  const Image same = share_of(settings, 1);
  double difference = 0;
  for (std::size_t p = 0; p < settings.size.pixels(); ++p) {
    difference = std::max(difference, std::abs(double{classic.plane(0)[p] - same.plane(0)[p]}));
  }
  CHECK(difference < 0.02);  // a ray of 256 that goes the other way at an edge
}

TEST_CASE("odd sizes and single rays render") {
  for (const ImageSize size : {ImageSize{1, 1}, ImageSize{17, 1}, ImageSize{1, 33}}) {
    AoSettings settings;
    settings.size = size;
    settings.samples = 1;
    settings.ao_samples = 1;
    const Image image = share_of(settings, 1);
    for (const float value : image.plane(0)) CHECK((value == 0 || value == 1));
  }
}

TEST_CASE("the producer renders what its settings say") {
  const auto producer = make_ao_producer();
  CHECK(producer->name() == "ao");
  const std::string settings =
      producer->apply_update("", R"({"width":20,"height":10,"aoSamples":2})").value();
  CHECK(producer->image_size(settings).value() == ImageSize{20, 10});
  CHECK(producer->check({}).ok());
  const auto scene = producer->prepare({}).value();
  Image image({20, 10});
  CHECK(scene->render({0, 7, settings, {}}, image).ok());
  AoSettings same;
  same.size = {20, 10};
  same.ao_samples = 2;
  CHECK(checksum(image) == checksum(share_of(same, 7)));
  Image wrong({10, 20});
  CHECK(scene->render({0, 7, settings, {}}, wrong).error().code == ErrorCode::kInternal);
}

TEST_CASE("several slots share a scene") {
  const auto scene = make_ao_producer()->prepare({}).value();
  const char* settings = R"({"width":32,"height":32})";
  std::vector<std::uint64_t> checksums(4);
  {
    std::vector<std::jthread> slots;
    for (std::size_t i = 0; i < checksums.size(); ++i) {
      slots.emplace_back([&, i] {
        Image image({32, 32});
        scene->render({0, 7, settings, {}}, image).value();
        checksums[i] = checksum(image);
      });
    }
  }
  for (const std::uint64_t sum : checksums) CHECK(sum == checksums[0]);
}

TEST_CASE("a stopped share ends soon") {
  // Some 10^12 rays: half an hour, unless it stops.
  const char* settings = R"({"width":256,"height":256,"samples":64,"aoSamples":64})";
  const auto scene = make_ao_producer()->prepare({}).value();
  Image image({256, 256});
  std::stop_source stop;
  std::jthread stopper([&stop] { stop.request_stop(); });
  const auto result = scene->render({0, 1, settings, stop.get_token()}, image);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == ErrorCode::kCancelled);
}
