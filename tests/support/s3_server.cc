#include "s3_server.h"

#include <algorithm>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "base/crypto.h"

namespace francine::testing {
namespace {

using net::HttpRequest;
using net::HttpResponse;

HttpResponse refusal(int status, const std::string& code) {
  HttpResponse response = json_answer(status, "<?xml version=\"1.0\"?><Error><Code>" + code +
                                                  "</Code><Message>no</Message></Error>");
  response.content_type = "application/xml";
  return response;
}

std::string bytes_of(const base::Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

/// The value behind "name=" in the Authorization header.
std::string part(std::string_view header, const std::string& name) {
  const auto begin = header.find(name + "=");
  if (begin == std::string_view::npos) return {};
  const std::string_view rest = header.substr(begin + name.size() + 1);
  return std::string(rest.substr(0, rest.find_first_of(", ")));
}

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string piece; std::getline(stream, piece, by);) parts.push_back(piece);
  return parts;
}

/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html;
/// the code of the error, or nothing when the signature is right.
std::optional<std::string> check_signature(const HttpRequest& request) {
  const std::string_view header = request.header("Authorization").value_or("");
  if (!header.starts_with("AWS4-HMAC-SHA256 ")) return "AccessDenied";
  const auto scope = split(part(header, "Credential"), '/');
  if (scope.size() != 5 || scope[0] != S3Server::kAccessKey) return "InvalidAccessKeyId";
  if (scope[2] != S3Server::kRegion || scope[3] != "s3" || scope[4] != "aws4_request") {
    return "AuthorizationHeaderMalformed";
  }
  const std::string date(request.header("x-amz-date").value_or(""));
  const std::string payload(request.header("x-amz-content-sha256").value_or(""));
  if (!date.starts_with(scope[1]) || date.size() != 16 || payload.empty()) return "AccessDenied";
  const std::string names = part(header, "SignedHeaders");
  const auto signed_headers = split(names, ';');
  for (const char* required : {"host", "x-amz-content-sha256", "x-amz-date"}) {
    if (std::ranges::find(signed_headers, required) == signed_headers.end()) return "AccessDenied";
  }
  if (!std::ranges::is_sorted(signed_headers)) return "AccessDenied";
  std::string canonical =
      std::string(request.method()) + "\n" + std::string(request.path()) + "\n\n";
  for (const std::string& name : signed_headers) {
    canonical += name + ":" + std::string(request.header(name).value_or("")) + "\n";
  }
  canonical += "\n" + names + "\n" + payload;
  const std::string credential_scope = scope[1] + "/" + scope[2] + "/s3/aws4_request";
  const std::string to_sign =
      "AWS4-HMAC-SHA256\n" + date + "\n" + credential_scope + "\n" + base::sha256_hex(canonical);
  std::string key = std::string("AWS4").append(S3Server::kSecretKey);
  for (const std::string& step : {scope[1], scope[2], scope[3], scope[4]}) {
    key = bytes_of(base::hmac_sha256(key, step));
  }
  if (base::hex(base::hmac_sha256(key, to_sign)) != part(header, "Signature")) {
    return "SignatureDoesNotMatch";
  }
  return std::nullopt;
}

std::string etag(const std::string& bytes) {
  std::string tag = "\"";
  return tag.append(base::sha256_hex(bytes), 0, 32).append("\"");
}

}  // namespace

S3Server::S3Server() : server_(FakeCloudOptions{}) {
  server_.http().route("GET", "/:bucket/*key", [this](HttpRequest& r) { return get(r); });
  server_.http().route("PUT", "/:bucket/*key", [this](HttpRequest& r) { return receive(r); },
                       {.max_body_bytes = 64 << 20});
  server_.start();
}

S3Server::~S3Server() { server_.stop(); }

void S3Server::put(const std::string& key, std::string bytes) {
  const std::lock_guard lock(mutex_);
  objects_[key] = std::move(bytes);
}

std::optional<std::string> S3Server::object(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key);
  return found == objects_.end() ? std::nullopt : std::optional(found->second);
}

std::size_t S3Server::objects() const {
  const std::lock_guard lock(mutex_);
  return objects_.size();
}

void S3Server::remove(const std::string& key) {
  const std::lock_guard lock(mutex_);
  objects_.erase(key);
  content_types_.erase(key);
}

std::string S3Server::content_type(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = content_types_.find(key);
  return found == content_types_.end() ? std::string() : found->second;
}

HttpResponse S3Server::get(const HttpRequest& request) {
  if (auto code = check_signature(request)) return refusal(403, *code);
  if (request.header("x-amz-content-sha256") != base::sha256_hex("")) {
    return refusal(400, "XAmzContentSHA256Mismatch");
  }
  std::uint32_t retry_after_s = 0;
  const auto trouble = server_.begin_content(retry_after_s);
  if (trouble != FakeCloudServer::Trouble::kNone) {
    const bool throttled = trouble == FakeCloudServer::Trouble::kThrottled;
    HttpResponse response = refusal(throttled ? 429 : 503, "SlowDown");
    if (retry_after_s > 0) {
      response.headers.emplace_back("Retry-After", std::to_string(retry_after_s));
    }
    return response;
  }
  if (request.capture("bucket") != kBucket) return refusal(404, "NoSuchBucket");
  const std::string key(request.capture("key"));
  const auto bytes = object(key);
  if (!bytes) return refusal(404, "NoSuchKey");
  const auto match = request.header("If-Match");
  if (match && *match != etag(*bytes)) return refusal(412, "PreconditionFailed");
  return server_.content(request, {.bytes = *bytes,
                                   .headers = {{"ETag", etag(*bytes)}},
                                   .change = [this, key, bytes] { put(key, *bytes + "changed"); }});
}

HttpResponse S3Server::receive(const HttpRequest& request) {
  if (auto code = check_signature(request)) return refusal(403, *code);
  std::uint32_t retry_after_s = 0;
  if (server_.begin_content(retry_after_s) != FakeCloudServer::Trouble::kNone) {
    return refusal(503, "SlowDown");
  }
  if (request.capture("bucket") != kBucket) return refusal(404, "NoSuchBucket");
  if (base::sha256_hex(request.body()) != request.header("x-amz-content-sha256")) {
    return refusal(400, "XAmzContentSHA256Mismatch");
  }
  const std::string key(request.capture("key"));
  {
    const std::lock_guard lock(mutex_);
    content_types_[key] = request.header("Content-Type").value_or("");
  }
  put(key, request.body());
  return json_answer(200, "");
}

}  // namespace francine::testing
