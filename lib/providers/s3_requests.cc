#include "providers/s3_requests.h"

#include <algorithm>

#include "net/url.h"
#include "providers/answers.h"

namespace francine::providers {
namespace {

std::string member(std::string_view key, std::string_view name) {
  return std::string(key) + "." + std::string(name);
}

bool is_bucket_name(std::string_view name) {
  return name.size() >= 3 && name.size() <= 63 && std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
         });
}

bool is_region(std::string_view name) {
  return !name.empty() && name.size() <= 63 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

}  // namespace

Result<void> check_s3_options(const S3Options& options, std::string_view key) {
  const auto wrong = [key](std::string_view name, std::string_view why) {
    return Error{ErrorCode::kInvalidArgument, member(key, name) + " " + std::string(why)};
  };
  const auto url = net::parse_http_url(options.endpoint);
  if (!url.ok()) return wrong("endpoint", url.error().message);
  if (url->user || options.endpoint.find_first_of("?#") != std::string::npos) {
    return wrong("endpoint", "must be a plain URL, without user and query");
  }
  if (!is_bucket_name(options.bucket)) {
    return wrong("bucket", "must be 3 to 63 lower-case letters, digits, \"-\" and \".\"");
  }
  if (!is_region(options.region)) {
    return wrong("region", "must be 1 to 63 letters, digits and \"-\", such as \"us-east-1\"");
  }
  if (options.access_key.empty() != options.secret_key.empty()) {
    return wrong("accessKey", "and " + member(key, "secretKey") + " must be given together");
  }
  return {};
}

std::string s3_url(const S3Options& options, std::string_view key) {
  std::string base = options.endpoint;
  while (base.ends_with('/')) base.pop_back();
  if (options.path_style) {
    base += "/" + options.bucket;
  } else {
    base.insert(base.find("://") + 3, options.bucket + ".");
  }
  return base + "/" + net::percent_encoded(key, true);
}

void sign_s3(net::HttpCall& call, std::string_view region, std::string_view access_key,
             std::string_view secret_key, std::string_view body_sha256) {
  call.headers.emplace_back("x-amz-content-sha256", body_sha256);
  call.signing = net::AwsSigning{.region = std::string(region),
                                 .access_key = std::string(access_key),
                                 .secret_key = std::string(secret_key)};
}

Failure explain_s3(const net::HttpAnswer& answer, std::string_view key) {
  const std::string code = word_of(element_of(answer.refusal, "Code"));
  if (answer.status == 412) {
    return {{ErrorCode::kConflict, "it has changed in the store since it was first fetched"}};
  }
  if (code == "NoSuchBucket") {
    return {{ErrorCode::kNotFound,
             "the store has no such bucket; " + member(key, "bucket") + " is wrong"}};
  }
  if (answer.status == 404) return {{ErrorCode::kNotFound, "the store has no such object"}};
  if (answer.status == 401 || answer.status == 403) {
    if (code == "InvalidAccessKeyId" || code == "SignatureDoesNotMatch") {
      return {{ErrorCode::kForbidden,
               "the store does not accept the keys of this farm (" + code +
                   "); its administrator checks " + member(key, "accessKey") + ", " +
                   member(key, "secretKey") + " and " + member(key, "region")}};
    }
    if (code == "RequestTimeTooSkewed") {
      return {{ErrorCode::kUnavailable, "the clock of this machine is wrong (" + code + ")"}};
    }
    if (code == "InvalidObjectState") {
      return {{ErrorCode::kForbidden, "it is archived, and must be restored first"}};
    }
    return {{ErrorCode::kForbidden, "the store denies it (" + code + ")"}};
  }
  if (answer.status >= 300 && answer.status < 400) {
    return {{ErrorCode::kUnavailable, "the bucket is elsewhere (" + code + "); " +
                                          member(key, "endpoint") + " or " + member(key, "region") +
                                          " is wrong"}};
  }
  Failure failure = failure_of_status(answer.status, answer.retry_after_s, "the store");
  failure.error.message += " (" + code + ")";
  return failure;
}

}  // namespace francine::providers
