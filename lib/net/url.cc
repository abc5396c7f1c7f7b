#include "net/url.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>

namespace francine::net {
namespace {

struct FreeUrl {
  void operator()(CURLU* url) const { ::curl_url_cleanup(url); }
};

std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (::curl_url_get(url, part, &text, 0) != CURLUE_OK) return {};
  std::string copy = text;
  ::curl_free(text);
  return copy;
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

}  // namespace

Result<HttpUrl> parse_http_url(const std::string& url) {
  const std::unique_ptr<CURLU, FreeUrl> parsed(::curl_url());
  if (parsed == nullptr) throw std::bad_alloc();
  if (url.find('\0') != std::string::npos ||
      ::curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME) !=
          CURLUE_OK) {
    return Error{ErrorCode::kInvalidArgument, "is not a URL"};
  }
  HttpUrl result;
  result.scheme = part_of(parsed.get(), CURLUPART_SCHEME);
  if (result.scheme != "http" && result.scheme != "https") {
    return Error{ErrorCode::kInvalidArgument, "is not a URL of http or https"};
  }
  result.host = part_of(parsed.get(), CURLUPART_HOST);
  std::ranges::transform(result.host, result.host.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  if (result.host.empty()) return Error{ErrorCode::kInvalidArgument, "is a URL without a host"};
  const std::string port = part_of(parsed.get(), CURLUPART_PORT);
  if (!port.empty()) result.host += ":" + port;
  result.path = part_of(parsed.get(), CURLUPART_PATH);
  result.user = !part_of(parsed.get(), CURLUPART_USER).empty() ||
                !part_of(parsed.get(), CURLUPART_PASSWORD).empty();
  return result;
}

std::string percent_encoded(std::string_view text, bool keep_slashes) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c) || (keep_slashes && c == '/')) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += kDigits[byte >> 4U];
    encoded += kDigits[byte & 15U];
  }
  return encoded;
}

}  // namespace francine::net
