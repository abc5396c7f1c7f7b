#include "image/picture.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <utility>

#include "image/picture_encoders.h"
#include "image/srgb.h"

namespace francine::image {
namespace {

bool all_equal(std::span<const float> samples, float value) {
  return std::all_of(samples.begin(), samples.end(), [=](float each) { return each == value; });
}

Result<FileBytes> encode_as(const Partial& partial, Format format) {
  switch (format) {
    case Format::kPng:
      return encode_png(partial);
    case Format::kJpg:
      return encode_jpeg(partial);
    case Format::kExr:
      return encode_exr(partial);
  }
  return Error{ErrorCode::kInvalidArgument, "there is no such picture format"};
}

}  // namespace

Alpha alpha_of(const Partial& partial) {
  const std::span<const float> alpha = partial.sum.plane(3);
  if (all_equal(alpha, static_cast<float>(partial.weight))) return Alpha::kOpaque;
  if (!all_equal(alpha, 0)) return Alpha::kVaries;
  const std::span<const float> colour = partial.sum.samples().first(3 * alpha.size());
  return all_equal(colour, 0) ? Alpha::kVaries : Alpha::kUnused;
}

bool is_grey(const Image& image) {
  const std::span<const float> red = image.plane(0);
  return std::memcmp(red.data(), image.plane(1).data(), red.size_bytes()) == 0 &&
         std::memcmp(red.data(), image.plane(2).data(), red.size_bytes()) == 0;
}

std::unique_ptr<std::uint32_t[]> srgb_picture(const Partial& partial) {
  const std::size_t count = partial.sum.size().pixels();
  const auto weight = static_cast<float>(partial.weight);
  const float* red = partial.sum.plane(0).data();
  auto pixels = std::make_unique_for_overwrite<std::uint32_t[]>(count);
  if (is_grey(partial.sum)) {
    srgb_grey_pixels(red, weight, count, pixels.get());
  } else {
    srgb_pixels(red, partial.sum.plane(1).data(), partial.sum.plane(2).data(), weight, count,
                pixels.get());
  }
  return pixels;
}

Result<EncodedImage> encode_picture(const Partial& partial, Format format) {
  if (partial.sum.empty()) {
    return Error{ErrorCode::kInvalidArgument, "there is no picture in an empty partial"};
  }
  if (!std::isfinite(partial.weight) || partial.weight <= 0) {
    return Error{ErrorCode::kInvalidArgument, "a picture needs a weight above 0"};
  }
  try {
    Result<FileBytes> bytes = encode_as(partial, format);
    if (!bytes) return bytes.error();
    return EncodedImage{format, std::move(*bytes)};
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kResourceExhausted,
                 "no memory to encode the picture: render a smaller image"};
  }
}

std::string_view format_name(Format format) {
  switch (format) {
    case Format::kPng:
      return "png";
    case Format::kJpg:
      return "jpg";
    case Format::kExr:
      return "exr";
  }
  return "";
}

std::string_view content_type(Format format) {
  switch (format) {
    case Format::kPng:
      return "image/png";
    case Format::kJpg:
      return "image/jpeg";
    case Format::kExr:
      return "image/x-exr";
  }
  return "";
}

std::optional<Format> parse_format(std::string_view name) {
  if (name == "png") return Format::kPng;
  if (name == "jpg" || name == "jpeg") return Format::kJpg;
  if (name == "exr") return Format::kExr;
  return std::nullopt;
}

}  // namespace francine::image
