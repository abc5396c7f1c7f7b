// Stripes of a session's files as other workers send them, and what those say that they have.

#include "fuzz.h"

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "../support/temporary_directory.h"
#include "resources/arrival.h"
#include "runtime/stripe_stream.h"

namespace francine::fuzz {
namespace {

constexpr std::uint64_t kMaxFile = 1 << 20;

const resources::ContentStore& store() {
  static const testing::TemporaryDirectory directory;
  static const auto made = resources::ContentStore::make(
      {.directory = directory.path() / "store", .max_file_bytes = kMaxFile, .manifests = false});
  check(made.ok());
  return **made;
}

}  // namespace

void one_input(std::string_view input) {
  const auto arrival = std::make_shared<resources::Arrival>(
      store(), std::vector<std::string>{"", std::string(64, '0'), ""},
      [](resources::ContentWriter& writer, const std::string& name) { return writer.finish(name); });
  const std::size_t cut = input.empty() ? 0 : static_cast<unsigned char>(input[0]);
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  runtime::StripeReader reader(*arrival);
  auto taken = reader.take(bytes.first(std::min(cut, bytes.size())));
  if (taken.ok()) taken = reader.take(bytes.subspan(std::min(cut, bytes.size())));
  check(taken.ok() || !taken.error().message.empty());
  check(arrival->bytes() <= 3 * kMaxFile + resources::kBlockBytes);

  // What it has, it can tell, and goes on telling to the end of what there is.
  std::vector<char> buffer(resources::kBlockBytes);
  for (std::size_t stripe = 0; stripe < resources::kStripes; ++stripe) {
    check(resources::Arrival::Sending::make(arrival, stripe, arrival->have(stripe)).ok());
    auto sending = resources::Arrival::Sending::make(arrival, stripe, input.substr(0, 100));
    if (!sending.ok()) sending = resources::Arrival::Sending::make(arrival, stripe, "");
    for (;;) {
      const auto news = sending->next(buffer, std::chrono::milliseconds(0));
      check(news.ok());
      if (news->kind == resources::StripeNews::Kind::kNothing ||
          news->kind == resources::StripeNews::Kind::kBroken ||
          news->kind == resources::StripeNews::Kind::kEnd) {
        break;
      }
    }
  }
}

}  // namespace francine::fuzz
