// The wire encoding of partials: round trips, streaming, and hostile bytes.

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "image/partial_codec.h"

using francine::ErrorCode;
using francine::Image;
using francine::ImageSize;
using francine::Result;
using francine::ShareRange;
using namespace francine::image;

namespace {

using Random = std::mt19937;
using Bytes = std::vector<std::uint8_t>;

double uniform(Random& random) { return (static_cast<double>(random()) + 0.5) / 4294967296.0; }

std::shared_ptr<Partial> empty_partial(ImageSize size) {
  return std::make_shared<Partial>(Partial{Image(size), 3, {8, 11}});
}

// A path tracer's noise: sums of exponentially distributed light, opaque.
std::shared_ptr<const Partial> noise(ImageSize size, std::uint32_t seed) {
  auto partial = empty_partial(size);
  Random random(seed);
  for (int plane = 0; plane < 3; ++plane) {
    for (float& sample : partial->sum.plane(plane)) {
      sample = static_cast<float>(-std::log(uniform(random)) - std::log(uniform(random)));
    }
  }
  std::fill(partial->sum.plane(3).begin(), partial->sum.plane(3).end(), 3.0F);
  return partial;
}

bool same(const Partial& a, const Partial& b) {
  return a.sum.size() == b.sum.size() && a.weight == b.weight && a.shares == b.shares &&
         std::memcmp(a.sum.samples().data(), b.sum.samples().data(),
                     a.sum.samples().size_bytes()) == 0;
}

void check_round_trip(const std::shared_ptr<const Partial>& partial) {
  for (const PartialEncoding encoding : {PartialEncoding::kRaw, PartialEncoding::kZstd}) {
    const Bytes bytes = encode_partial(partial, encoding);
    const Result<Partial> decoded = decode_partial(bytes);
    REQUIRE(decoded.ok());
    CHECK(same(*decoded, *partial));
  }
}

Bytes valid_bytes(PartialEncoding encoding) {
  return encode_partial(noise({300, 240}, 5), encoding);
}

// An error of the promised kind; anything else fails the test.
void check_refused(const Result<Partial>& result) {
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == ErrorCode::kInvalidArgument);
  CHECK_FALSE(result.error().message.empty());
}

template <typename T>
Bytes with(Bytes bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(value));
  return bytes;
}

}  // namespace

TEST_CASE("partials come back bit by bit") {
  for (const ImageSize size : {ImageSize{1, 1}, ImageSize{7, 3}, ImageSize{256, 256},
                               ImageSize{257, 255}, ImageSize{1, 70000}, ImageSize{400, 500}}) {
    check_round_trip(noise(size, 1));
  }
}

TEST_CASE("every kind of float survives: NaN payloads, infinities, minus zero, denormals") {
  auto partial = empty_partial({64, 64});
  Random random(9);
  for (float& sample : partial->sum.samples()) {
    sample = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
  }
  partial->sum.samples()[0] = std::numeric_limits<float>::signaling_NaN();
  partial->sum.samples()[1] = -0.0F;
  partial->sum.samples()[2] = -std::numeric_limits<float>::infinity();
  check_round_trip(partial);
}

TEST_CASE("grey pictures cost one plane and constant ones nearly nothing") {
  const auto colour = noise({512, 300}, 4);
  auto grey = empty_partial({512, 300});
  for (int plane = 0; plane < 3; ++plane) {
    std::copy(colour->sum.plane(0).begin(), colour->sum.plane(0).end(),
              grey->sum.plane(plane).begin());
  }
  std::fill(grey->sum.plane(3).begin(), grey->sum.plane(3).end(), 1.0F);
  check_round_trip(grey);
  const std::size_t grey_bytes = encode_partial(grey, PartialEncoding::kZstd).size();
  const std::size_t colour_bytes = encode_partial(colour, PartialEncoding::kZstd).size();
  CHECK(static_cast<double>(grey_bytes) < 0.34 * static_cast<double>(colour_bytes));
  CHECK(static_cast<double>(colour_bytes) < 0.65 * static_cast<double>(colour->size_bytes()));

  const auto black = empty_partial({1920, 1080});
  check_round_trip(black);
  CHECK(encode_partial(black, PartialEncoding::kZstd).size() < 1000);
}

