#include <ImfChannelList.h>
#include <ImfFrameBuffer.h>
#include <ImfHeader.h>
#include <ImfIO.h>
#include <ImfOutputFile.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "image/picture_encoders.h"

namespace francine::image {
namespace {

// Noisy pictures take half the time of the library's usual level 4, and a tenth more
// bytes.
constexpr int kZipLevel = 1;

// ZIP compresses 16 rows at once.
constexpr int kStripRows = 16;

constexpr std::array<const char*, Image::kPlanes> kChannels = {"R", "G", "B", "A"};

class MemoryStream : public OPENEXR_IMF_NAMESPACE::OStream {
 public:
  explicit MemoryStream(FileBytes& bytes) : OStream("picture.exr"), bytes_(bytes) {}

  void write(const char data[], int size) override {
    const std::size_t end = position_ + static_cast<std::size_t>(size);
    if (bytes_.size() < end) bytes_.resize(end);
    std::memcpy(bytes_.data() + position_, data, static_cast<std::size_t>(size));
    position_ = end;
  }
  std::uint64_t tellp() override { return position_; }
  void seekp(std::uint64_t position) override { position_ = static_cast<std::size_t>(position); }

 private:
  FileBytes& bytes_;
  std::size_t position_ = 0;
};

// Every NaN becomes the same: which one survives an addition is left open.
void divide(std::span<const float> sums, float weight, float* values) {
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const float value = sums[i] / weight;
    values[i] = std::isnan(value) ? std::numeric_limits<float>::quiet_NaN() : value;
  }
}

void write_file(const Partial& partial, int planes, FileBytes& bytes) {
  namespace imf = OPENEXR_IMF_NAMESPACE;
  const ImageSize size = partial.sum.size();
  imf::Header header(size.width, size.height);
  header.compression() = imf::ZIP_COMPRESSION;
  header.zipCompressionLevel() = kZipLevel;
  for (int plane = 0; plane < planes; ++plane) {
    header.channels().insert(kChannels[static_cast<std::size_t>(plane)], imf::Channel(imf::FLOAT));
  }
  MemoryStream stream(bytes);
  constexpr int no_threads = 0;
  imf::OutputFile file(stream, header, no_threads);

  const auto width = static_cast<std::size_t>(size.width);
  const auto weight = static_cast<float>(partial.weight);
  const std::size_t strip_samples = width * kStripRows;
  std::vector<float> strip(strip_samples * static_cast<std::size_t>(planes));
  for (int row = 0; row < size.height; row += kStripRows) {
    const int rows = std::min(kStripRows, size.height - row);
    imf::FrameBuffer frame;
    for (int plane = 0; plane < planes; ++plane) {
      float* values = strip.data() + static_cast<std::size_t>(plane) * strip_samples;
      divide(partial.sum.plane(plane).subspan(static_cast<std::size_t>(row) * width,
                                              static_cast<std::size_t>(rows) * width),
             weight, values);
      frame.insert(kChannels[static_cast<std::size_t>(plane)],
                   imf::Slice::Make(imf::FLOAT, values, IMATH_NAMESPACE::V2i(0, row), size.width,
                                    rows, sizeof(float), width * sizeof(float)));
    }
    file.setFrameBuffer(frame);
    file.writePixels(rows);
  }
}

}  // namespace

Result<FileBytes> encode_exr(const Partial& partial) {
  const int planes = alpha_of(partial) == Alpha::kOpaque ? Image::kPlanes - 1 : Image::kPlanes;
  FileBytes bytes;
  try {
    write_file(partial, planes, bytes);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& failure) {
    return Error{ErrorCode::kInternal, std::string("cannot encode the EXR: ") + failure.what()};
  }
  return bytes;
}

}  // namespace francine::image
