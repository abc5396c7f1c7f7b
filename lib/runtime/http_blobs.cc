#include "runtime/http_blobs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <functional>
#include <limits>
#include <mutex>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "base/posix.h"
#include "image/partial_codec.h"
#include "net/tokens.h"
#include "runtime/resource_server.h"
#include "runtime/stripe_stream.h"

namespace francine::runtime {
namespace {

/// Taken for the speed of a network that is not known yet: 1 Gbit/s.
constexpr double kUsualBytesPerSecond = 125e6;

/// A peer that serves many others at once answers 503 meanwhile. It is there, and
/// what it keeps is not lost: waiting costs less than rendering again.
constexpr int kBusyTries = 12;
constexpr std::chrono::milliseconds kLongestWait = std::chrono::seconds(2);

/// Who sends a stripe says something twice a second. The client looks at an average of
/// some seconds, so it gives up after about twice this.
constexpr std::chrono::milliseconds kSilence = std::chrono::seconds(3);

bool is_loopback(std::string_view endpoint) {
  const std::size_t scheme = endpoint.find("://");
  if (scheme == std::string_view::npos) return false;
  const std::string_view host = endpoint.substr(scheme + 3);
  return host.starts_with("127.") || host.starts_with("localhost:") || host.starts_with("[::1]");
}

/// Waits, but not beyond a stop. False: stopped.
bool pause(std::chrono::milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

std::string decimal(TaskId id) { return std::to_string(static_cast<std::uint64_t>(id)); }

}  // namespace

class HttpBlobs::Impl {
 public:
  Impl(const net::ClusterKeys& keys, HttpBlobsOptions given)
      : options(std::move(given)),
        tokens_(keys),
        client_(options.client),
        waiting_client_(waiting(options.client)) {}

  /// What is fetched, and where from.
  struct Blob {
    const std::string& endpoint;
    std::string path;
    std::string_view action;
    std::string id;
  };

  /// Transfers the blob into what `open` makes a sink of, anew for each attempt.
  Result<void> fetch(const Blob& blob, std::uint64_t max_bytes,
                     const std::function<Result<net::BodySink>()>& open,
                     const std::stop_token& stop) {
    std::chrono::milliseconds wait = options.retry_after;
    for (int tries = 1;; ++tries) {
      bool busy = false;
      Result<void> outcome = attempt(blob, max_bytes, open, stop, busy);
      if (outcome.ok() || outcome.error().code != ErrorCode::kUnavailable) return outcome;
      if (tries >= (busy ? kBusyTries : 2)) return outcome;
      if (!pause(wait, stop)) {
        return Error{ErrorCode::kCancelled, "cancelled while fetching from " + blob.endpoint};
      }
      wait = std::min<std::chrono::milliseconds>(2 * wait, kLongestWait);
    }
  }

  /// Once, from who may have to wait for what it sends.
  Result<void> receive(const Blob& blob, const std::string& have, const net::BodySink& sink,
                       const std::stop_token& stop) {
    net::HttpHeaders headers = token_for(blob);
    headers.emplace_back(kHaveHeader, have);
    return judge(blob, waiting_client_.get(blob.endpoint + blob.path, headers, sink,
                                           std::numeric_limits<std::int64_t>::max(), stop));
  }

  std::string_view encoding_for(const std::string& endpoint) const {
    if (is_loopback(endpoint)) return "raw";
    const double speed = client_.bytes_per_second(endpoint).value_or(kUsualBytesPerSecond);
    return image::choose_encoding(speed) == image::PartialEncoding::kRaw ? "raw" : "zstd";
  }

  const HttpBlobsOptions options;

 private:
  Result<void> attempt(const Blob& blob, std::uint64_t max_bytes,
                       const std::function<Result<net::BodySink>()>& open,
                       const std::stop_token& stop, bool& busy) {
    auto sink = open();
    if (!sink.ok()) return sink.error();
    auto answer = client_.get(blob.endpoint + blob.path, token_for(blob), *sink, max_bytes, stop);
    busy = answer.ok() && answer->status == 503;
    return judge(blob, answer);
  }

  static net::HttpClientOptions waiting(net::HttpClientOptions options) {
    options.stall_timeout = kSilence;
    options.min_bytes_per_second = 1;
    return options;
  }

  net::HttpHeaders token_for(const Blob& blob) const {
    const std::int64_t expires = net::unix_seconds() + options.token_lifetime.count();
    return {{std::string(net::kTokenHeader), tokens_.sign(blob.action, blob.id, expires)}};
  }