TEST_CASE("a plane that repeats only in places is decoded as it was") {
  auto partial = empty_partial({500, 400});
  Random random(2);
  for (float& sample : partial->sum.plane(0)) sample = static_cast<float>(uniform(random));
  for (int plane = 1; plane < 4; ++plane) {
    std::copy(partial->sum.plane(0).begin(), partial->sum.plane(0).end(),
              partial->sum.plane(plane).begin());
  }
  partial->sum.plane(1)[10] = 2;
  partial->sum.plane(2)[199'999] = 2;
  check_round_trip(partial);
}

TEST_CASE("the encoding arrives in pieces of any size") {
  Random random(77);
  for (const PartialEncoding encoding : {PartialEncoding::kRaw, PartialEncoding::kZstd}) {
    const auto partial = noise({300, 240}, 6);
    const Bytes bytes = encode_partial(partial, encoding);
    for (const std::size_t most :
         {std::size_t{1}, std::size_t{13}, std::size_t{5000}, bytes.size()}) {
      PartialDecoder decoder;
      for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t size = std::min<std::size_t>(1 + random() % most, bytes.size() - at);
        REQUIRE(decoder.feed(std::span(bytes).subspan(at, size)));
        at += size;
      }
      const Result<Partial> decoded = decoder.finish();
      REQUIRE(decoded.ok());
      CHECK(same(*decoded, *partial));
      CHECK_FALSE(decoder.finish().ok());
    }
  }
}

TEST_CASE("the encoder tells the size of raw partials and keeps its pieces small") {
  const auto partial = noise({640, 480}, 1);
  PartialEncoder raw(partial, PartialEncoding::kRaw);
  REQUIRE(raw.size_bytes().has_value());
  std::size_t size = 0;
  for (auto piece = raw.next(); !piece.empty(); piece = raw.next()) {
    CHECK(piece.size() <= 2 << 20);
    size += piece.size();
  }
  CHECK(size == *raw.size_bytes());
  CHECK(raw.next().empty());
  CHECK_FALSE(PartialEncoder(partial, PartialEncoding::kZstd).size_bytes().has_value());
}

// The bytes of version 1, frozen: workers of different ages must understand them.
TEST_CASE("golden: the header and chunks of a small partial") {
  auto partial = empty_partial({2, 1});
  partial->sum.plane(0)[0] = 1;
  partial->sum.plane(0)[1] = 2;
  partial->sum.plane(1)[0] = 1;
  partial->sum.plane(1)[1] = 2;
  partial->sum.plane(3)[0] = 0.5F;
  partial->sum.plane(3)[1] = 0.5F;
  const Bytes header = {'F', 'r', 'P', 't', 1,  1, 0, 0, 2, 0, 0, 0, 1, 0, 0,    0,
                        8,   0,   0,   0,   11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x40};
  const Bytes chunks = {1, 2, 0, 0, 0,    0,    0, 2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0x80, 0,
                        2, 0, 0, 0, 0x3f, 0x40, 3, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0x3f};
  Bytes expected = header;
  expected.insert(expected.end(), chunks.begin(), chunks.end());
  CHECK(encode_partial(partial, PartialEncoding::kZstd) == expected);

  expected = header;
  expected[5] = 0;
  for (const float sample : partial->sum.samples()) {
    std::uint8_t bytes[4];
    std::memcpy(bytes, &sample, 4);
    expected.insert(expected.end(), bytes, bytes + 4);
  }
  CHECK(encode_partial(partial, PartialEncoding::kRaw) == expected);
}

TEST_CASE("every truncation is noticed, and so are trailing bytes") {
  for (const PartialEncoding encoding : {PartialEncoding::kRaw, PartialEncoding::kZstd}) {
    Bytes bytes = encode_partial(noise({20, 10}, 5), encoding);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      check_refused(decode_partial(std::span(bytes).first(size)));
    }
    bytes.push_back(0);
    check_refused(decode_partial(bytes));
  }
}

TEST_CASE("a header that cannot be is refused before memory is taken for it") {
  const Bytes good = valid_bytes(PartialEncoding::kZstd);
  check_refused(decode_partial(with<std::uint8_t>(good, 0, 'G')));
  const Result<Partial> newer = decode_partial(with<std::uint8_t>(good, 4, 2));
  check_refused(newer);
  CHECK(newer.error().message.find("version 2") != std::string::npos);
  check_refused(decode_partial(with<std::uint8_t>(good, 5, 7)));
  check_refused(decode_partial(with<std::uint16_t>(good, 6, 1)));
  check_refused(decode_partial(with<std::uint32_t>(good, 8, 0)));
  check_refused(decode_partial(with<std::uint32_t>(good, 12, 0xffffffff)));
  check_refused(decode_partial(with<std::uint32_t>(good, 16, 11)));
  check_refused(decode_partial(with<std::uint32_t>(good, 20, 0xffffffff)));
  check_refused(decode_partial(with(good, 24, std::numeric_limits<double>::quiet_NaN())));
  check_refused(decode_partial(with(good, 24, -1.0)));
  const Result<Partial> large = decode_partial(with<std::uint32_t>(good, 8, 1 << 29));
  REQUIRE_FALSE(large.ok());
  CHECK(large.error().code == ErrorCode::kTooLarge);
  CHECK(decode_partial(good, {.max_pixels = 300 * 240}).ok());
  CHECK(decode_partial(good, {.max_pixels = 300 * 240 - 1}).error().code == ErrorCode::kTooLarge);
}

