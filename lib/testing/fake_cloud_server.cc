#include "testing/fake_cloud_server.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <stdexcept>

#include "base/crypto.h"
#include "net/json_writer.h"
#include "net/url.h"

namespace francine::testing {
namespace {

using net::HttpRequest;
using net::HttpResponse;
using Form = std::map<std::string, std::string, std::less<>>;

std::string form_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(&text[i + 1], &text[i + 1] + 2, byte, 16).ec == std::errc()) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

Form read_form(std::string_view body) {
  Form form;
  while (!body.empty()) {
    const std::string_view pair = body.substr(0, body.find('&'));
    const auto equals = std::min(pair.find('='), pair.size());
    form[form_decoded(pair.substr(0, equals))] =
        form_decoded(pair.substr(std::min(equals + 1, pair.size())));
    body.remove_prefix(std::min(pair.size() + 1, body.size()));
  }
  return form;
}

std::string member(const Form& form, std::string_view name) {
  const auto found = form.find(name);
  return found == form.end() ? std::string() : found->second;
}

bool has_parameter(const HttpRequest& request, const std::string& parameter) {
  const auto equals = parameter.find('=');
  const auto value = request.query(parameter.substr(0, equals));
  return value &&
         (equals == std::string::npos ? !value->empty() : *value == parameter.substr(equals + 1));
}

HttpResponse oauth_error(int status, std::string_view error) {
  std::string json;
  net::JsonWriter(json).begin_object().member("error", error).end_object();
  return json_answer(status, std::move(json));
}

HttpResponse page(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/plain";
  response.body = std::move(text);
  return response;
}

/// The first byte that "bytes=5-" asks for; nothing: the whole.
std::optional<std::uint64_t> first_byte(const HttpRequest& request) {
  std::string_view range = request.header("Range").value_or("");
  if (!range.starts_with("bytes=") || !range.ends_with("-")) return std::nullopt;
  range = range.substr(6, range.size() - 7);
  std::uint64_t first = 0;
  const auto [end, error] = std::from_chars(range.data(), range.data() + range.size(), first);
  if (error != std::errc() || end != range.data() + range.size()) return std::nullopt;
  return first;
}

/// Whether this fault is left; then one less is.
bool use_up(unsigned& count) {
  if (count == 0) return false;
  --count;
  return true;
}

}  // namespace

HttpResponse json_answer(int status, std::string json) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(json);
  return response;
}

FakeCloudServer::FakeCloudServer(FakeCloudOptions options)
    : options_(std::move(options)), http_(net::HttpServerOptions{}) {}

void FakeCloudServer::stop() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  closing_changed_.notify_all();
  http_.stop(std::chrono::milliseconds(0));
}

void FakeCloudServer::start() {
  const auto started = http_.start();
  if (!started.ok()) throw std::runtime_error(started.error().message);
}

std::string FakeCloudServer::url() const {
  return "http://127.0.0.1:" + std::to_string(http_.port());
}

void FakeCloudServer::route_authorize(const std::string& path, std::vector<std::string> required,
                                      std::vector<std::string> offline) {
  http_.route("GET", path,
              [this, required = std::move(required), offline = std::move(offline)](
                  HttpRequest& request) { return authorize(request, required, offline); });
}

void FakeCloudServer::route_token(const std::string& path) {
  http_.route("POST", path, [this](HttpRequest& request) { return token(request); });
}

HttpResponse FakeCloudServer::authorize(const HttpRequest& request,
                                        const std::vector<std::string>& required,
                                        const std::vector<std::string>& offline) {
  for (const std::string& parameter : required) {
    if (!has_parameter(request, parameter)) return page(400, "missing " + parameter);
  }
  if (!has_parameter(request, "response_type=code")) return page(400, "missing response_type");
  if (request.query("client_id") != options_.client_id) return page(400, "unknown client_id");
  Code given;
  given.redirect_uri = request.query("redirect_uri").value_or("");
  given.offline = std::ranges::all_of(
      offline, [&](const std::string& parameter) { return has_parameter(request, parameter); });
  const std::string code = base::random_hex(16);
  const std::string redirect_uri = given.redirect_uri;
  {
    const std::lock_guard lock(mutex_);
    codes_[code] = given;
  }
  const std::string state(request.query("state").value_or(""));
  // Where there is nobody to redirect to, the user copies the code from the page.
  HttpResponse response = page(redirect_uri.empty() ? 200 : 302, code + "\n" + state);
  if (!redirect_uri.empty()) {
    response.headers.emplace_back(
        "Location", redirect_uri + "?code=" + code + "&state=" + net::percent_encoded(state));
  }
  return response;
}

HttpResponse FakeCloudServer::token(const HttpRequest& request) {
  const Form form = read_form(request.body());
  if (request.header("Content-Type") != "application/x-www-form-urlencoded") {
    return oauth_error(400, "invalid_request");
  }
  if (member(form, "client_id") != options_.client_id ||
      member(form, "client_secret") != options_.client_secret) {
    return oauth_error(401, "invalid_client");
  }
  const std::string grant = member(form, "grant_type");
  const std::lock_guard lock(mutex_);
  if (grant == "authorization_code") {
    const auto code = codes_.find(member(form, "code"));
    if (code == codes_.end() || code->second.redirect_uri != member(form, "redirect_uri")) {
      return oauth_error(400, "invalid_grant");
    }
    const bool offline = code->second.offline;
    codes_.erase(code);
    ++counts_.exchanges;
    return tokens(offline);
  }
  if (grant == "refresh_token") {
    if (!refresh_tokens_.contains(member(form, "refresh_token"))) {
      return oauth_error(400, "invalid_grant");
    }
    ++counts_.refreshes;
    return tokens(false);
  }
  return oauth_error(400, "unsupported_grant_type");
}

