#include "producers/table.h"

#include <utility>

#include "producers/json.h"

namespace francine::producers {
namespace {

bool is_name(std::string_view name) {
  constexpr std::size_t kMaxName = 32;
  return !name.empty() && name.size() <= kMaxName &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == name.npos;
}

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

// "a", "a and b", "a, b and c".
std::string enumerate(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " and " : ", ";
    text += names[i];
  }
  return text;
}

}  // namespace

Result<ProducerTable> ProducerTable::make(
    const std::vector<std::shared_ptr<const Producer>>& added) {
  ProducerTable table;
  const auto built_in = make_ao_producer();
  table.producers_.emplace(built_in->name(), built_in);
  for (std::size_t i = 0; i < added.size(); ++i) {
    if (added[i] == nullptr) return invalid("producers[" + std::to_string(i) + "] is null");
    const std::string name(added[i]->name());
    if (!is_name(name)) {
      return invalid("producers[" + std::to_string(i) + "] is named " + in_quotes(name) +
                     "; a name has 1 to 32 characters of a-z, 0-9, _ and -");
    }
    if (!table.producers_.emplace(name, added[i]).second) {
      return invalid("there are two producers named " + in_quotes(name) + "; rename one");
    }
  }
  return table;
}

Result<std::shared_ptr<const Producer>> ProducerTable::find(std::string_view name) const {
  const auto found = producers_.find(name);
  if (found != producers_.end()) return found->second;
  return invalid("unknown producer " + in_quotes(name) + ": this server has " + enumerate(names()));
}

std::vector<std::string> ProducerTable::names() const {
  std::vector<std::string> names;
  for (const auto& [name, producer] : producers_) names.push_back(name);
  return names;
}

}  // namespace francine::producers