TEST_CASE("chunks that cannot be are refused") {
  constexpr std::size_t first_chunk = 32;
  const Bytes good = valid_bytes(PartialEncoding::kZstd);
  check_refused(decode_partial(with<std::uint8_t>(good, first_chunk, 0)));
  check_refused(decode_partial(with<std::uint8_t>(good, first_chunk, 9)));
  check_refused(decode_partial(with<std::uint8_t>(good, first_chunk, 3)));  // same as a later plane
  check_refused(decode_partial(with<std::uint32_t>(good, first_chunk + 1, 0)));
  check_refused(decode_partial(with<std::uint32_t>(good, first_chunk + 1, 65'537)));
  check_refused(decode_partial(with<std::uint32_t>(good, first_chunk + 1, 0xffffffff)));
}

TEST_CASE("after an error a decoder stays failed") {
  const Bytes good = valid_bytes(PartialEncoding::kZstd);
  PartialDecoder decoder;
  REQUIRE_FALSE(decoder.feed(Bytes{'x'}).ok());
  CHECK_FALSE(decoder.feed(good).ok());
  check_refused(decoder.finish());
}

// Bytes changed, cut out, doubled or exchanged at random: an answer must come,
// whatever it is, and a wrong size never. (Sanitizers see the rest.)
TEST_CASE("random corruption never does more than fail") {
  Random random(31337);
  const Bytes good = encode_partial(noise({40, 30}, 5), PartialEncoding::kZstd);
  int refused = 0;
  constexpr int rounds = 400;
  for (int round = 0; round < rounds; ++round) {
    Bytes bytes = good;
    const std::size_t at = random() % bytes.size();
    const std::size_t other = random() % bytes.size();
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(std::min(at, other));
    const auto end = bytes.begin() + static_cast<std::ptrdiff_t>(std::max(at, other));
    switch (random() % 5) {
      case 0:
        bytes[at] ^= static_cast<std::uint8_t>(1U << random() % 8);
        break;
      case 1:
        bytes.erase(begin, end);
        break;
      case 2:
        bytes.insert(bytes.end(), begin, end);
        break;
      case 3:
        std::reverse(begin, end);
        break;
      default:
        for (int i = 0; i < 8; ++i)
          bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    }
    PartialDecoder decoder({.max_pixels = 1 << 20});
    bool fed = true;
    for (std::size_t from = 0; from < bytes.size() && fed; from += 1000) {
      fed = decoder
                .feed(std::span(bytes).subspan(from,
                                               std::min<std::size_t>(1000, bytes.size() - from)))
                .ok();
    }
    const Result<Partial> decoded = decoder.finish();
    if (decoded) {
      CHECK(decoded->sum.size().pixels() <= 1 << 20);
    } else {
      ++refused;
      const ErrorCode code = decoded.error().code;
      CHECK((code == ErrorCode::kInvalidArgument || code == ErrorCode::kTooLarge));
    }
  }
  CHECK(refused > rounds / 4);
}

TEST_CASE("random bytes behind a good header never do more than fail") {
  Random random(4242);
  const Bytes good = valid_bytes(PartialEncoding::kZstd);
  for (int round = 0; round < 300; ++round) {
    Bytes bytes(good.begin(), good.begin() + 32);
    for (int i = 0; i < 2000; ++i) bytes.push_back(static_cast<std::uint8_t>(random()));
    bytes[32] = static_cast<std::uint8_t>(1 + random() % 3);
    check_refused(decode_partial(bytes));
  }
}

TEST_CASE("slow links get compressed partials and fast ones raw") {
  CHECK(choose_encoding(1e6) == PartialEncoding::kZstd);
  CHECK(choose_encoding(125e6) == PartialEncoding::kZstd);  // 1 Gbit/s
  CHECK(choose_encoding(10e9) == PartialEncoding::kRaw);
}
