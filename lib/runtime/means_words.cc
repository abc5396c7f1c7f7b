#include "runtime/means_words.h"

#include <rapidjson/document.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>

#include "base/base64.h"

namespace francine::runtime {
namespace {

static_assert(std::endian::native == std::endian::little && sizeof(float) == 4);

constexpr std::size_t kMaxText = 128;

}  // namespace

std::string means_text(const core::TileMeans& means) {
  return base::base64url(std::bit_cast<std::array<std::uint8_t, sizeof(means)>>(means));
}

core::TileMeansPtr read_means(ParamsReader& in, std::string_view name,
                              const rapidjson::Value* value) {
  core::TileMeans means{};
  const auto bytes = base::from_base64url(in.text(name, value, kMaxText));
  if (bytes && bytes->size() == sizeof(means)) {
    std::memcpy(means.data(), bytes->data(), sizeof(means));
    if (std::all_of(means.begin(), means.end(), [](float mean) { return std::isfinite(mean); })) {
      return std::make_shared<const core::TileMeans>(means);
    }
  }
  in.fail(name, "has what is not 16 finite floats in base64url");
  return {};
}

}  // namespace francine::runtime
