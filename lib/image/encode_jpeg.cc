#include <turbojpeg.h>

#include <string>
#include <type_traits>

#include "image/picture_encoders.h"

namespace francine::image {
namespace {

constexpr int kQuality = 95;
constexpr int kMaxSide = 65'500;  // JPEG_MAX_DIMENSION of libjpeg

struct DestroyHandle {
  void operator()(void* handle) const { tjDestroy(handle); }
};
struct FreeBuffer {
  void operator()(unsigned char* bytes) const { tjFree(bytes); }
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
  unsigned char* bytes = nullptr;
  unsigned long count = 0;
  const int status =
      tjCompress2(handle.get(), reinterpret_cast<unsigned char*>(pixels.get()), size.width, 0,
                  size.height, TJPF_RGBX, &bytes, &count, TJSAMP_444, kQuality, TJFLAG_ACCURATEDCT);
  const std::unique_ptr<unsigned char, FreeBuffer> owner(bytes);
  if (status != 0) {
    return Error{ErrorCode::kInternal,
                 std::string("cannot encode the JPEG: ") + tjGetErrorStr2(handle.get())};
  }
  return FileBytes(bytes, bytes + count);
}

}  // namespace francine::image
