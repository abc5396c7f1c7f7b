// Image: a linear-light picture of float32 planes, the only form in which
// samples are rendered, moved and merged. Nothing is quantised before the final
// encoding.
//
// Layout: four planes (red, green, blue, alpha), each height rows of width
// floats, top row first, without padding between rows or planes. The first
// float is 64-byte aligned. Thread safety: as for the standard containers.
//
// Large images cost the kernel more than they cost whoever fills them: the process
// keeps the memory of up to 256 MiB of images that are gone for the next ones, and
// lets the kernel take it back whenever it is short of memory.

#ifndef FRANCINE_IMAGE_H
#define FRANCINE_IMAGE_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace francine {

/// The encodings of a finished picture. PNG and JPEG carry the sRGB curve, 8 bits
/// a channel; EXR is linear float32.
enum class Format : std::uint8_t { kPng, kJpg, kExr };

struct ImageSize {
  int width = 0;   ///< pixels, at least 1
  int height = 0;  ///< pixels, at least 1

  std::size_t pixels() const {
    return static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  }
  friend bool operator==(const ImageSize&, const ImageSize&) = default;
};

class Image {
 public:
  static constexpr int kPlanes = 4;  ///< red, green, blue, alpha

  Image() = default;  ///< An empty image of size 0 x 0.
  /// A zero-filled image. Throws std::bad_alloc when there is no memory for it and
  /// std::invalid_argument when a side is below 1.
  explicit Image(ImageSize size);
  /// The same, but the samples hold anything: for code that writes every one.
  static Image unfilled(ImageSize size);
  Image(Image&& other) noexcept;  ///< Leaves `other` empty, as does assignment.
  Image& operator=(Image&& other) noexcept;
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  ImageSize size() const { return size_; }
  bool empty() const { return size_.width == 0; }

  /// One plane (0..3), width * height floats.
  std::span<float> plane(int index);
  std::span<const float> plane(int index) const;

  /// All planes one after another, kPlanes * width * height floats.
  std::span<float> samples();
  std::span<const float> samples() const;

 private:
  struct AlignedDelete {
    void operator()(float* data) const;
  };

  Image(ImageSize size, bool zero);

  ImageSize size_;
  std::unique_ptr<float[], AlignedDelete> data_;
};

/// A finished picture, encoded.
struct EncodedImage {
  Format format = Format::kPng;
  std::vector<std::uint8_t> bytes;  ///< a complete file of that format
};

}  // namespace francine

#endif  // FRANCINE_IMAGE_H
