// What the tests of lib/providers share: fetching into memory.

#ifndef FRANCINE_TESTS_UNIT_PROVIDERS_SUPPORT_H
#define FRANCINE_TESTS_UNIT_PROVIDERS_SUPPORT_H

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>

#include "providers/provider.h"

namespace francine::providers {

inline TransferLimits impatient_limits() {
  TransferLimits limits;
  limits.retries = {.most = 2,
                    .progress_bytes = 64 << 10,
                    .first_wait = std::chrono::milliseconds(1),
                    .longest_wait = std::chrono::milliseconds(2),
                    .patience = std::chrono::seconds(20)};
  return limits;
}

/// What a fetch came to: the bytes, or the error.
struct Outcome {
  std::string bytes;
  std::string version;
  Error error{};
  bool ok = false;

  bool failed_with(ErrorCode code, std::string_view words) const {
    return !ok && error.code == code && error.message.find(words) != std::string::npos;
  }
};

inline Outcome fetch(ResourceProvider& provider, FetchRequest request) {
  Outcome outcome;
  auto fetched = provider.fetch(request,
                                [&outcome](std::span<const std::uint8_t> piece) -> Result<void> {
                                  outcome.bytes.append(piece.begin(), piece.end());
                                  return {};
                                },
                                {});
  outcome.ok = fetched.ok();
  if (fetched.ok()) {
    outcome.version = fetched->version;
  } else {
    outcome.error = fetched.error();
  }
  return outcome;
}

inline Outcome fetch(ResourceProvider& provider, Fields fields, const std::string& key = {}) {
  FetchRequest request;
  request.fields = std::move(fields);
  request.credentials.key = key;
  return fetch(provider, std::move(request));
}

}  // namespace francine::providers

#endif  // FRANCINE_TESTS_UNIT_PROVIDERS_SUPPORT_H
