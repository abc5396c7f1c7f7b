#include "providers/object_store.h"

#include <optional>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "net/http_client.h"
#include "providers/http_fetch.h"
#include "providers/retrying.h"
#include "providers/s3_requests.h"

namespace francine::providers {
namespace {

constexpr std::uint64_t kMaxPut = std::uint64_t{5} << 30;
/// S3 takes keys of 1,024 bytes; names of sessions and executions have a place behind it.
constexpr std::size_t kMaxPrefixBytes = 512;

Result<void> check_with_keys(const S3Options& options, std::string_view key) {
  if (auto checked = check_s3_options(options, key); !checked.ok()) return checked;
  if (!options.access_key.empty()) return {};
  const std::string name(key);
  return Error{ErrorCode::kInvalidArgument,
               name + ".accessKey and " + name + ".secretKey are missing"};
}

/// Parts "." and ".." would be taken out of the URL under way.
bool leads_elsewhere(std::string_view prefix) {
  for (;;) {
    const std::string_view part = prefix.substr(0, prefix.find('/'));
    if (part == "." || part == "..") return true;
    if (part.size() == prefix.size()) return false;
    prefix.remove_prefix(part.size() + 1);
  }
}

}  // namespace

class ObjectStore::Impl {
 public:
  Impl(const S3Options& options, const TransferLimits& limits, std::string_view key)
      : options_(options), limits_(limits), key_(key), client_(client_options(limits)) {}

  Result<void> put(std::string_view key, std::uint64_t size_bytes, std::string_view sha256_hex,
                   const ReadAt& read, const std::stop_token& stop, std::string_view content_type) {
    if (size_bytes > kMaxPut) {
      return cannot_put(key, {ErrorCode::kTooLarge, "it is over 5 GiB"});
    }
    Retrying retrying(limits_.retries);
    for (;;) {
      std::optional<Error> foreign;
      auto failure = attempt(key, size_bytes, sha256_hex, read, foreign, stop, content_type);
      if (!failure) return {};
      if (foreign) return std::move(*foreign);
      if (failure->cure != Failure::Cure::kLater) return cannot_put(key, failure->error);
      auto waited = retrying.wait(failure->error, 0, stop);
      if (!waited.ok()) return cannot_put(key, waited.error());
    }
  }

  std::string url(std::string_view key) const { return s3_url(options_, key); }

 private:
  Error cannot_put(std::string_view key, const Error& why) const {
    return {why.code,
            "cannot put \"" + std::string(key) + "\" into " + key_ + ": " + why.message + ".",
            why.retry_after_s};
  }

  std::optional<Failure> attempt(std::string_view key, std::uint64_t size_bytes,
                                 std::string_view sha256_hex, const ReadAt& read,
                                 std::optional<Error>& foreign, const std::stop_token& stop,
                                 std::string_view content_type) {
    net::HttpCall call;
    call.method = "PUT";
    call.url = s3_url(options_, key);
    call.headers = {{"Content-Type", std::string(content_type)}};
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
    return explain_s3(*answer, key_);
  }

  const S3Options options_;
  const TransferLimits limits_;
  const std::string key_;  ///< of the options, in configurations
  net::HttpClient client_;
};

ObjectStore::ObjectStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ObjectStore::~ObjectStore() = default;

Result<std::unique_ptr<ObjectStore>> ObjectStore::make(const S3Options& options,
                                                       const TransferLimits& limits,
                                                       std::string_view key) {
  if (auto checked = check_with_keys(options, key); !checked.ok()) return checked.error();
  return std::unique_ptr<ObjectStore>(
      new ObjectStore(std::make_unique<Impl>(options, limits, key)));
}

Result<void> ObjectStore::put(std::string_view key, std::uint64_t size_bytes,
                              std::string_view sha256_hex, const ReadAt& read, std::stop_token stop,
                              std::string_view content_type) {
  return impl_->put(key, size_bytes, sha256_hex, read, stop, content_type);
}

std::string ObjectStore::url(std::string_view key) const { return impl_->url(key); }

Result<void> check_result_store(const S3Options& options) {
  if (options.endpoint.empty()) return {};
  if (auto checked = check_with_keys(options, kResultStoreKey); !checked.ok()) return checked;
  const std::string& prefix = options.prefix;
  if (prefix.size() <= kMaxPrefixBytes && base::is_utf8(prefix) && !prefix.starts_with('/') &&
      !leads_elsewhere(prefix)) {
    return {};
  }
  return Error{ErrorCode::kInvalidArgument,
               std::string(kResultStoreKey) +
                   ".prefix must be the plain beginning of a key, such as \"results/\": at most " +
                   std::to_string(kMaxPrefixBytes) +
                   " bytes, without \"/\" at its front and without \".\" and \"..\" as parts"};
}

}  // namespace francine::providers
