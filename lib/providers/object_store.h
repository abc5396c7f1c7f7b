// ObjectStore: a bucket of an S3-compatible store, to put objects there. (The provider
// `s3` gets them.) Requests are signed with AWS Signature Version 4.
//
// Thread safety: any thread, many calls at once. Calls block until done or stopped.
// Errors name the object and the cause, and hold no key.

#ifndef FRANCINE_PROVIDERS_OBJECT_STORE_H
#define FRANCINE_PROVIDERS_OBJECT_STORE_H

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include <francine/result.h>

#include <francine/providers.h>

namespace francine::providers {

/// Fills `buffer` with what is at `offset`, and returns how much of it; 0 at the end.
using ReadAt =
    std::function<Result<std::size_t>(std::uint64_t offset, std::span<std::uint8_t> buffer)>;

/// What configurations call the options of the store for finished pictures.
inline constexpr std::string_view kResultStoreKey = "resultStore";

class ObjectStore {
 public:
  /// kInvalidArgument names the key of the configuration that is wrong or missing; `key` is
  /// that of the options.
  static Result<std::unique_ptr<ObjectStore>> make(const S3Options& options,
                                                   const TransferLimits& limits,
                                                   std::string_view key = "s3");
  ~ObjectStore();

  /// Stores exactly `size_bytes`, at most 5 GiB (the limit of S3 for one request), that
  /// have this SHA-256, which the store checks. Tries again from the start, as
  /// TransferLimits say. `key` stands as it is, without S3Options::prefix, and replaces
  /// what was there. kForbidden, kNotFound (the bucket), kUnavailable, kTooLarge,
  /// kCancelled, or the error of `read`.
  Result<void> put(std::string_view key, std::uint64_t size_bytes, std::string_view sha256_hex,
                   const ReadAt& read, std::stop_token stop = {},
                   std::string_view content_type = "application/octet-stream");

  /// Where an object is. Without a secret; whoever opens it signs as well.
  std::string url(std::string_view key) const;

 private:
  class Impl;
  explicit ObjectStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace francine::providers

#endif  // FRANCINE_PROVIDERS_OBJECT_STORE_H
