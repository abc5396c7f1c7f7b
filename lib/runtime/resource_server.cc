#include "runtime/resource_server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <span>
#include <utility>

#include "base/crypto.h"
#include "base/posix.h"
#include "image/partial_codec.h"
#include "image/picture.h"
#include "net/http_server.h"
#include "net/json_writer.h"
#include "net/tokens.h"
#include "runtime/stripe_stream.h"

namespace francine::runtime {
namespace {

constexpr std::size_t kFilePiece = 256 << 10;
/// Who is to be sent a session's files may be faster than who is to get them.
constexpr std::chrono::milliseconds kBegins(2000);

net::HttpResponse refusal(int status, std::string_view reason) {
  net::HttpResponse response;
  response.status = status;
  net::JsonWriter(response.body).begin_object().member("error", reason).end_object();
  return response;
}

std::string_view text_of(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<image::PartialEncoding> encoding_of(const net::HttpRequest& request) {
  const std::string_view name = request.query("encoding").value_or("raw");
  if (name == "raw") return image::PartialEncoding::kRaw;
  if (name == "zstd") return image::PartialEncoding::kZstd;
  return std::nullopt;
}

net::HttpResponse stream_partial(std::shared_ptr<const image::Partial> partial,
                                 image::PartialEncoding encoding) {
  auto encoder = std::make_shared<image::PartialEncoder>(std::move(partial), encoding);
  net::HttpResponse response;
  response.content_type = "application/octet-stream";
  response.stream_bytes = encoder->size_bytes();
  response.stream = [encoder = std::move(encoder)](const net::HttpSink& sink) {
    for (auto piece = encoder->next(); !piece.empty(); piece = encoder->next()) {
      if (!sink(text_of(piece))) return false;
    }
    return true;
  };
  return response;
}

bool send_file(int file, std::uint64_t size, const net::HttpSink& sink) {
  std::vector<char> piece(kFilePiece);
  while (size > 0) {
    const ssize_t got = ::read(file, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || static_cast<std::uint64_t>(got) > size) return false;
    if (!sink({piece.data(), static_cast<std::size_t>(got)})) return false;
    size -= static_cast<std::uint64_t>(got);
  }
  return true;
}

}  // namespace

std::string endpoint_of(const std::string& host, std::uint16_t port, bool tls) {
  const bool bare_ipv6 = host.find(':') != std::string::npos && host.front() != '[';
  return (tls ? "https://" : "http://") + (bare_ipv6 ? '[' + host + ']' : host) + ':' +
         std::to_string(port);
}

std::string dialled_host(const std::string& bind_address) {
  if (bind_address == "0.0.0.0") return "127.0.0.1";
  return bind_address == "::" ? "::1" : bind_address;
}

std::string reached_at(const std::string& endpoint, const std::string& host) {
  for (const std::string_view any : {"://0.0.0.0:", "://[::]:"}) {
    const std::size_t found = endpoint.find(any);
    if (found == std::string::npos) continue;
    const bool bare_ipv6 = host.find(':') != std::string::npos && host.front() != '[';
    return endpoint.substr(0, found) + "://" + (bare_ipv6 ? '[' + host + ']' : host) + ':' +
           endpoint.substr(found + any.size());
  }
  return endpoint;
}

class ResourceServer::Impl {
 public:
  Impl(const ResourceServerOptions& options, const net::ClusterKeys& keys)
      : options_(options), tokens_(keys), server_(server_options(options)) {
    route("/partials/:id", kGetPartial, &Impl::partial);
    route("/pictures/:id", kGetPicture, &Impl::picture);
    route("/resources/:id", kGetResource, &Impl::resource);
    route("/spread/:id", kGetSpread, &Impl::spread);
  }

  Result<void> start() { return server_.start(); }
  std::uint16_t port() const { return server_.port(); }

 private:
  using Handler = net::HttpResponse (Impl::*)(const net::HttpRequest&, const std::string&) const;

  static net::HttpServerOptions server_options(const ResourceServerOptions& options) {
    net::HttpServerOptions http;
    http.bind_address = options.bind_address;
    http.port = options.port;
    http.max_threads = options.max_threads;
    http.tls = options.tls;
    return http;
  }

