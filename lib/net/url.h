// URLs of http and https as libcurl, which connects to them, understands them: what is
// checked here is what is reached there.
//
// Thread safety: any thread.

#ifndef FRANCINE_NET_URL_H
#define FRANCINE_NET_URL_H

#include <string>
#include <string_view>

#include <francine/result.h>

namespace francine::net {

struct HttpUrl {
  std::string scheme;  ///< "http" or "https"
  std::string host;    ///< in lower case, with the port if one is given; of IPv6 in brackets
  std::string path;    ///< as written, with "/" at its front; without query and fragment
  bool user = false;   ///< whether it names a user or a password

  /// For people: without query, in which signed URLs carry their signatures.
  std::string shown() const { return scheme + "://" + host + path; }
};

/// kInvalidArgument: malformed, or of another scheme; the sentence does not repeat it and
/// continues a field's name ("is not a URL").
Result<HttpUrl> parse_http_url(const std::string& url);

/// With %XX for all but letters, digits and "-._~" (RFC 3986), and but "/" if it is kept.
std::string percent_encoded(std::string_view text, bool keep_slashes = false);

}  // namespace francine::net

#endif  // FRANCINE_NET_URL_H
