#include "provider_trials.h"

#include <fstream>
#include <map>
#include <mutex>

#include <francine/testing/fake_dropbox.h>
#include <francine/testing/fake_google_drive.h>

#include "../support/s3_server.h"
#include "../support/temporary_directory.h"
#include "base/crypto.h"
#include "testing/fake_cloud_server.h"

namespace francine::testing {
namespace {

using providers::Credentials;
using providers::Fields;
using providers::ProviderOptions;

std::string quoted(const std::string& text) { return std::string("\"").append(text).append("\""); }

ProviderOptions quick_options() {
  ProviderOptions options;
  options.limits = quick_limits();
  return options;
}

class HttpTrial final : public ProviderTrial {
 public:
  HttpTrial() : server_(FakeCloudOptions{}) {
    server_.http().route("GET", "/files/:name", [this](net::HttpRequest& r) { return get(r); });
    server_.start();
  }
  ~HttpTrial() override { server_.stop(); }

  ProviderOptions options() override {
    ProviderOptions options = quick_options();
    options.http.allow_private = true;
    return options;
  }
  Fields put(const std::string& name, const std::string& bytes) override {
    const std::lock_guard lock(mutex_);
    files_[name] = bytes;
    return fields(name);
  }
  Fields missing() override { return fields("missing.obj"); }
  Fields wrong() override { return {{"url", "ftp://example.com/a.obj"}}; }
  void set_faults(const CloudFaults& faults) override { server_.set_faults(faults); }
  CloudCounts counts() const override { return server_.counts(); }

 private:
  Fields fields(const std::string& name) const {
    return {{"url", server_.url() + "/files/" + name + "?signature=s3cret"}};
  }

  net::HttpResponse get(const net::HttpRequest& request) {
    std::uint32_t retry_after_s = 0;
    const auto trouble = server_.begin_content(retry_after_s);
    if (trouble != FakeCloudServer::Trouble::kNone) {
      const bool throttled = trouble == FakeCloudServer::Trouble::kThrottled;
      net::HttpResponse response = json_answer(throttled ? 429 : 503, "");
      if (retry_after_s > 0) {
        response.headers.emplace_back("Retry-After", std::to_string(retry_after_s));
      }
      return response;
    }
    const std::string name(request.capture("name"));
    const std::lock_guard lock(mutex_);
    if (!files_.contains(name)) return json_answer(404, "");
    const std::string bytes = files_[name];
    return server_.content(request,
                           {.bytes = bytes,
                            .headers = {{"ETag", quoted(base::sha256_hex(bytes))}},
                            .change = [this, name, bytes] { put(name, bytes + "changed"); }});
  }

  std::mutex mutex_;
  std::map<std::string, std::string> files_;
  FakeCloudServer server_;
};

class DropboxTrial final : public ProviderTrial {
 public:
  ProviderOptions options() override {
    ProviderOptions options = quick_options();
    options.dropbox.api_key = "fake client";
    options.dropbox.api_secret = "fake secret";
    options.dropbox.authorize_url = dropbox_.authorize_url();
    options.dropbox.token_url = dropbox_.token_url();
    options.dropbox.content_url = dropbox_.url();
    return options;
  }
  Credentials credentials() override { return {.key = dropbox_.access_token(), .secret = {}}; }
  Fields put(const std::string& name, const std::string& bytes) override {
    dropbox_.put("/scenes/" + name, bytes);
    return {{"path", "/scenes/" + name}};
  }
  Fields missing() override { return {{"path", "/scenes/missing.obj"}}; }
  Fields wrong() override { return {{"path", "scenes/a.obj"}}; }
  void set_faults(const CloudFaults& faults) override { dropbox_.set_faults(faults); }
  CloudCounts counts() const override { return dropbox_.counts(); }

