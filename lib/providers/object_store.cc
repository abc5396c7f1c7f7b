#include "providers/object_store.h"

#include <optional>
#include <string>
#include <utility>

#include "net/http_client.h"
#include "providers/http_fetch.h"
#include "providers/retrying.h"
#include "providers/s3_requests.h"

namespace francine::providers {
namespace {

constexpr std::uint64_t kMaxPut = std::uint64_t{5} << 30;

Error cannot_put(std::string_view key, const Error& why) {
  return {why.code, "cannot put \"" + std::string(key) + "\" into s3: " + why.message + ".",
          why.retry_after_s};
}

}  // namespace

class ObjectStore::Impl {
 public:
  Impl(const S3Options& options, const TransferLimits& limits)
      : options_(options), limits_(limits), client_(client_options(limits)) {}

  Result<void> put(std::string_view key, std::uint64_t size_bytes, std::string_view sha256_hex,
                   const ReadAt& read, const std::stop_token& stop) {
    Retrying retrying(limits_.retries);
    for (;;) {
      std::optional<Error> foreign;
      auto failure = attempt(key, size_bytes, sha256_hex, read, foreign, stop);
      if (!failure) return {};
      if (foreign) return std::move(*foreign);
      if (failure->cure != Failure::Cure::kLater) return cannot_put(key, failure->error);
      auto waited = retrying.wait(failure->error, 0, stop);
      if (!waited.ok()) return cannot_put(key, waited.error());
    }
  }

 private:
  std::optional<Failure> attempt(std::string_view key, std::uint64_t size_bytes,
                                 std::string_view sha256_hex, const ReadAt& read,
                                 std::optional<Error>& foreign, const std::stop_token& stop) {
    net::HttpCall call;
    call.method = "PUT";
    call.url = s3_url(options_, key);
    call.headers = {{"Content-Type", "application/octet-stream"}};
    call.source_bytes = size_bytes;
    std::uint64_t offset = 0;
    call.source = [&](std::span<std::uint8_t> buffer) -> Result<std::size_t> {
      auto got = read(offset, buffer);
      if (!got.ok()) {
        foreign = got.error();
      } else {
        offset += *got;
      }
      return got;
    };
    sign_s3(call, options_.region, options_.access_key, options_.secret_key, sha256_hex);
    auto answer = client_.request(
        call, [](std::span<const std::uint8_t>) { return Result<void>(); }, stop);
    if (!answer.ok()) {
      const bool later = answer.error().code == ErrorCode::kUnavailable;
      return Failure{answer.error(), later ? Failure::Cure::kLater : Failure::Cure::kNone};
    }
    if (answer->success()) return std::nullopt;
    return explain_s3(*answer);
  }

  const S3Options options_;
  const TransferLimits limits_;
  net::HttpClient client_;
};

ObjectStore::ObjectStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ObjectStore::~ObjectStore() = default;

Result<std::unique_ptr<ObjectStore>> ObjectStore::make(const S3Options& options,
                                                       const TransferLimits& limits) {
  if (auto checked = check_s3_options(options); !checked.ok()) return checked.error();
  if (options.access_key.empty()) {
    return Error{ErrorCode::kInvalidArgument, "s3.accessKey and s3.secretKey are missing"};
  }
  return std::unique_ptr<ObjectStore>(new ObjectStore(std::make_unique<Impl>(options, limits)));
}

Result<void> ObjectStore::put(std::string_view key, std::uint64_t size_bytes,
                              std::string_view sha256_hex, const ReadAt& read,
                              std::stop_token stop) {
  if (size_bytes > kMaxPut) {
    return cannot_put(key, {ErrorCode::kTooLarge, "it is over 5 GiB"});
  }
  return impl_->put(key, size_bytes, sha256_hex, read, stop);
}

}  // namespace francine::providers
