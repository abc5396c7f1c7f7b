#include <francine/producer.h>

#include <rapidjson/document.h>

#include "producers/json.h"

namespace francine {
namespace {

// RFC 7396. Recursion is bounded by the depth of the patch, which is.
void merge_patch(rapidjson::Value& target, const rapidjson::Value& patch,
                 rapidjson::Document::AllocatorType& allocator) {
  if (!patch.IsObject()) {
    target.CopyFrom(patch, allocator);
    return;
  }
  if (!target.IsObject()) target.SetObject();
  for (const auto& member : patch.GetObject()) {
    auto found = target.FindMember(member.name);
    if (member.value.IsNull()) {
      if (found != target.MemberEnd()) target.EraseMember(found);
      continue;
    }
    if (found == target.MemberEnd()) {
      target.AddMember(rapidjson::Value(member.name, allocator), rapidjson::Value(), allocator);
      found = target.MemberEnd() - 1;
    }
    merge_patch(found->value, member.value, allocator);
  }
}

}  // namespace

Result<std::string> Producer::apply_update(std::string_view settings,
                                           std::string_view update) const {
  rapidjson::Document target;
  rapidjson::Document patch;
  if (auto parsed = producers::parse_object(settings, "settings", target); !parsed) {
    return parsed.error();
  }
  if (auto parsed = producers::parse_object(update, "update", patch); !parsed) {
    return parsed.error();
  }
  merge_patch(target, patch, target.GetAllocator());
  return producers::to_text(target);
}

Result<void> Producer::check(const SceneFiles&) const { return {}; }

}  // namespace francine
