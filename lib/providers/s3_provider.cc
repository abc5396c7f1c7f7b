// `s3`: an object of the configured bucket of any S3-compatible store. Its version is the
// ETag, which If-Match insists on.

#include <array>
#include <utility>

#include "base/crypto.h"
#include "providers/descriptions.h"
#include "providers/fields.h"
#include "providers/http_fetch.h"
#include "providers/s3_requests.h"

namespace francine::providers {
namespace {

constexpr std::size_t kMaxKeyBytes = 1024;
constexpr std::string_view kCure = "the key of an object, such as \"scenes/a.obj\"";

class S3Source final : public HttpSource {
 public:
  S3Source(const S3Options& options, std::string_view key)
      : region_(options.region), url_(s3_url(options, options.prefix + std::string(key))) {}

  std::optional<Failure> prepare(const Credentials& credentials, const std::string& version, bool,
                                 net::HttpCall& call) override {
    if (credentials.empty()) {
      return Failure{{ErrorCode::kForbidden, "s3.accessKey is not configured"}};
    }
    call.url = url_;
    if (!version.empty()) call.headers.emplace_back("If-Match", version);
    sign_s3(call, region_, credentials.key, credentials.secret, base::sha256_hex(""));
    return std::nullopt;
  }

  std::string version(const net::HttpAnswer& answer) const override {
    return std::string(answer.header("etag"));
  }

  bool is_exact(const std::string& version) const override { return is_strong_etag(version); }

  Failure explain(const net::HttpAnswer& answer) const override { return explain_s3(answer); }

 private:
  const std::string& region_;
  const std::string url_;
};

class S3Provider final : public ResourceProvider {
 public:
  explicit S3Provider(const ProviderOptions& options)
      : limits_(options.limits), options_(options.s3), client_(client_options(options.limits)) {}

  Result<Fetched> fetch(const FetchRequest& request, const Sink& sink,
                        std::stop_token stop) override {
    const std::string key(field_or_empty(request.fields, "key"));
    S3Source source(options_, key);
    return fetch_over_http({client_, limits_, "s3", key}, source, request, sink, stop);
  }

  Credentials configured_credentials() const override {
    return {.key = options_.access_key, .secret = options_.secret_key};
  }

 private:
  const TransferLimits limits_;
  const S3Options options_;
  net::HttpClient client_;
};

/// Keys may hold what paths may not; "." and ".." would be taken out of the URL under way,
/// and lead past the prefix.
Result<void> check(const Fields& fields, std::string_view where) {
  auto text = check_text(fields, "key", where, kCure, kMaxKeyBytes);
  if (!text.ok()) return text;
  std::string_view rest = field_or_empty(fields, "key");
  for (;;) {
    const std::string_view part = rest.substr(0, rest.find('/'));
    if (part == "." || part == "..") {
      return bad_field(where, "key", "contains \"" + std::string(part) + "\"; give the plain key");
    }
    if (part.size() == rest.size()) return {};
    rest.remove_prefix(part.size() + 1);
  }
}

Result<std::unique_ptr<ResourceProvider>> create(const ProviderOptions& options) {
  if (options.s3.endpoint.empty()) return std::unique_ptr<ResourceProvider>();
  if (auto checked = check_s3_options(options.s3); !checked.ok()) return checked.error();
  return std::unique_ptr<ResourceProvider>(std::make_unique<S3Provider>(options));
}

constexpr std::array<FieldDescription, 1> kFields = {{
    {"key", "the key of the object in the configured bucket, behind the configured prefix"},
}};

}  // namespace

const ProviderDescription kS3Provider = {
    .name = "s3",
    .summary = "an object of the farm's S3-compatible store",
    .fields = kFields,
    .configuration = "s3.endpoint, s3.bucket, s3.accessKey and s3.secretKey",
    .check = &check,
    .show = [](const Fields& fields) { return std::string(field_or_empty(fields, "key")); },
    .create = &create,
};

}  // namespace francine::providers