  static Result<void> judge(const Blob& blob, const Result<net::HttpAnswer>& answer) {
    if (!answer.ok()) return answer.error();
    if (answer->success()) return {};
    const std::string said =
        blob.endpoint + blob.path + " answered " + std::to_string(answer->status);
    if (answer->status == 404) return Error{ErrorCode::kNotFound, said};
    if (answer->status == 401) {
      return Error{ErrorCode::kUnauthenticated,
                   said + ": the cluster secrets or the clocks of the two differ"};
    }
    return Error{ErrorCode::kUnavailable, said};
  }

  const net::BlobTokens tokens_;
  net::HttpClient client_;
  net::HttpClient waiting_client_;  ///< patient with little, not with nothing
};

HttpBlobs::HttpBlobs(const net::ClusterKeys& keys, HttpBlobsOptions options)
    : impl_(std::make_unique<Impl>(keys, std::move(options))) {}
HttpBlobs::~HttpBlobs() = default;

Result<std::shared_ptr<const image::Partial>> HttpBlobs::fetch_partial(const std::string& endpoint,
                                                                       TaskId partial,
                                                                       std::stop_token stop) {
  const std::string id = decimal(partial);
  const Impl::Blob blob{
      endpoint, "/partials/" + id + "?encoding=" + std::string(impl_->encoding_for(endpoint)),
      kGetPartial, id};
  // 16 bytes a pixel; what does not compress grows by less than a sixteenth.
  const std::uint64_t max_bytes = 17 * impl_->options.max_pixels + (1 << 20);
  std::optional<image::PartialDecoder> decoder;
  const auto open = [&]() -> Result<net::BodySink> {
    decoder.emplace(image::PartialLimits{impl_->options.max_pixels});
    return net::BodySink([&](std::span<const std::uint8_t> piece) { return decoder->feed(piece); });
  };
  if (auto fetched = impl_->fetch(blob, max_bytes, open, stop); !fetched.ok()) {
    return fetched.error();
  }
  auto decoded = decoder->finish();
  if (!decoded.ok()) {
    return Error{decoded.error().code, endpoint + blob.path + ": " + decoded.error().message};
  }
  return std::make_shared<const image::Partial>(std::move(*decoded));
}

Result<std::shared_ptr<const EncodedImage>> HttpBlobs::fetch_picture(const std::string& endpoint,
                                                                     TaskId task, Format format,
                                                                     std::stop_token stop) {
  const std::string id = decimal(task);
  const Impl::Blob blob{endpoint, "/pictures/" + id, kGetPicture, id};
  auto picture = std::make_shared<EncodedImage>();
  picture->format = format;
  const auto open = [&]() -> Result<net::BodySink> {
    picture->bytes.clear();
    return net::BodySink([&](std::span<const std::uint8_t> piece) -> Result<void> {
      picture->bytes.insert(picture->bytes.end(), piece.begin(), piece.end());
      return {};
    });
  };
  const auto fetched = impl_->fetch(blob, impl_->options.max_picture_bytes, open, stop);
  if (!fetched.ok()) return fetched.error();
  return std::shared_ptr<const EncodedImage>(std::move(picture));
}

Result<void> HttpBlobs::receive_stripe(const std::string& endpoint, SessionId session,
                                       std::size_t stripe, resources::Arrival& into, bool& news,
                                       std::stop_token stop) {
  const std::string id = std::to_string(static_cast<std::uint64_t>(session));
  const Impl::Blob blob{endpoint, "/spread/" + id + "?stripe=" + std::to_string(stripe), kGetSpread,
                        id};
  StripeReader reader(into);
  const net::BodySink sink = [&](std::span<const std::uint8_t> piece) {
    auto taken = reader.take(piece);
    news = news || reader.has_news();
    return taken;
  };
  auto received = impl_->receive(blob, into.have(stripe), sink, stop);
  if (received.ok() && !reader.ended()) {
    return Error{ErrorCode::kUnavailable, endpoint + " does not get all of the files"};
  }
  return received;
}

Result<void> HttpBlobs::fetch_resource(const std::string& endpoint, const std::string& sha256,
                                       const std::filesystem::path& target, std::stop_token stop) {
  const Impl::Blob blob{endpoint, "/resources/" + sha256, kGetResource, sha256};
  const std::string what = "cannot write " + target.string();
  const base::UniqueFd file(
      ::open(target.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return base::errno_error(errno, what);
  const auto open = [&]() -> Result<net::BodySink> {
    if (::ftruncate(file.get(), 0) != 0 || ::lseek(file.get(), 0, SEEK_SET) != 0) {
      return base::errno_error(errno, what);
    }
    return net::BodySink([&](std::span<const std::uint8_t> piece) {
      return base::write_all(file.get(), piece, what);
    });
  };
  auto fetched = impl_->fetch(blob, impl_->options.max_resource_bytes, open, stop);
  if (!fetched.ok()) {
    std::error_code ignored;
    std::filesystem::remove(target, ignored);
  }
  return fetched;
}

}  // namespace francine::runtime
