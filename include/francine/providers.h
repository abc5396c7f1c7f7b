// Where resources of sessions may come from beside uploads: what http, dropbox,
// googledrive, s3 and file must be told (MasterOptions::providers). Those that are told
// nothing are not configured and refuse what asks for them; http needs nothing.
//
// Base URLs are those of the services; fakes and private gateways stand in for them, with
// any path of their own before the service's.
//
// Thread safety: as the standard containers.

#ifndef FRANCINE_PROVIDERS_H
#define FRANCINE_PROVIDERS_H

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <francine/result.h>

namespace francine::providers {

/// When something is tried again. The n-th wait in a row is `first_wait` * 2^(n-1), at
/// most `longest_wait`, a random half of it less, and never shorter than the provider asks
/// for by Retry-After.
struct Retries {
  /// In a row. The row begins again when `progress_bytes` have come since.
  unsigned most = 6;
  std::uint64_t progress_bytes = std::uint64_t{1} << 20;
  std::chrono::milliseconds first_wait = std::chrono::milliseconds(500);
  std::chrono::milliseconds longest_wait = std::chrono::seconds(30);
  /// Of all waits of a row; a wait that would go beyond is an error at once.
  std::chrono::milliseconds patience = std::chrono::minutes(5);
};

/// Bounds on every transfer, of whatever provider.
struct TransferLimits {
  std::uint64_t max_bytes = std::uint64_t{16} << 30;  ///< of a resource
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(10);
  /// A transfer that stays below min_bytes_per_second for so long has failed.
  std::chrono::milliseconds stall_timeout = std::chrono::seconds(30);
  std::uint64_t min_bytes_per_second = 1024;
  Retries retries{};
  /// PEM; only what these authorities signed is trusted. Empty: those of the system.
  std::string ca_file{};
  /// The proxies of the environment are used. `http` is off then without allow_private,
  /// since nobody can tell where a connection of a proxy leads.
  bool environment_proxy = false;
};

struct HttpOptions {
  /// Permits addresses inside (loopback, private networks, the metadata of clouds): a way
  /// from any user to every service that the farm can reach.
  bool allow_private = false;
  unsigned max_redirects = 5;
};

struct DropboxOptions {
  std::string api_key;  ///< empty: not configured
  std::string api_secret;
  std::string redirect_uri;  ///< empty: Dropbox shows the code to the user
  std::string authorize_url = "https://www.dropbox.com/oauth2/authorize";
  std::string token_url = "https://api.dropboxapi.com/oauth2/token";
  std::string content_url = "https://content.dropboxapi.com";
};

struct GoogleDriveOptions {
  std::string client_id;  ///< empty: not configured
  std::string client_secret;
  std::string redirect_uri;  ///< required: Google shows codes to nobody
  std::string authorize_url = "https://accounts.google.com/o/oauth2/v2/auth";
  std::string token_url = "https://oauth2.googleapis.com/token";
  std::string api_url = "https://www.googleapis.com";
  std::string scope = "https://www.googleapis.com/auth/drive.readonly";
};

struct S3Options {
  std::string endpoint;  ///< "https://s3.eu-west-1.amazonaws.com"; empty: not configured
  std::string bucket;    ///< the only one that clients reach
  std::string region = "us-east-1";
  std::string access_key;  ///< may be empty on a worker, which is given the keys
  std::string secret_key;
  /// https://endpoint/bucket/key; else https://bucket.endpoint/key.
  bool path_style = true;
  std::string prefix;  ///< stands before every key that a client names: "scenes/"
};

struct FileOptions {
  std::vector<std::filesystem::path> roots;  ///< absolute; empty: not configured
};

struct ProviderOptions {
  TransferLimits limits{};
  HttpOptions http{};
  DropboxOptions dropbox{};
  GoogleDriveOptions googledrive{};
  S3Options s3{};
  FileOptions file{};
  /// Of a worker, which is given what opens the doors with each fetch, and has nothing to
  /// authorise with.
  bool without_secrets = false;
};

/// Whether a master starts with these. kInvalidArgument names the key that is wrong, as
/// configurations spell it: "dropbox.apiSecret".
Result<void> check(const ProviderOptions& options);
/// The same of MasterOptions::result_store: "resultStore.bucket".
Result<void> check_result_store(const S3Options& options);

}  // namespace francine::providers

#endif  // FRANCINE_PROVIDERS_H
