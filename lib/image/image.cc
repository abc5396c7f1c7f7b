#include <francine/image.h>

#include <sys/mman.h>

#include <cassert>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <mutex>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

namespace francine {
namespace {

constexpr std::size_t kAlignment = 64;

// From this size on an image is mapped for itself, on huge pages where there are
// some: a 1080p image takes 16 page faults instead of 8,100.
constexpr std::size_t kMapFrom = std::size_t{1} << 20;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

// Stands before the samples, because the deleter is given nothing but their address.
struct alignas(kAlignment) Header {
  std::size_t mapping_bytes;  // 0: from aligned_alloc
};

// Zeroed memory that begins on a huge page: mapped larger, and cut at both ends.
void* map_zeroed(std::size_t bytes) {
  void* raw = ::mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) throw std::bad_alloc();
  const std::size_t over = reinterpret_cast<std::uintptr_t>(raw) % kHugePage;
  const std::size_t lead = over == 0 ? 0 : kHugePage - over;
  auto* begin = static_cast<std::uint8_t*>(raw) + lead;
  if (lead > 0) ::munmap(raw, lead);
  ::munmap(begin + bytes, kHugePage - lead);
  ::madvise(begin, bytes, MADV_HUGEPAGE);
  return begin;
}

// The mappings of images that are gone, oldest first. Faulting fresh pages takes
// three times as long as writing zeros to pages that are there. MADV_FREE permits
// the kernel to take the pages back until they are written again.
class Recycler {
 public:
  /// A mapping of this size whose contents are anything, or null.
  void* take(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    for (auto it = kept_.rbegin(); it != kept_.rend(); ++it) {
      if (it->bytes != bytes) continue;
      void* const mapping = it->mapping;
      kept_.erase(std::next(it).base());
      kept_bytes_ -= bytes;
      return mapping;
    }
    return nullptr;
  }

  void give(void* mapping, std::size_t bytes) {
    if (bytes > kMostBytes) {
      ::munmap(mapping, bytes);
      return;
    }
    ::madvise(mapping, bytes, MADV_FREE);
    const std::lock_guard lock(mutex_);
    while (!kept_.empty() && (kept_bytes_ + bytes > kMostBytes || kept_.size() == kMost)) {
      ::munmap(kept_.front().mapping, kept_.front().bytes);
      kept_bytes_ -= kept_.front().bytes;
      kept_.erase(kept_.begin());
    }
    kept_.push_back({mapping, bytes});
    kept_bytes_ += bytes;
  }

 private:
  static constexpr std::size_t kMostBytes = std::size_t{256} << 20;
  static constexpr std::size_t kMost = 32;

  struct Kept {
    void* mapping;
    std::size_t bytes;
  };
  std::mutex mutex_;
  std::vector<Kept> kept_ = reserved();
  std::size_t kept_bytes_ = 0;

  // So that giving back, which destructors do, never allocates.
  static std::vector<Kept> reserved() {
    std::vector<Kept> kept;
    kept.reserve(kMost);
    return kept;
  }
};

// Never destroyed: images with static lifetime may be given back after it.
Recycler& recycler() {
  static auto* const instance = new Recycler;
  return *instance;
}

void* allocate_mapped(std::size_t bytes, bool zero) {
  void* const recycled = recycler().take(bytes);
  if (recycled == nullptr) return map_zeroed(bytes);
  if (zero) std::memset(recycled, 0, bytes);
  return recycled;
}

void* allocate_small(std::size_t bytes, bool zero) {
  void* const memory = std::aligned_alloc(kAlignment, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  if (zero) std::memset(memory, 0, bytes);
  return memory;
}

std::size_t rounded_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
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

Image::Image(ImageSize size) : Image(size, true) {}

Image Image::unfilled(ImageSize size) { return Image(size, false); }

Image::Image(ImageSize size, bool zero) {
  const std::size_t bytes = checked_bytes(size);
  Header header{0};
  void* memory = nullptr;
  if (bytes >= kMapFrom) {
    header.mapping_bytes = rounded_up(bytes, kPage);
    memory = allocate_mapped(header.mapping_bytes, zero);
  } else {
    memory = allocate_small(rounded_up(bytes, kAlignment), zero);
  }
  data_.reset(reinterpret_cast<float*>(new (memory) Header(header) + 1));
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
  if (header->mapping_bytes > 0) {
    recycler().give(header, header->mapping_bytes);
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
