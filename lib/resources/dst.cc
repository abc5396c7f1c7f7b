#include "resources/dst.h"

#include <cstdint>
#include <map>

#include "base/utf8.h"

namespace francine::resources {
namespace {

Error refused(std::string_view field, const std::string& why) {
  return {ErrorCode::kInvalidArgument, std::string(field) + " " + why};
}

Result<void> check_characters(std::string_view dst, std::string_view field) {
  while (!dst.empty()) {
    const std::int32_t point = base::next_code_point(dst);
    if (point < 0) return refused(field, "is not valid UTF-8");
    if (point == 0) return refused(field, "contains a NUL character");
    if (point == '\\') return refused(field, "contains a backslash; divide its parts by \"/\"");
    if (base::is_control(point)) {
      return refused(field, "contains a control character");
    }
  }
  return {};
}

}  // namespace

Result<void> check_dst(std::string_view dst, std::string_view field) {
  if (dst.empty()) return refused(field, "is empty; give a relative path");
  if (dst.size() > kMaxDstBytes) {
    return refused(field, "is longer than " + std::to_string(kMaxDstBytes) + " bytes");
  }
  if (auto checked = check_characters(dst, field); !checked.ok()) return checked;
  if (dst.front() == '/') return refused(field, "is absolute; give a relative path");
  for (std::string_view rest = dst;;) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part.empty()) return refused(field, "has an empty part (\"//\" or a \"/\" at its end)");
    if (part == "." || part == "..") {
      return refused(field, "contains \"" + std::string(part) + "\"; give a plain relative path");
    }
    if (part.size() > kMaxDstPartBytes) {
      return refused(field,
                     "has a part longer than " + std::to_string(kMaxDstPartBytes) + " bytes");
    }
    if (slash == std::string_view::npos) return {};
    rest.remove_prefix(slash + 1);
  }
}

Result<void> check_dsts(std::span<const std::string> dsts, std::string_view list) {
  const auto field = [list](std::size_t index) {
    return std::string(list) + "[" + std::to_string(index) + "].dst";
  };
  std::map<std::string_view, std::size_t> files;
  for (std::size_t i = 0; i < dsts.size(); ++i) {
    if (auto checked = check_dst(dsts[i], field(i)); !checked.ok()) return checked;
    const auto [same, added] = files.emplace(dsts[i], i);
    if (!added) {
      return refused(field(i), "is the same as " + field(same->second) + ": \"" + dsts[i] + "\"");
    }
  }
  for (std::size_t i = 0; i < dsts.size(); ++i) {
    const std::string_view dst = dsts[i];
    for (std::size_t slash = dst.find('/'); slash != std::string_view::npos;
         slash = dst.find('/', slash + 1)) {
      const auto file = files.find(dst.substr(0, slash));
      if (file == files.end()) continue;
      return refused(
          field(i), "lies below " + field(file->second) + ", which is a file: \"" + dsts[i] + "\"");
    }
  }
  return {};
}

}  // namespace francine::resources
