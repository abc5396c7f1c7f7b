// Fetching over HTTP: what http, dropbox, googledrive and s3 have in common. Internal to
// lib/providers.
//
// Thread safety: none; one HttpSource for each fetch.

#ifndef FRANCINE_PROVIDERS_HTTP_FETCH_H
#define FRANCINE_PROVIDERS_HTTP_FETCH_H

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include <francine/result.h>

#include "net/http_client.h"
#include "providers/provider.h"
#include "providers/retrying.h"

namespace francine::providers {

/// How a provider is asked for one resource, and how its answers are read.
class HttpSource {
 public:
  virtual ~HttpSource() = default;

  /// Before each attempt: completes the request for the bytes, all but its range.
  /// `version`: what the answer must be of; empty: not known yet. `range`: not from the
  /// first byte. May ask the provider.
  virtual std::optional<Failure> prepare(const Credentials& credentials, const std::string& version,
                                         bool range, net::HttpCall& call) = 0;
  /// The version that a 2xx answer is of.
  virtual std::string version(const net::HttpAnswer& answer) const = 0;
  /// Whether that version stands for these bytes alone (ResourceHead::exact).
  virtual bool is_exact(const std::string& version) const { return !version.empty(); }
  /// Any other answer.
  virtual Failure explain(const net::HttpAnswer& answer) const = 0;
  /// What the sink is about to get.
  virtual void note(std::span<const std::uint8_t>) {}
  /// At the end: that it was the right bytes. `whole`: since the first one.
  virtual std::optional<Failure> confirm(const Fetched&, bool /*whole*/) { return std::nullopt; }
  /// How many redirects are followed; 0: they are explained as any other answer.
  virtual unsigned max_redirects() const { return 0; }
};

/// `name` and `shown` are the provider's and the resource's, for sentences.
struct HttpFetchContext {
  net::HttpClient& client;
  const TransferLimits& limits;
  std::string name;
  std::string shown;
};

/// Whether bytes of this ETag are equal: RFC 9110, 8.8.3.
bool is_strong_etag(std::string_view etag);

/// ResourceProvider::fetch().
Result<Fetched> fetch_over_http(const HttpFetchContext& context, HttpSource& source,
                                const FetchRequest& request, const Sink& sink,
                                const std::stop_token& stop);

/// The client that `limits` ask for.
net::HttpClientOptions client_options(const TransferLimits& limits);

/// "cannot fetch X from dropbox: <why>."
Error cannot_fetch(const std::string& shown, const std::string& name, const Error& why);

}  // namespace francine::providers

#endif  // FRANCINE_PROVIDERS_HTTP_FETCH_H