/// Under the lock.
HttpResponse FakeCloudServer::tokens(bool with_refresh) {
  const std::string access = "access-" + base::random_hex(16);
  access_tokens_.insert(access);
  std::string json;
  net::JsonWriter writer(json);
  writer.begin_object().member("access_token", access).member("token_type", "bearer");
  writer.member("expires_in", options_.token_lifetime_s);
  if (with_refresh) {
    const std::string refresh = "refresh-" + base::random_hex(16);
    refresh_tokens_.insert(refresh);
    writer.member("refresh_token", refresh);
  }
  writer.end_object();
  return json_answer(200, std::move(json));
}

FakeCloudServer::Access FakeCloudServer::access(const HttpRequest& request) const {
  std::string_view token = request.header("Authorization").value_or("");
  if (!token.starts_with("Bearer ")) return Access::kUnknown;
  token.remove_prefix(7);
  const std::lock_guard lock(mutex_);
  if (access_tokens_.contains(std::string(token))) return Access::kGiven;
  return expired_.contains(std::string(token)) ? Access::kExpired : Access::kUnknown;
}

FakeCloudServer::Trouble FakeCloudServer::begin_content(std::uint32_t& retry_after_s) {
  const std::lock_guard lock(mutex_);
  ++counts_.content_requests;
  retry_after_s = faults_.retry_after_s;
  if (use_up(faults_.throttled)) return Trouble::kThrottled;
  if (use_up(faults_.broken)) return Trouble::kBroken;
  return Trouble::kNone;
}

HttpResponse FakeCloudServer::content(const HttpRequest& request, const FakeContent& content) {
  CloudFaults faults;  // of this answer
  {
    const std::lock_guard lock(mutex_);
    faults.ignore_ranges = faults_.ignore_ranges;
    faults.after_bytes = faults_.after_bytes;
    faults.bytes_per_second = faults_.bytes_per_second;
    if (use_up(faults_.torn)) {
      faults.torn = 1;
    } else if (use_up(faults_.stalled)) {
      faults.stalled = 1;
    } else if (use_up(faults_.corrupted)) {
      faults.corrupted = 1;
    }
    faults.change_after = use_up(faults_.change_after) ? 1 : 0;
  }
  HttpResponse response;
  response.content_type = "application/octet-stream";
  response.headers = content.headers;
  const std::size_t size = content.bytes.size();
  const bool whole = faults.ignore_ranges || !first_byte(request);
  const std::uint64_t first = whole ? 0 : *first_byte(request);
  if (!whole && first >= size) {
    response.status = 416;
    response.headers.emplace_back("Content-Range", "bytes */" + std::to_string(size));
    return response;
  }
  std::string bytes = content.bytes.substr(first);
  if (!whole) {
    response.status = 206;
    response.headers.emplace_back("Content-Range", "bytes " + std::to_string(first) + "-" +
                                                       std::to_string(size - 1) + "/" +
                                                       std::to_string(size));
  }
  if (faults.corrupted > 0 && !bytes.empty()) bytes[bytes.size() / 2] ^= 1;
  response.stream_bytes = bytes.size();
  response.stream = [this, bytes = std::move(bytes), faults,
                     change = content.change](const net::HttpSink& sink) {
    const bool sent = send(sink, bytes, faults);
    if (faults.change_after > 0) change();
    return sent;
  };
  return response;
}

bool FakeCloudServer::send(const net::HttpSink& sink, std::string_view bytes,
                           const CloudFaults& faults) {
  constexpr std::uint64_t kPiece = 64 << 10;
  constexpr std::uint64_t kPiecesPerSecond = 20;
  const std::uint64_t rate = faults.bytes_per_second;
  const std::uint64_t size =
      rate == 0 ? kPiece : std::clamp<std::uint64_t>(rate / kPiecesPerSecond, 1, kPiece);
  const bool partly = faults.torn > 0 || faults.stalled > 0;
  if (partly) bytes = bytes.substr(0, faults.after_bytes);
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, size);
    bytes.remove_prefix(piece.size());
    {
      // Before the client has them: it may look at once.
      const std::lock_guard lock(mutex_);
      counts_.content_bytes += piece.size();
    }
    if (!sink(piece)) return false;
    if (rate == 0) continue;
    std::unique_lock lock(mutex_);
    const std::chrono::microseconds pause(piece.size() * 1'000'000 / rate);
    if (closing_changed_.wait_for(lock, pause, [this] { return closing_; })) return false;
  }
  if (faults.stalled > 0) {
    std::unique_lock lock(mutex_);
    closing_changed_.wait(lock, [this] { return closing_; });
  }
  return !partly;
}

std::string FakeCloudServer::access_token() {
  const std::lock_guard lock(mutex_);
  return *access_tokens_.insert("access-" + base::random_hex(16)).first;
}

void FakeCloudServer::expire_access_tokens() {
  const std::lock_guard lock(mutex_);
  expired_.merge(access_tokens_);
  access_tokens_.clear();
}

void FakeCloudServer::withdraw() {
  const std::lock_guard lock(mutex_);
  access_tokens_.clear();
  refresh_tokens_.clear();
  codes_.clear();
}

void FakeCloudServer::set_faults(const CloudFaults& faults) {
  const std::lock_guard lock(mutex_);
  faults_ = faults;
}

CloudCounts FakeCloudServer::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace francine::testing
