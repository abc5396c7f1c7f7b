// The image itself, and merging partials along the tree of shares.

#include <francine/image.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

#include "image/merge.h"
#include "image/tile_means.h"

using francine::ErrorCode;
using francine::Image;
using francine::ImageSize;
using francine::ShareRange;
using francine::image::merge_into;
using francine::image::Partial;
using francine::image::TreeMerger;

namespace {

using Random = std::mt19937;

bool same_bits(const Image& a, const Image& b) {
  return a.size() == b.size() &&
         std::memcmp(a.samples().data(), b.samples().data(), a.samples().size_bytes()) == 0;
}

// Values of very different sizes, so that every other order of adding shows.
Partial share(std::uint32_t index, ImageSize size) {
  Partial partial{Image(size), 1.0 + index % 3, {index, index + 1}};
  Random random(index);
  for (float& sample : partial.sum.samples()) {
    const double fraction = static_cast<double>(random()) / 4294967296.0;
    sample = static_cast<float>(std::ldexp(fraction, static_cast<int>(random() % 12)));
  }
  return partial;
}

Partial copy_of(const Partial& partial) {
  Partial copy{Image(partial.sum.size()), partial.weight, partial.shares};
  std::copy(partial.sum.samples().begin(), partial.sum.samples().end(), copy.sum.samples().begin());
  return copy;
}

// The tree as shares.h defines it, recursively: what every merger must equal.
Partial reference(std::uint32_t level, std::uint32_t begin, std::uint32_t parallel,
                  ImageSize size) {
  if (level == 0) return share(begin, size);
  Partial left = reference(level - 1, begin, parallel, size);
  const std::uint32_t middle = begin + (1U << (level - 1));
  if (middle >= parallel) return left;
  const Partial right = reference(level - 1, middle, parallel, size);
  for (std::size_t i = 0; i < left.sum.samples().size(); ++i) {
    left.sum.samples()[i] = left.sum.samples()[i] + right.sum.samples()[i];
  }
  left.weight += right.weight;
  left.shares.end = right.shares.end;
  return left;
}

// Renders, merges and moves about a node the way a farm might: as one run of
// shares, or as some cut into smaller nodes, each handed over owned or shared.
Partial merged_at_random(ShareRange node, std::uint32_t parallel, ImageSize size, Random& random) {
  if (node.size() == 1) return share(node.begin, size);
  const auto level = static_cast<std::uint32_t>(francine::node_level(node, parallel));
  TreeMerger merger(parallel, node);
  for (std::uint32_t at = node.begin; at < node.end;) {
    ShareRange part;
    do {
      part = francine::tree_node(static_cast<std::uint32_t>(random() % level), at, parallel);
    } while (part.begin != at || part == node);
    Partial partial = merged_at_random(part, parallel, size, random);
    if (random() % 2 == 0) {
      REQUIRE(merger.add(std::move(partial)));
      CHECK(partial.sum.empty());
    } else {
      REQUIRE(merger.add(std::make_shared<const Partial>(std::move(partial))));
    }
    at = part.end;
  }
  return merger.finish().value();
}

ErrorCode code_of(const francine::Result<void>& result) {
  REQUIRE_FALSE(result.ok());
  CHECK_FALSE(result.error().message.empty());
  return result.error().code;
}

constexpr ImageSize kSmall{5, 3};

}  // namespace

TEST_CASE("an image is aligned, zero and laid out as its header says") {
  for (const ImageSize size : {ImageSize{1, 1}, ImageSize{17, 3}, ImageSize{640, 480}}) {
    Image image(size);
    CHECK(reinterpret_cast<std::uintptr_t>(image.samples().data()) % 64 == 0);
    CHECK(image.samples().size() == size.pixels() * 4);
    CHECK(std::all_of(image.samples().begin(), image.samples().end(),
                      [](float sample) { return sample == 0; }));
    for (int plane = 0; plane < Image::kPlanes; ++plane) {
      CHECK(image.plane(plane).size() == size.pixels());
      CHECK(image.plane(plane).data() ==
            image.samples().data() + static_cast<std::size_t>(plane) * size.pixels());
    }
    std::fill(image.samples().begin(), image.samples().end(), 1.0F);
  }
}

