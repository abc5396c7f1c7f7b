#include <francine/testing/fake_dropbox.h>

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "base/crypto.h"
#include "testing/fake_cloud_server.h"

namespace francine::testing {
namespace {

using net::HttpRequest;
using net::HttpResponse;

struct File {
  std::string path;
  std::string id;
  std::string rev;
  std::string bytes;
};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return text;
}

/// {"error_summary": "path/not_found/..", "error": {".tag": "path"}}
HttpResponse refusal(int status, const std::string& summary) {
  return json_answer(status, "{\"error_summary\":\"" + summary + "/..\",\"error\":{\".tag\":\"" +
                                 summary.substr(0, summary.find('/')) + "\"}}");
}

std::string content_hash(std::string_view bytes) {
  constexpr std::size_t kBlock = 4 << 20;
  base::Sha256 whole;
  for (std::size_t at = 0; at < bytes.size(); at += kBlock) {
    whole.update(base::sha256(base::bytes_of(bytes.substr(at, kBlock))));
  }
  return base::hex(whole.finish());
}

/// In pure ASCII, as headers must be.
std::string metadata(const File& file) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer, rapidjson::UTF8<>, rapidjson::ASCII<>> json(buffer);
  const auto member = [&json](const char* name, const std::string& text) {
    json.Key(name);
    json.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  };
  json.StartObject();
  member("name", file.path.substr(file.path.rfind('/') + 1));
  member("path_display", file.path);
  member("id", file.id);
  member("rev", file.rev);
  member("content_hash", content_hash(file.bytes));
  json.Key("size");
  json.Uint64(file.bytes.size());
  json.EndObject();
  return buffer.GetString();
}

/// The path of a Dropbox-API-Arg; nothing if it is none.
std::optional<std::string> read_argument(std::string_view header) {
  if (!std::ranges::all_of(header, [](char c) { return c >= 0x20 && c < 0x7f; })) {
    return std::nullopt;
  }
  rapidjson::Document argument;
  argument.Parse(header.data(), header.size());
  if (argument.HasParseError() || !argument.IsObject() || !argument.HasMember("path") ||
      !argument["path"].IsString()) {
    return std::nullopt;
  }
  return std::string(argument["path"].GetString(), argument["path"].GetStringLength());
}

}  // namespace

class FakeDropbox::Files {
 public:
  std::string put(const std::string& path, std::string bytes) {
    const std::lock_guard lock(mutex_);
    File& file = files_[lower(path)];
    if (file.id.empty()) file.id = "id:" + base::random_hex(11);
    file.path = path;
    file.bytes = std::move(bytes);
    file.rev = base::random_hex(8);
    return file.rev;
  }
  void remove(const std::string& path) {
    const std::lock_guard lock(mutex_);
    files_.erase(lower(path));
  }
  std::optional<File> find(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, file] : files_) {
      if (name == lower(path) || file.id == path) return file;
    }
    return std::nullopt;
  }
  bool is_folder(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const auto next = files_.lower_bound(lower(path) + "/");
    return next != files_.end() && next->first.starts_with(lower(path) + "/");
  }

  HttpResponse download(FakeCloudServer& server, const HttpRequest& request) {
    const auto access = server.access(request);
    if (access == FakeCloudServer::Access::kExpired) return refusal(401, "expired_access_token");
    if (access == FakeCloudServer::Access::kUnknown) return refusal(401, "invalid_access_token");
    std::uint32_t retry_after_s = 0;
    switch (server.begin_content(retry_after_s)) {
      case FakeCloudServer::Trouble::kThrottled: {
        HttpResponse response = refusal(429, "too_many_requests");
        if (retry_after_s > 0) {
          response.headers.emplace_back("Retry-After", std::to_string(retry_after_s));
        }
        return response;
      }
      case FakeCloudServer::Trouble::kBroken:
        return json_answer(503, "");
      case FakeCloudServer::Trouble::kNone:
        break;
    }
    const auto path = read_argument(request.header("Dropbox-API-Arg").value_or(""));
    if (!path) return json_answer(400, "Error in call to API function \"files/download\"");
    const auto file = find(*path);
    if (!file) return refusal(409, is_folder(*path) ? "path/not_file" : "path/not_found");
    return server.content(request, {.bytes = file->bytes,
                                    .headers = {{"Dropbox-API-Result", metadata(*file)},
                                                {"ETag", "W/\"" + file->rev + "\""}},
                                    .change = [this, path = file->path, bytes = file->bytes] {
                                      put(path, bytes + "changed");
                                    }});
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, File> files_;  ///< by path in lower case
};

FakeDropbox::FakeDropbox(FakeCloudOptions options)
    : FakeCloud(std::move(options)), files_(std::make_unique<Files>()) {
  server().route_authorize("/oauth2/authorize", {}, {"token_access_type=offline"});
  server().route_token("/oauth2/token");
  for (const char* method : {"GET", "POST"}) {
    server().http().route(method, "/2/files/download", [this](HttpRequest& request) {
      return files_->download(server(), request);
    });
  }
  server().start();
}

FakeDropbox::~FakeDropbox() { server().stop(); }

std::string FakeDropbox::authorize_url() const { return url() + "/oauth2/authorize"; }
std::string FakeDropbox::token_url() const { return url() + "/oauth2/token"; }

std::string FakeDropbox::put(const std::string& path, std::string bytes) {
  return files_->put(path, std::move(bytes));
}

void FakeDropbox::remove(const std::string& path) { files_->remove(path); }

std::string FakeDropbox::id_of(const std::string& path) const {
  const auto file = files_->find(path);
  return file ? file->id : std::string();
}

}  // namespace francine::testing
