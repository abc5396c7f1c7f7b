#include "runtime/params_reader.h"

#include <rapidjson/document.h>

#include <string>

#include "net/json_rpc.h"

namespace francine::runtime {

using Json = rapidjson::Value;

Error wrong_message(std::string_view where, std::string_view what) {
  return {ErrorCode::kInvalidArgument, "The message is not of the worker protocol: " +
                                           std::string(where) + " " + std::string(what) + "."};
}

ParamsReader::ParamsReader(const Json& object) : object_(object) {
  if (!object.IsObject()) error_ = wrong_message("its content", "is not an object");
}

void ParamsReader::fail(std::string_view name, std::string_view what) {
  if (!error_) error_ = wrong_message('"' + std::string(name) + '"', what);
}

const Json* ParamsReader::member(std::string_view name) const {
  return net::find_member(object_, name);
}

std::uint64_t ParamsReader::uint(std::string_view name, const Json* value, std::uint64_t max,
                                 std::uint64_t min) {
  if (value != nullptr && value->IsUint64()) {
    const std::uint64_t number = value->GetUint64();
    if (number >= min && number <= max) return number;
  }
  fail(name, "is not an integer in the permitted range");
  return 0;
}

std::uint64_t ParamsReader::uint(std::string_view name, std::uint64_t max, std::uint64_t min) {
  return uint(name, member(name), max, min);
}

std::int64_t ParamsReader::integer(std::string_view name) {
  const Json* value = member(name);
  if (value != nullptr && value->IsInt64()) return value->GetInt64();
  fail(name, "is not an integer");
  return 0;
}

bool ParamsReader::flag(std::string_view name) {
  const Json* value = member(name);
  if (value == nullptr) return false;
  if (!value->IsBool()) fail(name, "is not a boolean");
  return value->IsTrue();
}

std::string_view ParamsReader::text(std::string_view name, const Json* value,
                                    std::size_t max_bytes) {
  if (value != nullptr && value->IsString() && value->GetStringLength() <= max_bytes) {
    return {value->GetString(), value->GetStringLength()};
  }
  fail(name, "is not a text of a permitted length");
  return {};
}

std::string_view ParamsReader::text(std::string_view name, std::size_t max_bytes) {
  return text(name, member(name), max_bytes);
}

std::span<const Json> ParamsReader::list(std::string_view name, const Json* value, std::size_t max,
                                         std::size_t min) {
  if (value != nullptr && value->IsArray() && value->Size() >= min && value->Size() <= max) {
    return {value->Begin(), value->Size()};
  }
  fail(name, "is not an array of a permitted length");
  return {};
}

std::span<const Json> ParamsReader::list(std::string_view name, std::size_t max, std::size_t min) {
  const Json* value = member(name);
  if (value == nullptr && min == 0) return {};
  return list(name, value, max, min);
}

template <typename Id>
std::vector<Id> ParamsReader::ids(std::string_view name) {
  std::vector<Id> ids;
  const auto values = list(name, kMaxIds);
  ids.reserve(values.size());
  for (const Json& value : values) ids.push_back(Id{uint(name, &value)});
  return ids;
}

std::vector<TaskId> ParamsReader::task_ids(std::string_view name) { return ids<TaskId>(name); }

std::vector<SessionId> ParamsReader::session_ids(std::string_view name) {
  return ids<SessionId>(name);
}

core::TaskTimes ParamsReader::times(std::string_view name) {
  const auto values = list(name, 3, 3);
  if (values.empty()) return {};
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const auto at = [&](std::size_t i) {
    return static_cast<std::int64_t>(uint(name, &values[i], kMax));
  };
  return {at(0), at(1), at(2)};
}

ShareRange ParamsReader::shares(std::string_view name, const Json* begin_and_end) {
  const auto begin = static_cast<std::uint32_t>(uint(name, begin_and_end, kMaxParallel));
  const auto end = static_cast<std::uint32_t>(uint(name, begin_and_end + 1, kMaxParallel));
  if (begin >= end) fail(name, "is an empty range");
  return {begin, end};
}

std::size_t ParamsReader::place(std::string_view name, const Json* value,
                                std::span<const std::string_view> words) {
  constexpr std::size_t kLongestWord = 64;
  const std::string_view given = text(name, value, kLongestWord);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == given) return i;
  }
  fail(name, "is not one of the words known");
  return 0;
}

}  // namespace francine::runtime
