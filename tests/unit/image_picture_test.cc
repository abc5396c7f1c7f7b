// Finished pictures, decoded again by the libraries that read such files.

#include <ImfChannelList.h>
#include <ImfFrameBuffer.h>
#include <ImfHeader.h>
#include <ImfIO.h>
#include <ImfInputFile.h>
#include <doctest/doctest.h>
#include <spng.h>
#include <turbojpeg.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "image/picture.h"
#include "image/srgb.h"

using francine::EncodedImage;
using francine::ErrorCode;
using francine::Format;
using francine::Image;
using francine::ImageSize;
using namespace francine::image;

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// A picture between 0 and a little above 1, with some noise, for a weight.
Partial picture(ImageSize size, double weight, bool grey, bool opaque = true) {
  Partial partial{Image(size), weight, {0, 1}};
  std::mt19937 random(1);
  const auto width = static_cast<std::size_t>(size.width);
  for (int plane = 0; plane < Image::kPlanes; ++plane) {
    std::span<float> samples = partial.sum.plane(plane);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const double x = static_cast<double>(i % width) / size.width;
      const double y = static_cast<double>(i / width) / size.height;
      const double noise = static_cast<double>(random() % 1000) / 20000;
      samples[i] = static_cast<float>(
          weight * (0.6 + 0.4 * std::sin(5 * x + plane) * std::cos(4 * y) + noise));
    }
    if (grey && plane > 0) {
      std::copy(partial.sum.plane(0).begin(), partial.sum.plane(0).end(), samples.begin());
    }
  }
  if (opaque) {
    std::fill(partial.sum.plane(3).begin(), partial.sum.plane(3).end(), static_cast<float>(weight));
  }
  return partial;
}

int code_by_formula(double linear) {
  if (!(linear > 0)) return 0;
  if (linear >= 1) return 255;
  const double curve =
      linear <= 0.0031308 ? 12.92 * linear : 1.055 * std::pow(linear, 1 / 2.4) - 0.055;
  return static_cast<int>(std::floor(255 * curve + 0.5));
}

struct Png {
  unsigned width = 0;
  unsigned height = 0;
  int channels = 0;
  bool has_srgb = false;
  Bytes pixels;
};

Png decode_png(const Bytes& file) {
  Png png;
  spng_ctx* context = spng_ctx_new(0);
  spng_set_png_buffer(context, file.data(), file.size());
  spng_ihdr header{};
  REQUIRE(spng_get_ihdr(context, &header) == 0);
  CHECK(header.bit_depth == 8);
  png.width = header.width;
  png.height = header.height;
  png.channels = header.color_type == SPNG_COLOR_TYPE_TRUECOLOR ? 3 : 4;
  std::size_t size = 0;
  REQUIRE(spng_decoded_image_size(context, SPNG_FMT_PNG, &size) == 0);
  png.pixels.resize(size);
  REQUIRE(spng_decode_image(context, png.pixels.data(), size, SPNG_FMT_PNG, 0) == 0);
  std::uint8_t intent = 0;
  png.has_srgb = spng_get_srgb(context, &intent) == 0;
  spng_ctx_free(context);
  return png;
}

class MemoryInput : public OPENEXR_IMF_NAMESPACE::IStream {
 public:
  explicit MemoryInput(const Bytes& bytes) : IStream("picture.exr"), bytes_(bytes) {}
  bool read(char target[], int size) override {
    REQUIRE(position_ + static_cast<std::size_t>(size) <= bytes_.size());
    std::memcpy(target, bytes_.data() + position_, static_cast<std::size_t>(size));
    position_ += static_cast<std::size_t>(size);
    return position_ < bytes_.size();
  }
  std::uint64_t tellg() override { return position_; }
  void seekg(std::uint64_t position) override { position_ = position; }

 private:
  const Bytes& bytes_;
  std::size_t position_ = 0;
};

struct Exr {
  ImageSize size;
  std::string channels;
  Image image;
};

