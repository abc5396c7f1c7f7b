#include <spng.h>
#include <zlib.h>

#include <cstdlib>
#include <string>

#include "image/picture_encoders.h"
#include "image/srgb.h"

namespace francine::image {
namespace {

struct FreeContext {
  void operator()(spng_ctx* context) const { spng_ctx_free(context); }
};
struct FreeBuffer {
  void operator()(void* bytes) const { std::free(bytes); }
};

std::vector<std::uint8_t> rgb_pixels(const Partial& partial) {
  const std::size_t count = partial.sum.size().pixels();
  const std::unique_ptr<std::uint32_t[]> pixels = srgb_picture(partial);
  std::vector<std::uint8_t> rgb(3 * count);
  for (std::size_t i = 0; i < count; ++i) {
    rgb[3 * i] = static_cast<std::uint8_t>(pixels[i]);
    rgb[3 * i + 1] = static_cast<std::uint8_t>(pixels[i] >> 8U);
    rgb[3 * i + 2] = static_cast<std::uint8_t>(pixels[i] >> 16U);
  }
  return rgb;
}

std::uint8_t linear_code(double value) {
  if (!(value > 0)) return 0;
  return value < 1 ? static_cast<std::uint8_t>(255 * value + 0.5) : std::uint8_t{255};
}

// Unassociated: colour divided by alpha, black where there is none.
std::vector<std::uint8_t> rgba_pixels(const Partial& partial) {
  const std::size_t count = partial.sum.size().pixels();
  const auto weight = static_cast<float>(partial.weight);
  std::vector<std::uint8_t> rgba(4 * count);
  const std::span<const float> alpha = partial.sum.plane(3);
  for (int plane = 0; plane < 3; ++plane) {
    const std::span<const float> colour = partial.sum.plane(plane);
    for (std::size_t i = 0; i < count; ++i) {
      rgba[4 * i + static_cast<std::size_t>(plane)] =
          alpha[i] > 0 ? srgb_code(colour[i] / alpha[i]) : std::uint8_t{0};
    }
  }
  for (std::size_t i = 0; i < count; ++i) rgba[4 * i + 3] = linear_code(alpha[i] / weight);
  return rgba;
}

}  // namespace

// Speed first: rendered pictures are noisy, so a filter that predicts (the row
// above) and little search find what there is to find. Run lengths alone are as
// small as level 1 and twice as fast, except where red, green and blue repeat one
// another, which only a search for matches sees.
Result<FileBytes> encode_png(const Partial& partial) {
  const bool with_alpha = alpha_of(partial) == Alpha::kVaries;
  const std::vector<std::uint8_t> pixels = with_alpha ? rgba_pixels(partial) : rgb_pixels(partial);
  const std::unique_ptr<spng_ctx, FreeContext> context(spng_ctx_new(SPNG_CTX_ENCODER));
  if (!context) throw std::bad_alloc();
  spng_ihdr header{};
  header.width = static_cast<std::uint32_t>(partial.sum.size().width);
  header.height = static_cast<std::uint32_t>(partial.sum.size().height);
  header.bit_depth = 8;
  header.color_type = with_alpha ? SPNG_COLOR_TYPE_TRUECOLOR_ALPHA : SPNG_COLOR_TYPE_TRUECOLOR;
  constexpr std::uint8_t perceptual = 0;
  spng_set_option(context.get(), SPNG_ENCODE_TO_BUFFER, 1);
  spng_set_option(context.get(), SPNG_IMG_COMPRESSION_LEVEL, 1);
  spng_set_option(context.get(), SPNG_IMG_COMPRESSION_STRATEGY,
                  is_grey(partial.sum) ? Z_DEFAULT_STRATEGY : Z_RLE);
  spng_set_option(context.get(), SPNG_FILTER_CHOICE, SPNG_FILTER_CHOICE_UP);
  int status = spng_set_ihdr(context.get(), &header);
  if (status == 0) status = spng_set_srgb(context.get(), perceptual);
  if (status == 0) {
    status = spng_encode_image(context.get(), pixels.data(), pixels.size(), SPNG_FMT_PNG,
                               SPNG_ENCODE_FINALIZE);
  }
  std::size_t count = 0;
  std::unique_ptr<void, FreeBuffer> bytes;
  if (status == 0) bytes.reset(spng_get_png_buffer(context.get(), &count, &status));
  if (status != 0 || !bytes) {
    return Error{ErrorCode::kInternal,
                 std::string("cannot encode the PNG: ") + spng_strerror(status)};
  }
  const auto* begin = static_cast<const std::uint8_t*>(bytes.get());
  return FileBytes(begin, begin + count);
}

}  // namespace francine::image