TEST_CASE("memory that was used comes back zero") {
  for (int round = 0; round < 3; ++round) {
    for (const ImageSize size : {ImageSize{100, 9}, ImageSize{512, 512}}) {
      Image image(size);
      CHECK(std::count(image.samples().begin(), image.samples().end(), 0.0F) ==
            static_cast<std::ptrdiff_t>(image.samples().size()));
      std::fill(image.samples().begin(), image.samples().end(), 2.0F);
    }
  }
}

TEST_CASE("threads may make and drop images at the same time") {
  std::vector<std::jthread> threads;
  std::atomic<int> dirty = 0;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&dirty, thread] {
      for (int round = 0; round < 40; ++round) {
        Image image({256 + 64 * ((round + thread) % 3), 256});
        const std::span<float> samples = image.samples();
        if (samples.front() != 0 || samples[samples.size() / 2] != 0 || samples.back() != 0)
          ++dirty;
        std::fill(samples.begin(), samples.end(), 1.0F);
      }
    });
  }
  threads.clear();
  CHECK(dirty == 0);
}

TEST_CASE("an unfilled image has its size and alignment") {
  Image image = Image::unfilled({600, 500});
  CHECK(image.size() == ImageSize{600, 500});
  CHECK(reinterpret_cast<std::uintptr_t>(image.samples().data()) % 64 == 0);
  std::fill(image.samples().begin(), image.samples().end(), 1.0F);
  CHECK_THROWS_AS(static_cast<void>(Image::unfilled({0, 5})), std::invalid_argument);
}

TEST_CASE("images too large to be kept, and more than are kept, are freed") {
  { Image large({4096, 4200}); }
  std::vector<Image> many;
  for (int i = 0; i < 40; ++i) many.emplace_back(ImageSize{300, 300 + i});
  many.clear();
  Image next({300, 339});
  CHECK(std::count(next.samples().begin(), next.samples().end(), 0.0F) == 4 * 300 * 339);
}

TEST_CASE("a moved-from image is empty") {
  Image image({4, 4});
  image.samples()[5] = 7;
  Image moved(std::move(image));
  CHECK(image.empty());
  CHECK(image.samples().empty());
  CHECK(moved.samples()[5] == 7);
  image = std::move(moved);
  CHECK(moved.empty());
  CHECK(image.samples()[5] == 7);
}

TEST_CASE("impossible sizes are refused") {
  CHECK_THROWS_AS(Image({0, 1}), std::invalid_argument);
  CHECK_THROWS_AS(Image({1, 0}), std::invalid_argument);
  CHECK_THROWS_AS(Image({-5, 7}), std::invalid_argument);
  CHECK_THROWS_AS(Image({2147483647, 2147483647}), std::bad_alloc);
}

TEST_CASE("the means of tiles are of each share, over all planes") {
  Partial partial{Image({9, 6}), 2, {0, 2}};
  for (int plane = 0; plane < Image::kPlanes; ++plane) {
    for (std::size_t i = 0; i < 54; ++i) {
      // Tiles begin at the columns 0, 2, 4, 6 and the rows 0, 1, 3, 4.
      const std::size_t column = std::min<std::size_t>(i % 9 / 2, 3);
      const std::size_t y = i / 9;
      const std::size_t row = y < 1 ? 0 : y < 3 ? 1 : y < 4 ? 2 : 3;
      partial.sum.plane(plane)[i] =
          static_cast<float>(2 * (4 * row + column)) + static_cast<float>(plane) - 1.5F;
    }
  }
  const auto means = francine::image::tile_means(partial);
  for (std::size_t tile = 0; tile < means.size(); ++tile) {
    CHECK(means[tile] == doctest::Approx(static_cast<double>(tile)));
  }
  CHECK(francine::image::tile_means(Partial{Image({1, 1}), 1, {0, 1}})[0] == 0);
}