Exr decode_exr(const Bytes& bytes) {
  MemoryInput stream(bytes);
  OPENEXR_IMF_NAMESPACE::InputFile file(stream);
  const auto window = file.header().dataWindow();
  CHECK(window.min == IMATH_NAMESPACE::V2i(0, 0));
  Exr exr{{window.max.x + 1, window.max.y + 1}, "", {}};
  exr.image = Image(exr.size);
  OPENEXR_IMF_NAMESPACE::FrameBuffer frame;
  const std::string names = "RGBA";
  for (auto it = file.header().channels().begin(); it != file.header().channels().end(); ++it) {
    CHECK(it.channel().type == OPENEXR_IMF_NAMESPACE::FLOAT);
    exr.channels += it.name();
    const int plane = static_cast<int>(names.find(it.name()));
    frame.insert(it.name(),
                 OPENEXR_IMF_NAMESPACE::Slice::Make(OPENEXR_IMF_NAMESPACE::FLOAT,
                                                    exr.image.plane(plane).data(), window));
  }
  file.setFrameBuffer(frame);
  file.readPixels(0, window.max.y);
  return exr;
}

Bytes encoded(const Partial& partial, Format format) {
  auto result = encode_picture(partial, format);
  REQUIRE(result.ok());
  CHECK(result->format == format);
  return std::move(result->bytes);
}

}  // namespace

