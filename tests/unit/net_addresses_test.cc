#include "net/addresses.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <string>

#include "net/url.h"

namespace francine::net {
namespace {

bool inside(const std::string& text) {
  sockaddr_storage storage{};
  sockaddr_in ipv4{};
  sockaddr_in6 ipv6{};
  if (::inet_pton(AF_INET, text.c_str(), &ipv4.sin_addr) == 1) {
    ipv4.sin_family = AF_INET;
    std::memcpy(&storage, &ipv4, sizeof(ipv4));
  } else {
    REQUIRE(::inet_pton(AF_INET6, text.c_str(), &ipv6.sin6_addr) == 1);
    ipv6.sin6_family = AF_INET6;
    std::memcpy(&storage, &ipv6, sizeof(ipv6));
  }
  return is_inside(reinterpret_cast<const sockaddr&>(storage));
}

TEST_CASE("addresses of this machine, of its networks and of metadata services are inside") {
  for (const char* address : {"0.0.0.0",
                              "0.1.2.3",
                              "10.0.0.1",
                              "10.255.255.255",
                              "100.64.0.1",
                              "100.127.255.255",
                              "127.0.0.1",
                              "127.255.0.1",
                              "168.63.129.16",
                              "169.254.169.254",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.0.0.170",
                              "192.0.2.1",
                              "192.168.1.1",
                              "198.18.0.1",
                              "198.19.255.255",
                              "198.51.100.7",
                              "203.0.113.9",
                              "224.0.0.1",
                              "239.255.255.255",
                              "240.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "::127.0.0.1",
                              "::ffff:127.0.0.1",
                              "::ffff:10.0.0.1",
                              "::ffff:169.254.169.254",
                              "64:ff9b::10.0.0.1",
                              "64:ff9b:1::1",
                              "2002:7f00:1::1",
                              "2002:a00:1::",
                              "2001::1",
                              "2001:2::1",
                              "2001:db8::1",
                              "3fff:fff::1",
                              "fc00::1",
                              "fd00:ec2::254",
                              "fe80::1",
                              "fec0::1",
                              "ff02::1",
                              "100::1",
                              "4000::1"}) {
    CHECK_MESSAGE(inside(address), address);
  }
}

TEST_CASE("addresses of the public internet are not inside") {
  for (const char* address : {"1.1.1.1",           "8.8.8.8",         "9.255.255.255",
                              "11.0.0.0",          "100.63.255.255",  "100.128.0.0",
                              "126.255.255.255",   "128.0.0.1",       "168.63.129.17",
                              "169.253.255.255",   "172.15.255.255",  "172.32.0.0",
                              "192.167.255.255",   "192.169.0.0",     "198.17.255.255",
                              "198.20.0.0",        "223.255.255.255", "2606:4700::1111",
                              "2a00:1450:4001::1", "::ffff:8.8.8.8",  "64:ff9b::8.8.8.8",
                              "2002:808:808::1",   "3ffe::1"}) {
    CHECK_MESSAGE(!inside(address), address);
  }
}

TEST_CASE("addresses that are neither of IPv4 nor of IPv6 are inside") {
  sockaddr address{};
  address.sa_family = AF_UNIX;
  CHECK(is_inside(address));
}

TEST_CASE("a URL is split as libcurl splits it") {
  const auto url = parse_http_url("HTTPS://Example.com:8443/a/b.obj?signature=secret#part");
  REQUIRE(url.ok());
  CHECK(url->scheme == "https");
  CHECK(url->host == "example.com:8443");
  CHECK(url->path == "/a/b.obj");
  CHECK_FALSE(url->user);
  CHECK(url->shown() == "https://example.com:8443/a/b.obj");
  CHECK(parse_http_url("http://anna@h/")->user);
  CHECK(parse_http_url("http://:secret@h/")->user);
  CHECK(parse_http_url("http://[::1]/a")->host == "[::1]");
  CHECK(parse_http_url("http://h")->path == "/");
}

TEST_CASE("what is no URL of http or https is refused, without repeating it") {
  for (const std::string& url :
       {std::string(), std::string("a.obj"), std::string("/a"), std::string("ftp://h/a"),
        std::string("file:///etc/passwd"), std::string("gopher://h"), std::string("http://"),
        std::string("http://h:99999/"), std::string("http://a b/"),
        std::string("http://h/a\0b", 12)}) {
    const auto parsed = parse_http_url(url);
    REQUIRE_MESSAGE(!parsed.ok(), url);
    CHECK(parsed.error().code == ErrorCode::kInvalidArgument);
    CHECK(parsed.error().message.starts_with("is "));
  }
}

TEST_CASE("percent encoding keeps what RFC 3986 calls unreserved") {
  CHECK(percent_encoded("aZ09-._~") == "aZ09-._~");
  CHECK(percent_encoded("a b/ü'+&") == "a%20b%2F%C3%BC%27%2B%26");
  CHECK(percent_encoded("a b/c", true) == "a%20b/c");
}

}  // namespace
}  // namespace francine::net
