#include <francine/testing/fake_google_drive.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "base/crypto.h"
#include "net/json_writer.h"
#include "testing/drive_query.h"
#include "testing/fake_cloud_server.h"

namespace francine::testing {
namespace {

using net::HttpRequest;
using net::HttpResponse;

constexpr std::string_view kFolder = "application/vnd.google-apps.folder";

struct File {
  std::string id;
  std::string name;
  std::string parent;
  std::string drive;  ///< empty: My Drive
  std::string mime_type;
  std::string revision;
  std::string bytes;
};

HttpResponse refusal(int status, std::string_view reason) {
  std::string json;
  net::JsonWriter writer(json);
  writer.begin_object().key("error").begin_object();
  writer.member("code", status).member("message", reason);
  writer.key("errors").begin_array().begin_object();
  writer.member("domain", "global").member("reason", reason);
  writer.end_object().end_array().end_object().end_object();
  return json_answer(status, std::move(json));
}

HttpResponse metadata(const File& file) {
  std::string json;
  net::JsonWriter writer(json);
  writer.begin_object().member("id", file.id).member("mimeType", file.mime_type);
  if (!file.mime_type.starts_with("application/vnd.google-apps.")) {
    writer.member("headRevisionId", file.revision);
    writer.member("sha256Checksum", base::sha256_hex(file.bytes));
  }
  writer.end_object();
  return json_answer(200, std::move(json));
}

bool says(const HttpRequest& request, std::string_view parameter) {
  return request.query(parameter) == "true";
}

}  // namespace

class FakeGoogleDrive::Files {
 public:
  std::string add(std::string_view path, std::string bytes, const std::string& drive,
                  const std::string& mime_type) {
    const std::lock_guard lock(mutex_);
    std::string parent = drive.empty() ? "root" : drive;
    for (;;) {
      path.remove_prefix(1);
      const auto slash = path.find('/');
      const std::string name(path.substr(0, slash));
      if (slash == std::string_view::npos) return make(name, parent, drive, mime_type, bytes);
      parent = folder(name, parent, drive);
      path.remove_prefix(slash);
    }
  }

  void change(const std::string& id, std::string bytes) {
    const std::lock_guard lock(mutex_);
    File& file = files_.at(id);
    file.bytes = std::move(bytes);
    file.revision = base::random_hex(16);
  }

  void remove(const std::string& id) {
    const std::lock_guard lock(mutex_);
    files_.erase(id);
  }

  HttpResponse get(FakeCloudServer& server, const HttpRequest& request) {
    if (server.access(request) != FakeCloudServer::Access::kGiven) return refusal(401, "authError");
    const bool content = request.query("alt") == "media";
    std::uint32_t retry_after_s = 0;
    const auto trouble =
        content ? server.begin_content(retry_after_s) : FakeCloudServer::Trouble::kNone;
    if (trouble == FakeCloudServer::Trouble::kThrottled) {
      HttpResponse response = refusal(403, "userRateLimitExceeded");
      if (retry_after_s > 0) {
        response.headers.emplace_back("Retry-After", std::to_string(retry_after_s));
      }
      return response;
    }
    if (trouble == FakeCloudServer::Trouble::kBroken) return refusal(503, "backendError");
    const auto file = find(std::string(request.capture("id")));
    if (!file || (!file->drive.empty() && !says(request, "supportsAllDrives"))) {
      return refusal(404, "notFound");
    }
    if (!content) return metadata(*file);
    if (file->mime_type.starts_with("application/vnd.google-apps.")) {
      return refusal(403, "fileNotDownloadable");
    }
    return server.content(
        request,
        {.bytes = file->bytes, .headers = {}, .change = [this, id = file->id, bytes = file->bytes] {
           change(id, bytes + "changed");
         }});
  }

  HttpResponse list(const FakeCloudServer& server, const HttpRequest& request) const {
    if (server.access(request) != FakeCloudServer::Access::kGiven) return refusal(401, "authError");
    const auto query = read_drive_query(request.query("q").value_or(""));
    if (!query) return refusal(400, "invalid");
    const bool one_drive = request.query("corpora") == "drive";
    if (one_drive != request.query("driveId").has_value()) return refusal(400, "invalid");
    const bool all =
        says(request, "supportsAllDrives") && says(request, "includeItemsFromAllDrives");
    std::string json;
    net::JsonWriter writer(json);
    writer.begin_object().key("files").begin_array();
    const std::lock_guard lock(mutex_);
    for (const auto& [id, file] : files_) {
      if (!matches(file, *query) || (!file.drive.empty() && !all)) continue;
      if (one_drive && file.drive != *request.query("driveId")) continue;
      writer.begin_object().member("id", id).end_object();
    }
    writer.end_array().end_object();
    return json_answer(200, std::move(json));
  }

 private:
  std::optional<File> find(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(id);
    return found == files_.end() ? std::nullopt : std::optional(found->second);
  }

  static bool matches(const File& file, const DriveQuery& query) {
    return (!query.name || *query.name == file.name) &&
           (!query.parent || *query.parent == file.parent) &&
           (!query.mime_type || *query.mime_type == file.mime_type) &&
           (!query.not_mime_type || *query.not_mime_type != file.mime_type);
  }

  std::string folder(const std::string& name, const std::string& parent, const std::string& drive) {
    for (const auto& [id, file] : files_) {
      if (file.name == name && file.parent == parent && file.mime_type == kFolder) return id;
    }
    return make(name, parent, drive, std::string(kFolder), {});
  }

  std::string make(const std::string& name, const std::string& parent, const std::string& drive,
                   const std::string& mime_type, std::string bytes) {
    const std::string id = base::random_hex(16);
    files_[id] = {.id = id,
                  .name = name,
                  .parent = parent,
                  .drive = drive,
                  .mime_type = mime_type,
                  .revision = base::random_hex(16),
                  .bytes = std::move(bytes)};
    return id;
  }

  mutable std::mutex mutex_;
  std::map<std::string, File> files_;  ///< by id
};

FakeGoogleDrive::FakeGoogleDrive(FakeCloudOptions options)
    : FakeCloud(std::move(options)), files_(std::make_unique<Files>()) {
  server().route_authorize("/o/oauth2/v2/auth", {"redirect_uri", "scope"},
                           {"access_type=offline", "prompt=consent"});
  server().route_token("/token");
  server().http().route("GET", "/drive/v3/files/:id",
                        [this](HttpRequest& request) { return files_->get(server(), request); });
  server().http().route("GET", "/drive/v3/files",
                        [this](HttpRequest& request) { return files_->list(server(), request); });
  server().start();
}

FakeGoogleDrive::~FakeGoogleDrive() { server().stop(); }

std::string FakeGoogleDrive::authorize_url() const { return url() + "/o/oauth2/v2/auth"; }
std::string FakeGoogleDrive::token_url() const { return url() + "/token"; }

std::string FakeGoogleDrive::add_drive() { return "0A" + base::random_hex(8); }

std::string FakeGoogleDrive::add(const std::string& path, std::string bytes,
                                 const std::string& drive, const std::string& mime_type) {
  return files_->add(path, std::move(bytes), drive, mime_type);
}

void FakeGoogleDrive::change(const std::string& id, std::string bytes) {
  files_->change(id, std::move(bytes));
}

void FakeGoogleDrive::remove(const std::string& id) { files_->remove(id); }

}  // namespace francine::testing
