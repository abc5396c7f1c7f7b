// ParamsReader: reads the members of one JSON object that a peer sent, and
// remembers the first thing that is wrong with them. So a message is read
// straight through and judged once, at the end.
//
// After an error, the values returned are of no meaning (but harmless), so
// nothing may be done with them before error() was asked. Thread safety: none.

#ifndef FRANCINE_RUNTIME_PARAMS_READER_H
#define FRANCINE_RUNTIME_PARAMS_READER_H

#include <rapidjson/fwd.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <francine/ids.h>
#include <francine/result.h>
#include <francine/shares.h>

#include "core/task.h"

namespace francine::runtime {

/// The error of a message that is not of the worker protocol.
Error wrong_message(std::string_view where, std::string_view what);

class ParamsReader {
 public:
  static constexpr std::uint64_t kAnyUint = std::numeric_limits<std::uint64_t>::max();
  static constexpr std::size_t kMaxIds = 1 << 20;  ///< in one list

  explicit ParamsReader(const rapidjson::Value& object);

  // By name: the member must be there, unless it says otherwise.
  std::uint64_t uint(std::string_view name, std::uint64_t max = kAnyUint, std::uint64_t min = 0);
  std::int64_t integer(std::string_view name);
  bool flag(std::string_view name);  ///< false when absent
  std::string_view text(std::string_view name, std::size_t max_bytes);
  /// Elements of an array; empty when it is wrong, or absent and `min` is 0.
  std::span<const rapidjson::Value> list(std::string_view name, std::size_t max,
                                         std::size_t min = 0);
  std::vector<TaskId> task_ids(std::string_view name);        ///< empty when absent
  std::vector<SessionId> session_ids(std::string_view name);  ///< empty when absent
  core::TaskTimes times(std::string_view name);               ///< three integers, not negative
  /// The enumerator whose place among `words` the text has.
  template <typename Enum>
  Enum one_of(std::string_view name, std::span<const std::string_view> words) {
    return static_cast<Enum>(place(name, member(name), words));
  }

  // Of a value within the member of that name; null: absent.
  std::uint64_t uint(std::string_view name, const rapidjson::Value* value,
                     std::uint64_t max = kAnyUint, std::uint64_t min = 0);
  std::string_view text(std::string_view name, const rapidjson::Value* value,
                        std::size_t max_bytes);
  std::span<const rapidjson::Value> list(std::string_view name, const rapidjson::Value* value,
                                         std::size_t max, std::size_t min);
  /// Two integers that make a range that is not empty.
  ShareRange shares(std::string_view name, const rapidjson::Value* begin_and_end);
  template <typename Enum>
  Enum one_of(std::string_view name, const rapidjson::Value* value,
              std::span<const std::string_view> words) {
    return static_cast<Enum>(place(name, value, words));
  }

  const rapidjson::Value* member(std::string_view name) const;  ///< null: absent

  void fail(std::string_view name, std::string_view what);
  const std::optional<Error>& error() const { return error_; }

 private:
  std::size_t place(std::string_view name, const rapidjson::Value* value,
                    std::span<const std::string_view> words);
  template <typename Id>
  std::vector<Id> ids(std::string_view name);

  const rapidjson::Value& object_;
  std::optional<Error> error_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_PARAMS_READER_H
