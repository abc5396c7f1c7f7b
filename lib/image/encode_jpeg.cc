#include <turbojpeg.h>

#include <memory>
#include <new>
#include <string>

#include "image/picture_encoders.h"

namespace francine::image {
namespace {

constexpr int kQuality = 95;
constexpr int kMaxSide = 65'500;  // JPEG_MAX_DIMENSION of libjpeg

struct DestroyHandle {
  void operator()(void* handle) const { tjDestroy(handle); }
};

}  // namespace

Result<FileBytes> encode_jpeg(const Partial& partial) {
  const ImageSize size = partial.sum.size();
  if (size.width > kMaxSide || size.height > kMaxSide) {
    return Error{ErrorCode::kInvalidArgument,
                 "a JPEG has at most 65500 pixels a side, this picture is " +
                     std::to_string(size.width) + "x" + std::to_string(size.height) +
                     ": ask for png or exr"};
  }
  const std::unique_ptr<std::uint32_t[]> pixels = srgb_picture(partial);
  const std::unique_ptr<void, DestroyHandle> handle(tjInitCompress());
  if (!handle) throw std::bad_alloc();
  // Room for the worst case: growing a buffer as it fills takes a quarter longer.
  unsigned long count = tjBufSize(size.width, size.height, TJSAMP_444);
  const auto bytes = std::make_unique_for_overwrite<unsigned char[]>(count);
  unsigned char* out = bytes.get();
  const int status = tjCompress2(handle.get(), reinterpret_cast<unsigned char*>(pixels.get()),
                                 size.width, 0, size.height, TJPF_RGBX, &out, &count, TJSAMP_444,
                                 kQuality, TJFLAG_ACCURATEDCT | TJFLAG_NOREALLOC);
  if (status != 0) {
    return Error{ErrorCode::kInternal,
                 std::string("cannot encode the JPEG: ") + tjGetErrorStr2(handle.get())};
  }
  return FileBytes(out, out + count);
}

}  // namespace francine::image
