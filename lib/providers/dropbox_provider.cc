// `dropbox`: API v2. One request for a file, files/download, whose argument and result are
// JSON in headers (https://www.dropbox.com/developers/documentation/http). A version is a
// revision, `rev`. `content_hash` is the SHA-256 of the SHA-256s of blocks of 4 MiB.

#include <rapidjson/document.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/crypto.h"
#include "providers/answers.h"
#include "providers/descriptions.h"
#include "providers/fields.h"
#include "providers/http_fetch.h"
#include "providers/oauth.h"

namespace francine::providers {
namespace {

constexpr std::uint64_t kHashBlock = 4 << 20;
constexpr std::string_view kCure = "the path of a file in Dropbox, such as \"/scenes/a.obj\"";

/// https://www.dropbox.com/developers/reference/content-hash
class ContentHash {
 public:
  void update(std::span<const std::uint8_t> bytes) {
    while (!bytes.empty()) {
      const std::size_t part = std::min<std::uint64_t>(kHashBlock - in_block_, bytes.size());
      block_.update(bytes.first(part));
      in_block_ += part;
      bytes = bytes.subspan(part);
      if (in_block_ == kHashBlock) end_block();
    }
  }
  std::string finish() {
    if (in_block_ > 0) end_block();
    return base::hex(blocks_.finish());
  }

 private:
  void end_block() {
    blocks_.update(block_.finish());
    in_block_ = 0;
  }

  base::Sha256 block_;
  base::Sha256 blocks_;
  std::uint64_t in_block_ = 0;
};

class DropboxSource final : public HttpSource {
 public:
  DropboxSource(const std::string& content_url, const std::string& path, const Error& unauthorized)
      : url_(content_url + "/2/files/download"), path_(path), unauthorized_(unauthorized) {}

  std::optional<Failure> prepare(const Credentials& credentials, const std::string&, bool,
                                 net::HttpCall& call) override {
    if (credentials.empty()) return Failure{unauthorized_, Failure::Cure::kRenew};
    call.url = url_;
    call.headers = {{"Authorization", "Bearer " + credentials.key},
                    {"Dropbox-API-Arg", "{\"path\":" + ascii_json(path_) + "}"}};
    return std::nullopt;
  }

  std::string version(const net::HttpAnswer& answer) const override {
    rapidjson::Document result;
    if (!parse_answer(answer.header("dropbox-api-result"), result)) return {};
    content_hash_ = text_at(result, {"content_hash"});
    return text_at(result, {"rev"});
  }

  /// https://www.dropbox.com/developers/documentation/http/documentation#error-handling
  Failure explain(const net::HttpAnswer& answer) const override {
    rapidjson::Document document;
    const std::string summary = parse_answer(answer.refusal, document)
                                    ? text_at(document, {"error_summary"})
                                    : std::string();
    if (answer.status == 401) {
      if (summary.starts_with("missing_scope")) {
        return {{ErrorCode::kForbidden,
                 "the farm's app at Dropbox lacks the permission files.content.read"}};
      }
      return {unauthorized_, Failure::Cure::kRenew};
    }
    if (answer.status == 409) return of_summary(summary);
    if (answer.status == 403) {
      return {{ErrorCode::kForbidden, "Dropbox forbids it (" + word_of(summary) + ")"}};
    }
    return failure_of_status(answer.status, answer.retry_after_s, "Dropbox");
  }

  void note(std::span<const std::uint8_t> piece) override { hash_.update(piece); }

  std::optional<Failure> confirm(const Fetched&, bool whole) override {
    if (!whole || content_hash_.empty() || hash_.finish() == content_hash_) return std::nullopt;
    return Failure{{ErrorCode::kUnavailable,
                    "the bytes that came do not have the content hash that Dropbox tells"}};
  }

 private:
  static Failure of_summary(const std::string& summary) {
    if (summary.starts_with("path/not_found")) {
      return {{ErrorCode::kNotFound, "there is no such file in your Dropbox"}};
    }
    if (summary.starts_with("path/not_file")) {
      return {{ErrorCode::kInvalidArgument, "it is a folder; name its files one by one"}};
    }
    if (summary.starts_with("path/restricted_content")) {
      return {{ErrorCode::kForbidden, "Dropbox does not serve it: its content is restricted"}};
    }
    if (summary.starts_with("unsupported_file")) {
      return {{ErrorCode::kInvalidArgument, "it is an online document, which has no bytes"}};
    }
    return {{ErrorCode::kInvalidArgument, "Dropbox refuses it (" + word_of(summary) + ")"}};
  }

  const std::string url_;
  const std::string& path_;
  const Error unauthorized_;
  mutable std::string content_hash_;  ///< of the answer that version() has read
  ContentHash hash_;
};

OAuthOptions oauth_options(const ProviderOptions& options) {
  return {.provider = "dropbox",
          .service = "Dropbox",
          .authorize_url = options.dropbox.authorize_url,
          .authorize_parameters = "token_access_type=offline",
          .token_url = options.dropbox.token_url,
          .client_id = options.dropbox.api_key,
          .client_secret = options.dropbox.api_secret,
          .redirect_uri = options.dropbox.redirect_uri,
          .limits = options.limits};
}

class DropboxProvider final : public ResourceProvider {
 public:
  explicit DropboxProvider(const ProviderOptions& options)
      : limits_(options.limits),
        content_url_(options.dropbox.content_url),
        client_(client_options(options.limits)),
        oauth_(oauth_options(options)) {}

  Result<Fetched> fetch(const FetchRequest& request, const Sink& sink,
                        std::stop_token stop) override {
    const std::string path(field_or_empty(request.fields, "path"));
    DropboxSource source(content_url_, path, oauth_.unauthorized());
    return fetch_over_http({client_, limits_, "dropbox", path}, source, request, sink, stop);
  }

  const OAuth* oauth() const override { return &oauth_; }

 private:
  const TransferLimits limits_;
  const std::string content_url_;
  net::HttpClient client_;
  const OAuth oauth_;
};

/// A path, or an id of Dropbox ("id:..."), which follows a file that is moved.
Result<void> check(const Fields& fields, std::string_view where) {
  if (field_or_empty(fields, "path").starts_with("id:")) {
    return check_text(fields, "path", where, kCure);
  }
  return check_absolute_path(fields, "path", where, kCure);
}

Result<std::unique_ptr<ResourceProvider>> create(const ProviderOptions& options) {
  if (options.dropbox.api_key.empty()) return std::unique_ptr<ResourceProvider>();
  if (options.dropbox.api_secret.empty() && !options.without_secrets) {
    return Error{ErrorCode::kInvalidArgument, "dropbox.apiSecret is missing beside dropbox.apiKey"};
  }
  return std::unique_ptr<ResourceProvider>(std::make_unique<DropboxProvider>(options));
}

constexpr std::array<FieldDescription, 1> kFields = {{
    {"path", "the path of the file in the user's Dropbox, from \"/\", or its id (\"id:...\")"},
}};

}  // namespace

const ProviderDescription kDropboxProvider = {
    .name = "dropbox",
    .summary = "a file of the user's Dropbox",
    .fields = kFields,
    .oauth = true,
    .configuration = "dropbox.apiKey and dropbox.apiSecret",
    .check = &check,
    .show = [](const Fields& fields) { return std::string(field_or_empty(fields, "path")); },
    .create = &create,
};

}  // namespace francine::providers