 private:
  FakeDropbox dropbox_;
};

class GoogleDriveTrial final : public ProviderTrial {
 public:
  ProviderOptions options() override {
    ProviderOptions options = quick_options();
    options.googledrive.client_id = "fake client";
    options.googledrive.client_secret = "fake secret";
    options.googledrive.redirect_uri = "http://127.0.0.1:1/done";
    options.googledrive.authorize_url = drive_.authorize_url();
    options.googledrive.token_url = drive_.token_url();
    options.googledrive.api_url = drive_.url();
    return options;
  }
  Credentials credentials() override { return {.key = drive_.access_token(), .secret = {}}; }
  Fields put(const std::string& name, const std::string& bytes) override {
    if (ids_.contains(name)) {
      drive_.change(ids_[name], bytes);
    } else {
      ids_[name] = drive_.add("/scenes/" + name, bytes);
    }
    return {{"path", "/scenes/" + name}};
  }
  Fields missing() override { return {{"path", "/scenes/missing.obj"}}; }
  Fields wrong() override { return {{"id", "not an id"}}; }
  void set_faults(const CloudFaults& faults) override { drive_.set_faults(faults); }
  CloudCounts counts() const override { return drive_.counts(); }

 private:
  FakeGoogleDrive drive_;
  std::map<std::string, std::string> ids_;
};

class S3Trial final : public ProviderTrial {
 public:
  ProviderOptions options() override {
    ProviderOptions options = quick_options();
    options.s3 = {.endpoint = s3_.url(),
                  .bucket = S3Server::kBucket,
                  .region = S3Server::kRegion,
                  .access_key = S3Server::kAccessKey,
                  .secret_key = S3Server::kSecretKey,
                  .path_style = true,
                  .prefix = "scenes/"};
    return options;
  }
  Credentials credentials() override {
    return {.key = S3Server::kAccessKey, .secret = S3Server::kSecretKey};
  }
  Fields put(const std::string& name, const std::string& bytes) override {
    s3_.put("scenes/" + name, bytes);
    return {{"key", name}};
  }
  Fields missing() override { return {{"key", "missing.obj"}}; }
  Fields wrong() override { return {{"key", "../a.obj"}}; }
  void set_faults(const CloudFaults& faults) override { s3_.server().set_faults(faults); }
  CloudCounts counts() const override { return s3_.server().counts(); }

 private:
  mutable S3Server s3_;
};

class FileTrial final : public ProviderTrial {
 public:
  ProviderOptions options() override {
    ProviderOptions options = quick_options();
    options.file.roots = {directory_.path()};
    return options;
  }
  Fields put(const std::string& name, const std::string& bytes) override {
    std::ofstream(directory_.path() / name, std::ios::binary) << bytes;
    return {{"path", (directory_.path() / name).string()}};
  }
  Fields missing() override { return {{"path", (directory_.path() / "missing.obj").string()}}; }
  Fields wrong() override { return {{"path", directory_.path().string() + "/../a"}}; }
  bool has_faults() const override { return false; }

 private:
  TemporaryDirectory directory_;
};

}  // namespace

std::unique_ptr<ProviderTrial> make_provider_trial(std::string_view provider) {
  if (provider == "http") return std::make_unique<HttpTrial>();
  if (provider == "dropbox") return std::make_unique<DropboxTrial>();
  if (provider == "googledrive") return std::make_unique<GoogleDriveTrial>();
  if (provider == "s3") return std::make_unique<S3Trial>();
  if (provider == "file") return std::make_unique<FileTrial>();
  return nullptr;
}

providers::TransferLimits quick_limits() {
  providers::TransferLimits limits;
  limits.max_bytes = 8 << 20;
  limits.connect_timeout = std::chrono::seconds(10);
  limits.retries = {.most = 3,
                    .progress_bytes = 64 << 10,
                    .first_wait = std::chrono::milliseconds(1),
                    .longest_wait = std::chrono::milliseconds(4),
                    .patience = std::chrono::seconds(20)};
  return limits;
}

}  // namespace francine::testing
