#include "server/sent_token.h"

namespace francine::server {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::optional<std::string_view> sent_token(std::optional<std::string_view> x_api_token,
                                           std::optional<std::string_view> authorization) {
  if (x_api_token) return x_api_token;
  constexpr std::string_view kScheme = "bearer ";
  if (!authorization || authorization->size() < kScheme.size()) return std::nullopt;
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    if (lower((*authorization)[i]) != kScheme[i]) return std::nullopt;
  }
  std::string_view token = authorization->substr(kScheme.size());
  while (token.starts_with(' ')) token.remove_prefix(1);
  return token;
}

}  // namespace francine::server