TEST_CASE("merge_into adds siblings") {
  Partial left = share(2, kSmall);
  REQUIRE(merge_into(left, share(3, kSmall), 4));
  CHECK(left.shares == ShareRange{2, 4});
  CHECK(left.weight == 3.0 + 1.0);
  const Partial expected = reference(1, 2, 4, kSmall);
  CHECK(same_bits(left.sum, expected.sum));
}

TEST_CASE("merge_into takes a right sibling that the end of the tree cuts short") {
  Partial left = reference(2, 0, 5, kSmall);
  REQUIRE(merge_into(left, share(4, kSmall), 5));
  CHECK(left.shares == ShareRange{0, 5});
}

TEST_CASE("merge_into refuses what is not the other half, and leaves the left as it was") {
  Partial left = share(1, kSmall);
  const Partial before = copy_of(left);
  SUBCASE("not siblings, though neighbours") {
    CHECK(code_of(merge_into(left, share(2, kSmall), 4)) == ErrorCode::kInvalidArgument);
  }
  SUBCASE("the wrong way round") {
    CHECK(code_of(merge_into(left, share(0, kSmall), 4)) == ErrorCode::kInvalidArgument);
  }
  SUBCASE("twice the same") {
    const auto result = merge_into(left, before, 4);
    CHECK(code_of(result) == ErrorCode::kInvalidArgument);
    CHECK(result.error().message.find("counted twice") != std::string::npos);
  }
  SUBCASE("another size") {
    left.shares = {0, 1};
    CHECK(code_of(merge_into(left, share(1, {3, 5}), 4)) == ErrorCode::kInvalidArgument);
    left.shares = {1, 2};
  }
  SUBCASE("beyond the end of the tree") {
    left.shares = {4, 5};
    CHECK(code_of(merge_into(left, share(5, kSmall), 5)) == ErrorCode::kInvalidArgument);
    left.shares = {1, 2};
  }
  SUBCASE("half of the sibling") {
    left.shares = {0, 2};
    CHECK(code_of(merge_into(left, share(2, kSmall), 4)) == ErrorCode::kInvalidArgument);
    left.shares = {1, 2};
  }
  SUBCASE("nothing") { CHECK(code_of(merge_into(left, {}, 4)) == ErrorCode::kInvalidArgument); }
  CHECK(same_bits(left.sum, before.sum));
  CHECK(left.weight == before.weight);
  CHECK(left.shares == before.shares);
}

TEST_CASE("however shares are cut into nodes and grouped, the bits are the same") {
  Random random(20240607);
  std::vector<std::uint32_t> widths = {1, 2, 3, 4, 5, 7, 8, 13, 16, 31, 33, 64, 100, 127, 257};
  for (int i = 0; i < 10; ++i) widths.push_back(static_cast<std::uint32_t>(1 + random() % 300));
  for (const std::uint32_t parallel : widths) {
    CAPTURE(parallel);
    const Partial expected = reference(francine::root_level(parallel), 0, parallel, kSmall);
    for (int round = 0; round < 8; ++round) {
      const Partial merged = merged_at_random({0, parallel}, parallel, kSmall, random);
      CHECK(merged.shares == ShareRange{0, parallel});
      CHECK(merged.weight == expected.weight);
      REQUIRE(same_bits(merged.sum, expected.sum));
    }
  }
}

TEST_CASE("images longer than a block, and not a multiple of it, are merged whole") {
  const ImageSize size{1023, 5};
  Random random(3);
  const Partial expected = reference(4, 0, 11, size);
  for (int round = 0; round < 4; ++round) {
    REQUIRE(same_bits(merged_at_random({0, 11}, 11, size, random).sum, expected.sum));
  }
}

