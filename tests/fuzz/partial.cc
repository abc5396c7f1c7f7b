// Partials as other workers send them, whole and in pieces.

#include "fuzz.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "image/bad_samples.h"
#include "image/partial_codec.h"

namespace francine::fuzz {
namespace {

using image::Partial;

constexpr image::PartialLimits kLimits{.max_pixels = 200'000};

Result<Partial> decode(std::span<const std::uint8_t> bytes, std::size_t piece) {
  image::PartialDecoder decoder(kLimits);
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    const auto fed = decoder.feed(bytes.subspan(at, std::min(piece, bytes.size() - at)));
    if (!fed) return fed.error();
  }
  return decoder.finish();
}

/// Bit by bit: there may be NaN in it.
bool same(const Partial& a, const Partial& b) {
  return a.shares == b.shares && a.weight == b.weight && a.sum.size() == b.sum.size() &&
         std::memcmp(a.sum.samples().data(), b.sum.samples().data(),
                     a.sum.samples().size_bytes()) == 0;
}

}  // namespace

void one_input(std::string_view input) {
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  Result<Partial> whole = image::decode_partial(bytes, kLimits);
  const Result<Partial> pieces = decode(bytes, 7);
  check(whole.ok() == pieces.ok());
  if (!whole.ok()) {
    check(whole.error().code == pieces.error().code && !whole.error().message.empty());
    return;
  }
  check(same(*whole, *pieces));
  check(whole->sum.size().pixels() <= kLimits.max_pixels && whole->weight > 0);
  if (const auto bad = image::find_bad_samples(whole->sum, image::kLargestSum)) {
    check(bad->x >= 0 && bad->x < whole->sum.size().width);
    check(bad->y >= 0 && bad->y < whole->sum.size().height);
    check(!image::to_string(*bad).empty());
  }
  const auto kept = std::make_shared<const Partial>(std::move(*whole));
  for (const auto encoding : {image::PartialEncoding::kRaw, image::PartialEncoding::kZstd}) {
    const auto again = image::decode_partial(image::encode_partial(kept, encoding), kLimits);
    check(again.ok() && same(*again, *kept));
  }
}

}  // namespace francine::fuzz
