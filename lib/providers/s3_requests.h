// What requests to an S3-compatible store look like, and what its refusals mean
// (https://docs.aws.amazon.com/AmazonS3/latest/API/). Internal to lib/providers.
//
// Thread safety: any thread.

#ifndef FRANCINE_PROVIDERS_S3_REQUESTS_H
#define FRANCINE_PROVIDERS_S3_REQUESTS_H

#include <string>
#include <string_view>

#include <francine/result.h>

#include <francine/providers.h>
#include "net/http_client.h"
#include "providers/retrying.h"

namespace francine::providers {

/// What configurations call the options of the provider.
inline constexpr std::string_view kS3Key = "s3";

/// kInvalidArgument names the key of the configuration that is wrong; `key` is that of the
/// options.
Result<void> check_s3_options(const S3Options& options, std::string_view key = kS3Key);

std::string s3_url(const S3Options& options, std::string_view key);

/// Signs a call whose body has this SHA-256.
void sign_s3(net::HttpCall& call, std::string_view region, std::string_view access_key,
             std::string_view secret_key, std::string_view body_sha256);

/// Of an answer that is not 2xx.
Failure explain_s3(const net::HttpAnswer& answer, std::string_view key = kS3Key);

}  // namespace francine::providers

#endif  // FRANCINE_PROVIDERS_S3_REQUESTS_H
