// `http`: a URL. Its version is the ETag, else Last-Modified (RFC 9110, 8.8).

#include <array>
#include <utility>

#include "net/url.h"
#include "providers/descriptions.h"
#include "providers/fields.h"
#include "providers/http_fetch.h"

namespace francine::providers {
namespace {

constexpr std::string_view kCure = "a URL of http or https, such as \"https://example.com/a.obj\"";

class UrlSource final : public HttpSource {
 public:
  UrlSource(const std::string& url, unsigned max_redirects)
      : url_(url), max_redirects_(max_redirects) {}

  std::optional<Failure> prepare(const Credentials&, const std::string& version, bool range,
                                 net::HttpCall& call) override {
    call.url = url_;
    call.headers = {{"Accept-Encoding", "identity"}};
    // A weak ETag does not say that the bytes are the same; with another one the answer is
    // the whole, by which the change is seen.
    if (range && !version.empty() && !version.starts_with("W/")) {
      call.headers.emplace_back("If-Range", version);
    }
    return std::nullopt;
  }

  std::string version(const net::HttpAnswer& answer) const override {
    const std::string_view etag = answer.header("etag");
    return std::string(etag.empty() ? answer.header("last-modified") : etag);
  }

  bool is_exact(const std::string& version) const override { return is_strong_etag(version); }

  Failure explain(const net::HttpAnswer& answer) const override {
    const std::string answers = "the server answers " + std::to_string(answer.status);
    if (answer.status == 404 || answer.status == 410) return {{ErrorCode::kNotFound, answers}};
    if (answer.status == 401 || answer.status == 403 || answer.status == 407) {
      return {{ErrorCode::kForbidden, answers + "; only what is open to everybody can be fetched"}};
    }
    return failure_of_status(answer.status, answer.retry_after_s, "the server");
  }

  unsigned max_redirects() const override { return max_redirects_; }

 private:
  const std::string& url_;
  const unsigned max_redirects_;
};

net::HttpClientOptions guarded(const ProviderOptions& options) {
  net::HttpClientOptions guarded = client_options(options.limits);
  guarded.refuse_inside = !options.http.allow_private;
  return guarded;
}

std::string show(const Fields& fields) {
  const auto url = net::parse_http_url(std::string(field_or_empty(fields, "url")));
  return url.ok() ? url->shown() : std::string();
}

class HttpProvider final : public ResourceProvider {
 public:
  explicit HttpProvider(const ProviderOptions& options)
      : limits_(options.limits),
        max_redirects_(options.http.max_redirects),
        client_(guarded(options)) {}

  Result<Fetched> fetch(const FetchRequest& request, const Sink& sink,
                        std::stop_token stop) override {
    const std::string url(field_or_empty(request.fields, "url"));
    UrlSource source(url, max_redirects_);
    return fetch_over_http({client_, limits_, "http", show(request.fields)}, source, request, sink,
                           stop);
  }

 private:
  const TransferLimits limits_;
  const unsigned max_redirects_;
  net::HttpClient client_;
};

Result<void> check(const Fields& fields, std::string_view where) {
  if (auto text = check_text(fields, "url", where, kCure); !text.ok()) return text;
  const auto url = net::parse_http_url(std::string(field_or_empty(fields, "url")));
  if (!url.ok()) {
    return bad_field(where, "url", url.error().message + "; give " + std::string(kCure));
  }
  if (url->user) {
    return bad_field(where, "url",
                     "holds a user name or a password, which all who see the session would read; "
                     "give one without");
  }
  return {};
}

Result<std::unique_ptr<ResourceProvider>> create(const ProviderOptions& options) {
  if (options.limits.environment_proxy && !options.http.allow_private) {
    // Behind a proxy nobody can tell where a connection leads.
    return std::unique_ptr<ResourceProvider>();
  }
  return std::unique_ptr<ResourceProvider>(std::make_unique<HttpProvider>(options));
}

constexpr std::array<FieldDescription, 1> kFields = {{
    {"url", "a URL of http or https, without user and password"},
}};

}  // namespace

const ProviderDescription kHttpProvider = {
    .name = "http",
    .summary = "a URL of http or https",
    .fields = kFields,
    .configuration = "http.allowPrivate, since it uses a proxy",
    .check = &check,
    .show = &show,
    .create = &create,
};

}  // namespace francine::providers
