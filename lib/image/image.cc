#include <francine/image.h>

#include <sys/mman.h>

#include <cassert>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <stdexcept>
#include <utility>

namespace francine {
namespace {

constexpr std::size_t kAlignment = 64;

// From this size on an image is mapped for itself, on huge pages where there are
// some: the kernel zeroes pages when they are first touched, and a 1080p image
// takes 16 faults instead of 8,100.
constexpr std::size_t kMapFrom = std::size_t{1} << 20;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

// Stands before the samples, because the deleter is given nothing but their address.
struct alignas(kAlignment) Header {
  void* mapping;  // null: from aligned_alloc
  std::size_t mapping_bytes;
};

// Mapped memory whose usable part (from the returned header on) begins on a huge
// page: mapped larger, and cut at both ends.
Header* map_zeroed(std::size_t bytes) {
  constexpr std::size_t page = 4096;
  const std::size_t kept = (bytes + page - 1) / page * page;
  void* raw =
      ::mmap(nullptr, kept + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) throw std::bad_alloc();
  auto* begin = static_cast<std::uint8_t*>(raw);
  const std::size_t lead =
      (kHugePage - reinterpret_cast<std::uintptr_t>(raw) % kHugePage) % kHugePage;
  if (lead > 0) ::munmap(begin, lead);
  ::munmap(begin + lead + kept, kHugePage - lead);
  begin += lead;
  ::madvise(begin, kept, MADV_HUGEPAGE);
  return new (begin) Header{begin, kept};
}

Header* allocate_zeroed(std::size_t bytes) {
  const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  std::memset(memory, 0, rounded);
  return new (memory) Header{nullptr, 0};
}

// The bytes of a header and all planes.
std::size_t checked_bytes(ImageSize size) {
  if (size.width < 1 || size.height < 1) {
    throw std::invalid_argument("an image must be at least 1 pixel wide and high");
  }
  constexpr std::size_t most = std::numeric_limits<std::ptrdiff_t>::max() - 2 * kHugePage;
  constexpr std::size_t pixel = Image::kPlanes * sizeof(float);
  if (size.pixels() > (most - sizeof(Header)) / pixel) throw std::bad_alloc();
  return sizeof(Header) + size.pixels() * pixel;
}

}  // namespace

Image::Image(ImageSize size) {
  const std::size_t bytes = checked_bytes(size);
  Header* header = bytes >= kMapFrom ? map_zeroed(bytes) : allocate_zeroed(bytes);
  data_.reset(reinterpret_cast<float*>(header + 1));
  size_ = size;
}

Image::Image(Image&& other) noexcept
    : size_(std::exchange(other.size_, {})), data_(std::move(other.data_)) {}

Image& Image::operator=(Image&& other) noexcept {
  data_ = std::move(other.data_);
  size_ = std::exchange(other.size_, {});
  return *this;
}

void Image::AlignedDelete::operator()(float* data) const {
  Header* header = reinterpret_cast<Header*>(data) - 1;
  if (header->mapping != nullptr) {
    ::munmap(header->mapping, header->mapping_bytes);
  } else {
    std::free(header);
  }
}

std::span<float> Image::plane(int index) {
  assert(index >= 0 && index < kPlanes);
  return {data_.get() + static_cast<std::size_t>(index) * size_.pixels(), size_.pixels()};
}

std::span<const float> Image::plane(int index) const {
  assert(index >= 0 && index < kPlanes);
  return {data_.get() + static_cast<std::size_t>(index) * size_.pixels(), size_.pixels()};
}

std::span<float> Image::samples() { return {data_.get(), size_.pixels() * kPlanes}; }

std::span<const float> Image::samples() const { return {data_.get(), size_.pixels() * kPlanes}; }

}  // namespace francine