TEST_CASE("sRGB codes are those of the formula: a walk through all floats from 2^-14 to 1") {
  const auto first = std::bit_cast<std::uint32_t>(std::ldexp(1.0F, -14));
  const auto last = std::bit_cast<std::uint32_t>(1.0F);
  int wrong = 0;
  for (std::uint32_t bits = first; bits <= last; bits += 331) {
    const float value = std::bit_cast<float>(bits);
    if (srgb_code(value) != code_by_formula(value)) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("sRGB codes change exactly at the formula's thresholds") {
  for (int code = 1; code <= 255; ++code) {
    std::uint32_t below = 0;
    std::uint32_t above = std::bit_cast<std::uint32_t>(1.0F);
    while (above - below > 1) {
      const std::uint32_t middle = below + (above - below) / 2;
      (code_by_formula(std::bit_cast<float>(middle)) < code ? below : above) = middle;
    }
    CHECK(srgb_code(std::bit_cast<float>(below)) == code - 1);
    CHECK(srgb_code(std::bit_cast<float>(above)) == code);
  }
}

TEST_CASE("what is no colour becomes black or white") {
  CHECK(srgb_code(0) == 0);
  CHECK(srgb_code(-0.0F) == 0);
  CHECK(srgb_code(-1e30F) == 0);
  CHECK(srgb_code(kNan) == 0);
  CHECK(srgb_code(1) == 255);
  CHECK(srgb_code(1e30F) == 255);
  CHECK(srgb_code(std::numeric_limits<float>::infinity()) == 255);
  CHECK(srgb_code(std::numeric_limits<float>::denorm_min()) == 0);
}

TEST_CASE("PNG has each value divided by the weight, with the sRGB curve") {
  for (const bool grey : {false, true}) {
    const Partial partial = picture({613, 47}, 7, grey);
    const Png png = decode_png(encoded(partial, Format::kPng));
    CHECK(png.width == 613);
    CHECK(png.height == 47);
    REQUIRE(png.channels == 3);
    CHECK(png.has_srgb);
    int wrong = 0;
    for (std::size_t i = 0; i < partial.sum.size().pixels(); ++i) {
      for (int plane = 0; plane < 3; ++plane) {
        const float value = partial.sum.plane(plane)[i] / 7.0F;
        if (png.pixels[3 * i + static_cast<std::size_t>(plane)] != code_by_formula(value)) ++wrong;
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("PNG has alpha where it varies, with colour divided by it") {
  Partial partial{Image({3, 1}), 2, {0, 2}};
  const float samples[] = {1, 0.25F, 0, 0, 0.5F, 0.5F, 2, 0, 0, 2, 1, 0};
  std::copy(std::begin(samples), std::end(samples), partial.sum.samples().begin());
  const Png png = decode_png(encoded(partial, Format::kPng));
  REQUIRE(png.channels == 4);
  const auto code = [](double linear) {
    return static_cast<std::uint8_t>(code_by_formula(linear));
  };
  const Bytes expected = {code(0.5), 0, code(1), 255, code(0.25), code(0.5), 0, 128, 0, 0, 0, 0};
  CHECK(png.pixels == expected);
}

TEST_CASE("a producer that leaves alpha alone still has its picture seen") {
  Partial partial = picture({16, 16}, 1, false);
  std::fill(partial.sum.plane(3).begin(), partial.sum.plane(3).end(), 0.0F);
  CHECK(decode_png(encoded(partial, Format::kPng)).channels == 3);
  const Partial nothing{Image({4, 4}), 1, {0, 1}};
  CHECK(decode_png(encoded(nothing, Format::kPng)).channels == 4);
}

TEST_CASE("JPEG is near the picture, in full chroma") {
  const Partial partial = picture({256, 200}, 3, false);
  const Bytes file = encoded(partial, Format::kJpg);
  tjhandle handle = tjInitDecompress();
  int width = 0;
  int height = 0;
  int subsampling = 0;
  int space = 0;
  REQUIRE(tjDecompressHeader3(handle, file.data(), file.size(), &width, &height, &subsampling,
                              &space) == 0);
  CHECK(width == 256);
  CHECK(height == 200);
  CHECK(subsampling == TJSAMP_444);
  Bytes pixels(3 * 256 * 200);
  REQUIRE(tjDecompress2(handle, file.data(), file.size(), pixels.data(), width, 0, height, TJPF_RGB,
                        TJFLAG_ACCURATEDCT) == 0);
  tjDestroy(handle);
  double difference = 0;
  for (std::size_t i = 0; i < partial.sum.size().pixels(); ++i) {
    for (int plane = 0; plane < 3; ++plane) {
      const int expected = code_by_formula(partial.sum.plane(plane)[i] / 3.0F);
      difference += std::abs(pixels[3 * i + static_cast<std::size_t>(plane)] - expected);
    }
  }
  CHECK(difference / static_cast<double>(pixels.size()) < 2.5);
}

TEST_CASE("EXR is linear float32, exactly, nothing clipped, without an alpha that says nothing") {
  for (const bool opaque : {true, false}) {
    Partial partial = picture({100, 37}, 5, false, opaque);
    partial.sum.plane(1)[0] = 1e9F;
    partial.sum.plane(1)[1] = -3;
    const Exr exr = decode_exr(encoded(partial, Format::kExr));
    CHECK(exr.size == partial.sum.size());
    CHECK(exr.channels == (opaque ? "BGR" : "ABGR"));
    int wrong = 0;
    for (int plane = 0; plane < (opaque ? 3 : 4); ++plane) {
      for (std::size_t i = 0; i < partial.sum.size().pixels(); ++i) {
        if (exr.image.plane(plane)[i] != partial.sum.plane(plane)[i] / 5.0F) ++wrong;
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("whichever NaN survived merging, the bytes are the same") {
  Partial one = picture({20, 20}, 1, false);
  Partial other = picture({20, 20}, 1, false);
  one.sum.plane(2)[7] = kNan;
  other.sum.plane(2)[7] = std::bit_cast<float>(0xffc12345U);
  for (const Format format : {Format::kPng, Format::kJpg, Format::kExr}) {
    CHECK(encoded(one, format) == encoded(other, format));
  }
}

TEST_CASE("the same partial gives the same bytes") {
  const Partial partial = picture({333, 111}, 4, false);
  for (const Format format : {Format::kPng, Format::kJpg, Format::kExr}) {
    CHECK(encoded(partial, format) == encoded(partial, format));
  }
}

TEST_CASE("one pixel is a picture; nothing, no weight or too many pixels a side are none") {
  for (const Format format : {Format::kPng, Format::kJpg, Format::kExr}) {
    CHECK_FALSE(encoded(picture({1, 1}, 1, false), format).empty());
    CHECK(encode_picture(Partial{}, format).error().code == ErrorCode::kInvalidArgument);
    for (const double weight : {0.0, -1.0, static_cast<double>(kNan)}) {
      Partial partial = picture({4, 4}, 1, false);
      partial.weight = weight;
      CHECK(encode_picture(partial, format).error().code == ErrorCode::kInvalidArgument);
    }
  }
  const Partial wide = picture({65'501, 1}, 1, true);
  const auto refused = encode_picture(wide, Format::kJpg);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::kInvalidArgument);
  CHECK(refused.error().message.find("65500") != std::string::npos);
  CHECK(encode_picture(wide, Format::kPng).ok());
}

TEST_CASE("formats have names") {
  for (const Format format : {Format::kPng, Format::kJpg, Format::kExr}) {
    CHECK(parse_format(format_name(format)) == format);
  }
  CHECK(parse_format("jpeg") == Format::kJpg);
  CHECK_FALSE(parse_format("PNG").has_value());
  CHECK_FALSE(parse_format("").has_value());
  CHECK_FALSE(parse_format("bmp").has_value());
  CHECK(content_type(Format::kPng) == "image/png");
  CHECK(content_type(Format::kJpg) == "image/jpeg");
  CHECK(content_type(Format::kExr) == "image/x-exr");
}
