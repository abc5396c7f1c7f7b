// Blobs over the resource ports (resource_server.h), with tokens that this side
// signs itself: whoever knows the cluster secret may fetch.
//
// Partials are decoded as they arrive. They travel as they are where the network
// is faster than compressing (always on loopback), else compressed; how fast a
// peer's network is, is measured on the way. A peer that cannot be reached is
// tried once more, shortly after; one that is busy (503) for about 15 s.
//
// Thread safety: all methods from any thread.

#ifndef FRANCINE_RUNTIME_HTTP_BLOBS_H
#define FRANCINE_RUNTIME_HTTP_BLOBS_H

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>

#include "net/cluster_keys.h"
#include "net/http_client.h"
#include "runtime/blobs.h"

namespace francine::runtime {

struct HttpBlobsOptions {
  net::HttpClientOptions client;
  std::uint64_t max_pixels = std::uint64_t{1} << 30;  ///< of a partial
  std::uint64_t max_picture_bytes = std::uint64_t{16} << 30;
  std::uint64_t max_resource_bytes = std::uint64_t{16} << 30;
  /// Of tokens; clocks of a cluster must agree to within it.
  std::chrono::seconds token_lifetime = std::chrono::minutes(5);
  /// Before the second try; doubled for each further one.
  std::chrono::milliseconds retry_after = std::chrono::milliseconds(100);
};

class HttpBlobs : public Blobs {
 public:
  HttpBlobs(const net::ClusterKeys& keys, HttpBlobsOptions options = {});
  ~HttpBlobs() override;

  Result<std::shared_ptr<const image::Partial>> fetch_partial(const std::string& endpoint,
                                                              TaskId partial,
                                                              std::stop_token stop) override;
  Result<std::shared_ptr<const EncodedImage>> fetch_picture(const std::string& endpoint,
                                                            TaskId task, Format format,
                                                            std::stop_token stop) override;
  Result<void> receive_stripe(const std::string& endpoint, SessionId session, std::size_t stripe,
                              resources::Arrival& into, bool& news, std::stop_token stop) override;
  Result<void> fetch_resource(const std::string& endpoint, const std::string& sha256,
                              const std::filesystem::path& target, std::stop_token stop) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_HTTP_BLOBS_H
