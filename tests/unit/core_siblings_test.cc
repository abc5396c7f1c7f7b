// Which renderings look unlike their siblings (core/siblings.h), under noise.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>

#include "core/siblings.h"

namespace francine::core {
namespace {

/// Renderings of a picture whose noise is `noise` of its brightness in a share.
class Renderer {
 public:
  Renderer(std::uint64_t seed, double noise) : random_(seed), noise_(noise) {}

  TileMeans render(std::uint32_t shares, double brightness = 1) {
    TileMeans means{};
    for (std::size_t tile = 0; tile < kTiles; ++tile) {
      // From 0 (nothing is there, and there is no noise) to 1.
      const double truth = static_cast<double>(tile) / (kTiles - 1) * brightness;
      std::normal_distribution<double> around(truth, truth * noise_ / std::sqrt(shares));
      means[tile] = static_cast<float>(around(random_));
    }
    return means;
  }

 private:
  std::mt19937_64 random_;
  const double noise_;
};

void add(Siblings& siblings, const TileMeans& means, std::uint32_t shares = 1,
         std::uint64_t worker = 1) {
  siblings.add({{0, shares}, WorkerId{worker}, means});
}

TEST_CASE("the first ones have nothing to be compared with") {
  for (const std::uint64_t workers : {1, 2, 3, 8}) {
    Renderer renderer(1, 0.1);
    Siblings siblings;
    const std::size_t first = workers < 3 ? Siblings::kMostFirst : Siblings::kFewest;
    for (std::size_t i = 1; i <= first; ++i) {
      CHECK(siblings.compared() == 0);
      CHECK(!siblings.stands_out(renderer.render(1, 100), 1));
      add(siblings, renderer.render(1), 1, i % workers);
    }
    CHECK(siblings.compared() == first);
    CHECK(siblings.misfits().empty());
    CHECK(siblings.stands_out(renderer.render(1, 100), 1));
  }
}

TEST_CASE("noise is not doubted, and a tenth more light is found") {
  std::uint64_t doubted = 0;
  std::uint64_t missed = 0;
  constexpr int kExecutions = 300;
  for (std::uint64_t seed = 1; seed <= kExecutions; ++seed) {
    Renderer renderer(seed, 0.01);
    Siblings siblings;
    for (std::uint32_t i = 0; i < 64; ++i) {
      const std::uint32_t shares = 1U << (i % 5);
      const TileMeans means = renderer.render(shares);
      if (siblings.stands_out(means, shares)) ++doubted;
      add(siblings, means, shares);
      doubted += siblings.misfits().size();
    }
    if (!siblings.stands_out(renderer.render(1, 1.1), 1)) ++missed;
    if (!siblings.stands_out(renderer.render(16, 0.9), 16)) ++missed;
  }
  CHECK(doubted <= 2);  // of 19,200
  CHECK(missed == 0);
}

TEST_CASE("of the first ones, fewer than half that differ are found") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Renderer renderer(seed, 0.01);
    Siblings siblings;
    const std::size_t wrong = seed % 4;
    for (std::size_t i = 0; i < Siblings::kFewest; ++i) {
      add(siblings, renderer.render(1, i < wrong ? 2 : 1), 1, i);
    }
    CHECK(siblings.misfits().size() == wrong);
    CHECK(siblings.compared() == Siblings::kFewest - wrong);
    CHECK(siblings.stands_out(renderer.render(1, 2), 1));
    CHECK(!siblings.stands_out(renderer.render(1), 1));
  }
}

TEST_CASE("a worker that is wrong and fast has one vote") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Renderer renderer(seed, 0.01);
    Siblings siblings;
    for (std::size_t i = 0; i < 11; ++i) {
      CHECK(siblings.compared() == 0);
      add(siblings, renderer.render(1, i < 6 ? 2 : 1), 1, i < 6 ? 1 : 2 + i % 2);
    }
    CHECK(siblings.misfits().size() == 6);
    CHECK(siblings.stands_out(renderer.render(1, 2), 1));
    CHECK(!siblings.stands_out(renderer.render(1), 1));
  }
}

TEST_CASE("where half of them differ, nobody knows who is right until others tell") {
  Renderer renderer(1, 0.01);
  Siblings siblings;
  for (std::size_t i = 0; i < 12; ++i)
    add(siblings, renderer.render(1, i % 2 == 0 ? 1 : 2), 1, i % 2);
  CHECK(siblings.compared() == 0);
  add(siblings, renderer.render(1), 1, 2);
  CHECK(siblings.misfits().size() == 6);
  CHECK(siblings.compared() == 7);

  Siblings two;
  for (std::size_t i = 0; i < Siblings::kMostFirst; ++i) {
    add(two, renderer.render(1, i % 2 == 0 ? 1 : 2), 1, i % 2);
  }
  CHECK(two.misfits().empty());
  CHECK(two.compared() == Siblings::kMostFirst);
}

TEST_CASE("without noise, what nobody can see is no difference") {
  Siblings siblings;
  TileMeans means{};
  means.fill(0.5F);
  for (std::size_t i = 0; i < Siblings::kFewest; ++i) add(siblings, means, 1, i);
  means[3] = 0.50001F;
  CHECK(!siblings.stands_out(means, 1));
  means[3] = 0.51F;
  CHECK(siblings.stands_out(means, 1));
  CHECK(siblings.agree(means, means, 1));
}

TEST_CASE("doubted shares are rendered together, and others without them") {
  Siblings siblings;
  siblings.doubt({8, 12}, {WorkerId{1}, "ann", "h", {}});
  CHECK(siblings.keep_together({8, 9}) == ShareRange{8, 12});
  CHECK(siblings.keep_together({10, 12}) == ShareRange{8, 12});
  CHECK(siblings.keep_together({0, 16}) == ShareRange{0, 8});
  CHECK(siblings.keep_together({12, 16}) == ShareRange{12, 16});
  CHECK(siblings.keep_together({0, 4}) == ShareRange{0, 4});
  CHECK(siblings.doubt_about({8, 12}) != nullptr);
  CHECK(siblings.doubt_about({8, 10}) == nullptr);
  siblings.settle({9, 10});
  CHECK(siblings.doubts().empty());
}

TEST_CASE("hosts of endpoints") {
  CHECK(host_of("http://10.0.0.7:4000") == "10.0.0.7");
  CHECK(host_of("https://[::1]:4000") == "[::1]");
  CHECK(host_of("http://ann") == "ann");
  CHECK(host_of("sim:worker1") == "sim");
}

}  // namespace
}  // namespace francine::core
