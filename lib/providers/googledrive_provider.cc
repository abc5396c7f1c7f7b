// `googledrive`: Drive API v3 (https://developers.google.com/drive/api/reference/rest/v3).
// A file has an id; a path is looked up part by part, since Drive has no paths. Content
// comes by files.get with alt=media, which tells no revision: it is asked for before and
// after, so that bytes of two revisions are never taken for one.

#include <rapidjson/document.h>

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "base/crypto.h"
#include "net/json_rpc.h"
#include "net/url.h"
#include "providers/answers.h"
#include "providers/descriptions.h"
#include "providers/fields.h"
#include "providers/http_fetch.h"
#include "providers/oauth.h"

namespace francine::providers {
namespace {

constexpr std::string_view kCure = "a path such as \"/scenes/a.obj\", or an id instead";
constexpr std::string_view kFolder = "application/vnd.google-apps.folder";
constexpr std::string_view kShortcut = "application/vnd.google-apps.shortcut";
constexpr std::string_view kOnline = "application/vnd.google-apps.";
constexpr std::size_t kMaxId = 256;

/// What Drive tells of a file.
struct DriveFile {
  std::string id;
  std::string mime_type;
  std::string version;
  std::string sha256;
};

bool is_drive_id(std::string_view id) {
  return !id.empty() && id.size() <= kMaxId && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

/// A string of the query language, between its quotes.
std::string query_text(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

/// https://developers.google.com/workspace/drive/api/guides/handle-errors
Failure explain_error(const net::HttpAnswer& answer, const Error& unauthorized) {
  rapidjson::Document document;
  std::string reason;
  if (parse_answer(answer.refusal, document)) {
    if (const auto* error = net::find_member(document, "error")) {
      const auto* errors = net::find_member(*error, "errors");
      if (errors != nullptr && errors->IsArray() && !errors->Empty()) {
        reason = text_at((*errors)[0], {"reason"});
      }
    }
  }
  if (answer.status == 401) return {unauthorized, Failure::Cure::kRenew};
  if (answer.status == 404) {
    return {{ErrorCode::kNotFound, "there is no such file in Google Drive that you may read"}};
  }
  if (answer.status == 403) {
    if (reason == "rateLimitExceeded" || reason == "userRateLimitExceeded") {
      return failure_of_status(429, answer.retry_after_s, "Google Drive");
    }
    return {{ErrorCode::kForbidden, "Google Drive forbids it (" + word_of(reason) + ")"}};
  }
  return failure_of_status(answer.status, answer.retry_after_s, "Google Drive");
}

class DriveSource final : public HttpSource {
 public:
  DriveSource(net::HttpClient& client, const std::string& api_url, const Fields& fields,
              const Error& unauthorized, const std::stop_token& stop)
      : client_(client),
        files_url_(api_url + "/drive/v3/files"),
        path_(field_or_empty(fields, "path")),
        drive_(field_or_empty(fields, "driveId")),
        unauthorized_(unauthorized),
        stop_(stop),
        id_(field_or_empty(fields, "id")) {}

  std::optional<Failure> prepare(const Credentials& credentials, const std::string&, bool,
                                 net::HttpCall& call) override {
    if (credentials.empty()) return Failure{unauthorized_, Failure::Cure::kRenew};
    authorization_ = {{"Authorization", "Bearer " + credentials.key}};
    if (id_.empty()) {
      if (auto failure = find_path()) return failure;
    }
    if (auto failure = read_file(file_)) return failure;
    if (file_.mime_type.starts_with(kOnline)) return no_bytes(file_.mime_type);
    call.url = files_url_ + "/" + id_ + "?alt=media&supportsAllDrives=true";
    call.headers = authorization_;
    return std::nullopt;
  }

  std::string version(const net::HttpAnswer&) const override { return file_.version; }

  Failure explain(const net::HttpAnswer& answer) const override {
    return explain_error(answer, unauthorized_);
  }

  void note(std::span<const std::uint8_t> piece) override { hash_.update(piece); }

  std::optional<Failure> confirm(const Fetched& fetched, bool whole) override {
    DriveFile now;
    if (auto failure = read_file(now)) return failure;
    if (now.version != fetched.version) {
      return Failure{{ErrorCode::kConflict, "it was changed while it was fetched"}};
    }
    if (!whole || now.sha256.empty() || base::hex(hash_.finish()) == now.sha256) {
      return std::nullopt;
    }
    return Failure{{ErrorCode::kUnavailable,
                    "the bytes that came do not have the checksum that Google Drive tells"}};
  }

 private:
  static Failure no_bytes(std::string_view mime_type) {
    std::string_view why = "it is an online document, which has no bytes; export it to a file";
    if (mime_type == kFolder) why = "it is a folder; name its files one by one";
    if (mime_type == kShortcut) why = "it is a shortcut; name the file that it leads to";
    return {{ErrorCode::kInvalidArgument, std::string(why)}};
  }

  std::optional<Failure> get(const std::string& url, rapidjson::Document& document) const {
    auto asked = ask(client_, {.url = url, .headers = authorization_}, stop_);
    if (auto* failure = std::get_if<Failure>(&asked)) return std::move(*failure);
    const WholeAnswer& answer = std::get<WholeAnswer>(asked);
    if (!answer.head.success()) return explain(answer.head);
    if (parse_answer(answer.body, document)) return std::nullopt;
    return Failure{{ErrorCode::kUnavailable, "Google Drive answers with something unreadable"}};
  }

  std::optional<Failure> read_file(DriveFile& file) const {
    rapidjson::Document document;
    const std::string url = files_url_ + "/" + id_ +
                            "?supportsAllDrives=true&fields=id%2CmimeType%2CheadRevisionId%2C"
                            "md5Checksum%2Csha256Checksum";
    if (auto failure = get(url, document)) return failure;
    file.id = text_at(document, {"id"});
    file.mime_type = text_at(document, {"mimeType"});
    file.sha256 = text_at(document, {"sha256Checksum"});
    file.version = text_at(document, {"headRevisionId"});
    if (file.version.empty()) file.version = text_at(document, {"md5Checksum"});
    return std::nullopt;
  }

  std::optional<Failure> find_path() {
    std::string parent = drive_.empty() ? "root" : drive_;
    std::string_view rest = std::string_view(path_).substr(1);
    for (;;) {
      const auto slash = rest.find('/');
      const bool last = slash == std::string_view::npos;
      std::string found;
      if (auto failure = find_child(parent, rest.substr(0, slash), !last, found)) return failure;
      parent = std::move(found);
      if (last) break;
      rest.remove_prefix(slash + 1);
    }
    id_ = std::move(parent);
    return std::nullopt;
  }

  std::optional<Failure> find_child(const std::string& parent, std::string_view name, bool folder,
                                    std::string& found) const {
    std::string query = "name = " + query_text(name) + " and " + query_text(parent) +
                        " in parents and trashed = false and mimeType " + (folder ? "=" : "!=") +
                        " " + query_text(kFolder);
    std::string url = files_url_ + "?q=" + net::percent_encoded(query) +
                      "&fields=files(id)&pageSize=2&supportsAllDrives=true"
                      "&includeItemsFromAllDrives=true";
    if (!drive_.empty()) url += "&corpora=drive&driveId=" + drive_;
    rapidjson::Document document;
    if (auto failure = get(url, document)) return failure;
    const auto* files = net::find_member(document, "files");
    if (files == nullptr || !files->IsArray() || files->Empty()) {
      return Failure{{ErrorCode::kNotFound, "there is no " +
                                                std::string(folder ? "folder" : "file") + " \"" +
                                                std::string(name) + "\" there"}};
    }
    if (files->Size() > 1) {
      return Failure{{ErrorCode::kInvalidArgument,
                      "there are several called \"" + std::string(name) +
                          "\" there, which Google Drive permits; give the id instead of the path"}};
    }
    found = text_at((*files)[0], {"id"});
    if (is_drive_id(found)) return std::nullopt;
    return Failure{{ErrorCode::kUnavailable, "Google Drive answers with something unreadable"}};
  }

  net::HttpClient& client_;
  const std::string files_url_;
  const std::string path_;
  const std::string drive_;
  const Error unauthorized_;
  const std::stop_token& stop_;
  std::string id_;  ///< empty: not looked up yet
  net::HttpHeaders authorization_;
  DriveFile file_;  ///< at the latest attempt
  base::Sha256 hash_;
};

OAuthOptions oauth_options(const ProviderOptions& options) {
  return {.provider = "googledrive",
          .service = "Google Drive",
          .authorize_url = options.googledrive.authorize_url,
          // Google gives a refresh token only to who asks for consent each time.
          .authorize_parameters = "access_type=offline&prompt=consent&scope=" +
                                  net::percent_encoded(options.googledrive.scope),
          .token_url = options.googledrive.token_url,
          .client_id = options.googledrive.client_id,
          .client_secret = options.googledrive.client_secret,
          .redirect_uri = options.googledrive.redirect_uri,
          .limits = options.limits};
}

std::string show(const Fields& fields) {
  const std::string_view path = field_or_empty(fields, "path");
  return std::string(path.empty() ? field_or_empty(fields, "id") : path);
}

class GoogleDriveProvider final : public ResourceProvider {
 public:
  explicit GoogleDriveProvider(const ProviderOptions& options)
      : limits_(options.limits),
        api_url_(options.googledrive.api_url),
        client_(client_options(options.limits)),
        oauth_(oauth_options(options)) {}

  Result<Fetched> fetch(const FetchRequest& request, const Sink& sink,
                        std::stop_token stop) override {
    DriveSource source(client_, api_url_, request.fields, oauth_.unauthorized(), stop);
    return fetch_over_http({client_, limits_, "googledrive", show(request.fields)}, source, request,
                           sink, stop);
  }

  const OAuth* oauth() const override { return &oauth_; }

 private:
  const TransferLimits limits_;
  const std::string api_url_;
  net::HttpClient client_;
  const OAuth oauth_;
};

Result<void> check_id(const Fields& fields, std::string_view name, std::string_view where) {
  if (is_drive_id(field_or_empty(fields, name))) return {};
  return bad_field(where, name,
                   "is no id of Google Drive; it stands in the address of the file, between "
                   "\"/d/\" and \"/\"");
}

Result<void> check(const Fields& fields, std::string_view where) {
  const bool has_id = fields.contains("id");
  const bool has_path = fields.contains("path");
  if (has_id && has_path) {
    return bad_field(where, "id", "and path are both given; give one of them");
  }
  if (fields.contains("driveId")) {
    if (auto drive = check_id(fields, "driveId", where); !drive.ok()) return drive;
  }
  if (has_id) return check_id(fields, "id", where);
  return check_absolute_path(fields, "path", where, kCure);
}

Result<std::unique_ptr<ResourceProvider>> create(const ProviderOptions& options) {
  if (options.googledrive.client_id.empty()) return std::unique_ptr<ResourceProvider>();
  const auto missing = [](std::string_view key) {
    return Error{ErrorCode::kInvalidArgument,
                 "googledrive." + std::string(key) + " is missing beside googledrive.clientId"};
  };
  if (!options.without_secrets) {
    if (options.googledrive.client_secret.empty()) return missing("clientSecret");
    if (options.googledrive.redirect_uri.empty()) return missing("redirectUri");
  }
  return std::unique_ptr<ResourceProvider>(std::make_unique<GoogleDriveProvider>(options));
}

constexpr std::array<FieldDescription, 3> kFields = {{
    {"id", "the id of the file"},
    {"path", "or its path in My Drive, or in the shared drive `driveId`, from \"/\""},
    {"driveId", "the id of the shared drive in which `path` begins"},
}};

}  // namespace

const ProviderDescription kGoogleDriveProvider = {
    .name = "googledrive",
    .summary = "a file of the user's Google Drive, or of a shared drive",
    .fields = kFields,
    .oauth = true,
    .configuration = "googledrive.clientId, googledrive.clientSecret and googledrive.redirectUri",
    .check = &check,
    .show = &show,
    .create = &create,
};

}  // namespace francine::providers