TEST_CASE("a part of the tree can be the target, and a merger can be used again") {
  TreeMerger merger(11, {8, 11});
  const Partial expected = reference(2, 8, 11, kSmall);
  for (int round = 0; round < 2; ++round) {
    for (std::uint32_t index = 8; index < 11; ++index) REQUIRE(merger.add(share(index, kSmall)));
    CHECK(same_bits(merger.finish().value().sum, expected.sum));
  }
}

TEST_CASE("shared partials stay as they are, and a single one is copied") {
  const auto only = std::make_shared<const Partial>(share(0, kSmall));
  const Partial before = copy_of(*only);
  TreeMerger single(1, {0, 1});
  REQUIRE(single.add(only));
  const Partial result = single.finish().value();
  CHECK(same_bits(result.sum, before.sum));
  CHECK(result.sum.samples().data() != only->sum.samples().data());

  TreeMerger both(2, {0, 2});
  REQUIRE(both.add(only));
  REQUIRE(both.add(share(1, kSmall)));
  REQUIRE(both.finish());
  CHECK(same_bits(only->sum, before.sum));
}

TEST_CASE("an owned partial is neither copied nor left behind") {
  Partial first = share(0, kSmall);
  const float* const memory = first.sum.samples().data();
  TreeMerger merger(4, {0, 4});
  REQUIRE(merger.add(std::move(first)));
  for (std::uint32_t index = 1; index < 4; ++index) REQUIRE(merger.add(share(index, kSmall)));
  CHECK(merger.finish().value().sum.samples().data() == memory);
}

TEST_CASE("sharing many resident inputs costs little more than reading each once") {
  TreeMerger merger(64, {0, 64});
  const auto bytes = share(0, kSmall).size_bytes();
  for (std::uint32_t index = 0; index < 64; ++index) {
    REQUIRE(merger.add(std::make_shared<const Partial>(share(index, kSmall))));
  }
  REQUIRE(merger.finish());
  CHECK(merger.traffic_bytes() < 2 * 64 * bytes);
}

TEST_CASE("a merger refuses what does not come next, and takes the right one afterwards") {
  TreeMerger merger(8, {0, 8});
  REQUIRE(merger.add(share(0, kSmall)));
  CHECK(code_of(merger.add(share(0, kSmall))) == ErrorCode::kInvalidArgument);  // twice
  CHECK(code_of(merger.add(share(2, kSmall))) == ErrorCode::kInvalidArgument);  // a gap
  CHECK(code_of(merger.add(share(1, {9, 9}))) == ErrorCode::kInvalidArgument);  // a size
  CHECK(code_of(merger.add(std::shared_ptr<const Partial>())) == ErrorCode::kInvalidArgument);
  Partial crooked = share(1, kSmall);
  crooked.shares = {1, 3};
  CHECK(code_of(merger.add(std::move(crooked))) == ErrorCode::kInvalidArgument);  // no node
  CHECK_FALSE(crooked.sum.empty());
  CHECK(merger.finish().error().code == ErrorCode::kInvalidArgument);
  for (std::uint32_t index = 1; index < 8; ++index) REQUIRE(merger.add(share(index, kSmall)));
  CHECK(code_of(merger.add(share(8, kSmall))) == ErrorCode::kInvalidArgument);  // too many
  CHECK(same_bits(merger.finish().value().sum, reference(3, 0, 8, kSmall).sum));
}

TEST_CASE("a target that is no node of the tree refuses everything") {
  TreeMerger crooked(8, {1, 3});
  CHECK(code_of(crooked.add(share(1, kSmall))) == ErrorCode::kInvalidArgument);
  TreeMerger beyond(8, {8, 9});
  CHECK(code_of(beyond.add(share(8, kSmall))) == ErrorCode::kInvalidArgument);
  TreeMerger outside(8, {4, 8});
  CHECK(code_of(outside.add(share(0, kSmall))) == ErrorCode::kInvalidArgument);
  CHECK(outside.finish().error().code == ErrorCode::kInvalidArgument);
}