  /// Who has no token learns nothing, not even whether the blob exists.
  void route(std::string_view pattern, std::string_view action, Handler handler) {
    server_.route("GET", pattern, [this, action, handler](net::HttpRequest& request) {
      const std::string id(request.capture("id"));
      const auto token = request.header(net::kTokenHeader);
      const auto permitted = tokens_.verify(token.value_or(""), action, id, net::unix_seconds());
      if (!permitted.ok()) return refusal(401, permitted.error().message);
      return (this->*handler)(request, id);
    });
  }

  net::HttpResponse partial(const net::HttpRequest& request, const std::string& id) const {
    const auto task = number_of(id);
    const auto encoding = encoding_of(request);
    if (!task) return refusal(400, "the id of a partial is the number of its task");
    if (!encoding) return refusal(400, "\"encoding\" is raw or zstd");
    auto found = options_.partials == nullptr ? nullptr : options_.partials->partial(TaskId{*task});
    if (!found) return refusal(404, "no partial of task " + id + " is kept here");
    return stream_partial(std::move(found), *encoding);
  }

  net::HttpResponse picture(const net::HttpRequest&, const std::string& id) const {
    const auto task = number_of(id);
    if (!task) return refusal(400, "the id of a picture is the number of its task");
    const auto found =
        options_.partials == nullptr ? nullptr : options_.partials->picture(TaskId{*task});
    if (!found) return refusal(404, "no picture of task " + id + " is kept here");
    net::HttpResponse response;
    response.content_type = image::content_type(found->format);
    response.bytes = {found, &found->bytes};
    return response;
  }

  net::HttpResponse resource(const net::HttpRequest&, const std::string& id) const {
    if (!base::is_sha256_hex(id)) return refusal(400, "the id of a resource is its SHA-256");
    if (options_.resources == nullptr) return refusal(404, "no resources are kept here");
    auto opened = options_.resources->open(id);
    if (!opened.ok()) {
      const bool missing = opened.error().code == ErrorCode::kNotFound;
      return refusal(missing ? 404 : 503, opened.error().message);
    }
    struct stat status {};
    if (::fstat(opened->get(), &status) != 0) return refusal(503, "the resource cannot be read");
    net::HttpResponse response;
    response.content_type = "application/octet-stream";
    const auto size = static_cast<std::uint64_t>(status.st_size);
    response.stream_bytes = size;
    response.stream = [file = std::make_shared<base::UniqueFd>(std::move(*opened)), size](
                          const net::HttpSink& sink) { return send_file(file->get(), size, sink); };
    return response;
  }

  net::HttpResponse spread(const net::HttpRequest& request, const std::string& id) const {
    const auto session = number_of(id);
    const auto stripe = number_of(request.query("stripe").value_or(""));
    if (!session) return refusal(400, "what is spread has the number of its session");
    if (!stripe) return refusal(400, "\"stripe\" is 0 or 1");
    auto arrival = options_.arrivals ? options_.arrivals(SessionId{*session}, kBegins) : nullptr;
    if (!arrival) return refusal(404, "no files of session " + id + " are or come here");
    auto sending = resources::Arrival::Sending::make(std::move(arrival), *stripe,
                                                     request.header(kHaveHeader).value_or(""));
    if (!sending.ok()) return refusal(400, sending.error().message);
    net::HttpResponse response;
    response.content_type = "application/octet-stream";
    response.stream = [sending =
                           std::make_shared<resources::Arrival::Sending>(std::move(*sending))](
                          const net::HttpSink& sink) { return send_stripe(*sending, sink); };
    return response;
  }

  const ResourceServerOptions options_;
  const net::BlobTokens tokens_;
  net::HttpServer server_;
};

Result<std::unique_ptr<ResourceServer>> ResourceServer::start(const ResourceServerOptions& options,
                                                              const net::ClusterKeys& keys) {
  auto impl = std::make_unique<Impl>(options, keys);
  if (auto started = impl->start(); !started.ok()) return started.error();
  return std::unique_ptr<ResourceServer>(new ResourceServer(std::move(impl)));
}

ResourceServer::ResourceServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ResourceServer::~ResourceServer() = default;
std::uint16_t ResourceServer::port() const { return impl_->port(); }

}  // namespace francine::runtime
