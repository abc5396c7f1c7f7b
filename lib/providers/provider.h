// ResourceProvider: where the bytes of a session's resources come from, when it is not
// an upload. One contract for all; tests/contract holds every provider of the table
// (table.h) to it:
//
//  * check() decides on what a client says, before anything is recorded. It asks nobody,
//    so a file that is not there is found out by fetch().
//  * fetch() streams a resource from an offset to a sink: every byte once, in order. A
//    transfer that breaks, a provider that is overloaded (429) or in trouble (5xx) is
//    tried again, later each time, from the byte that was reached, within Retries.
//  * A resource has a version: what the provider calls a revision, else the ETag. What
//    was fetched in parts is of one version, or fetch() fails: the bytes of two versions
//    are never mixed, and with `expected_version` no other one is begun.
//  * Where the provider tells a digest, a fetch of the whole is compared with it. The
//    sink has the bytes by then: who gets an error drops what the sink got in this call.
//  * Errors name the resource, the provider, the cause and, where there is one, the cure.
//    They hold no token, no key, no query of a URL and no text that a stranger chose.
//
// Errors of fetch(), beside those of the sink, which are passed on as they are:
//   kNotFound         no such resource there, or not for these credentials
//   kForbidden        it is there and must not be read; or a URL leads inside
//   kUnauthenticated  the credentials do not count (any more): the user authorises again
//   kConflict         it has changed: another version than expected, or than before
//   kTooLarge         over max_bytes
//   kUnavailable      not reachable, overloaded or broken although tried again;
//                     retry_after_s when the provider said it
//   kInvalidArgument  it is not something that has bytes (a folder, an online document)
//   kCancelled        `stop` was requested
//
// Thread safety: any thread, many calls at once. fetch() blocks; it returns soon after
// `stop` is requested. Sinks are called on its thread.

#ifndef FRANCINE_PROVIDERS_PROVIDER_H
#define FRANCINE_PROVIDERS_PROVIDER_H

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include <francine/result.h>

#include <francine/providers.h>

namespace francine::providers {

class OAuth;

/// The members of a resource that are strings, beside `type` and `dst`, as a client sent
/// them: {"path": "/scenes/a.obj"}. Those that a provider does not know are ignored.
using Fields = std::map<std::string, std::string, std::less<>>;

/// What opens the door. OAuth: `key` is an access token. s3: access key and secret key.
/// Others need none.
struct Credentials {
  std::string key;
  std::string secret;

  bool empty() const { return key.empty(); }
};

/// What a fetch knows before the first byte.
struct ResourceHead {
  std::optional<std::uint64_t> size_bytes;  ///< of the whole; empty: its end will tell
  /// Empty: the provider has none (http without ETag and Last-Modified); a transfer that
  /// breaks can then not be resumed.
  std::string version;
  /// Whether the resource has this version only as long as it has these bytes, for ever: it is a
  /// revision or a strong ETag. Neither a date is, nor what a redirect led to.
  bool exact = false;
};

struct FetchRequest {
  Fields fields;  ///< that check() accepts
  Credentials credentials{};
  /// Gets others when these have expired under way; called at most twice. May be empty.
  std::function<Result<Credentials>(const std::stop_token& stop)> renew{};
  std::uint64_t offset = 0;        ///< of the first byte wanted; at most the size
  std::string expected_version{};  ///< empty: any
  /// Told once, before the sink gets anything. An error ends the fetch and is returned.
  /// May be empty.
  std::function<Result<void>(const ResourceHead& head)> on_head{};
};

struct Fetched {
  std::uint64_t size_bytes = 0;  ///< of the whole
  std::string version;
};

/// Takes the next piece. An error ends the fetch and is returned.
using Sink = std::function<Result<void>(std::span<const std::uint8_t> piece)>;

class ResourceProvider {
 public:
  virtual ~ResourceProvider() = default;
  virtual Result<Fetched> fetch(const FetchRequest& request, const Sink& sink,
                                std::stop_token stop) = 0;
  /// How users authorise it; null where they need not. Lives as long as the provider.
  virtual const OAuth* oauth() const { return nullptr; }
  /// Those of the configuration, which all users share; empty where there are none. The
  /// master hands them to the workers that fetch, with nobody else's.
  virtual Credentials configured_credentials() const { return {}; }
};

/// A field of a resource.
struct FieldDescription {
  std::string_view name;
  std::string_view summary;  ///< one line for a person
};

/// What there is to know about a provider without making one.
struct ProviderDescription {
  std::string_view name;     ///< `type` of a resource
  std::string_view summary;  ///< one line for a person
  std::span<const FieldDescription> fields;
  bool oauth = false;        ///< users authorise it, each for himself
  bool master_only = false;  ///< only the master can fetch from it, workers cannot
  /// Keys of the configuration that turn it on, for the sentence that asks for them;
  /// empty: it needs none.
  std::string_view configuration;

  /// Whether `fields` say enough, and nothing wrong. `where` is "resources[2]";
  /// kInvalidArgument starts with the field ("resources[2].path") and says the cure.
  Result<void> (*check)(const Fields& fields, std::string_view where) = nullptr;
  /// What people call the resource ("/scenes/a.obj"); of fields that were checked. Never
  /// with what may be a secret.
  std::string (*show)(const Fields& fields) = nullptr;
  /// A null pointer: it is not configured. kInvalidArgument names the key of the
  /// configuration that is wrong.
  Result<std::unique_ptr<ResourceProvider>> (*create)(const ProviderOptions& options) = nullptr;
};

}  // namespace francine::providers

#endif  // FRANCINE_PROVIDERS_PROVIDER_H
