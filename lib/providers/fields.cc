#include "providers/fields.h"

#include <cstdint>

#include "base/utf8.h"

namespace francine::providers {
namespace {

std::string give(std::string_view why, std::string_view cure) {
  return std::string(why) + "; give " + std::string(cure);
}

}  // namespace

std::string_view field_or_empty(const Fields& fields, std::string_view name) {
  const auto found = fields.find(name);
  return found == fields.end() ? std::string_view{} : std::string_view(found->second);
}

Error bad_field(std::string_view where, std::string_view name, std::string_view why) {
  return {ErrorCode::kInvalidArgument,
          std::string(where) + "." + std::string(name) + " " + std::string(why)};
}

Result<void> check_text(const Fields& fields, std::string_view name, std::string_view where,
                        std::string_view cure, std::size_t max_bytes) {
  const auto found = fields.find(name);
  if (found == fields.end()) return bad_field(where, name, give("is missing", cure));
  std::string_view text = found->second;
  if (text.empty()) return bad_field(where, name, give("is empty", cure));
  if (text.size() > max_bytes) {
    return bad_field(where, name, "is longer than " + std::to_string(max_bytes) + " bytes");
  }
  while (!text.empty()) {
    const std::int32_t point = base::next_code_point(text);
    if (point < 0) return bad_field(where, name, "is not valid UTF-8");
    if (base::is_control(point)) return bad_field(where, name, "contains a control character");
  }
  return {};
}

Result<void> check_absolute_path(const Fields& fields, std::string_view name,
                                 std::string_view where, std::string_view cure) {
  if (auto text = check_text(fields, name, where, cure); !text.ok()) return text;
  std::string_view path = field_or_empty(fields, name);
  if (path.front() != '/') {
    return bad_field(where, name, give("does not start with \"/\"", cure));
  }
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view part = path.substr(0, path.find('/'));
    if (part.empty()) {
      return bad_field(where, name, give("has an empty part (\"//\" or a \"/\" at its end)", cure));
    }
    if (part == "." || part == "..") {
      return bad_field(where, name, "contains \"" + std::string(part) + "\"; give the plain path");
    }
    path.remove_prefix(part.size());
  }
  return {};
}

}  // namespace francine::providers
