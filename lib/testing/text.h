// Text: a line in the making. Internal to lib/testing.

#ifndef FRANCINE_TESTING_TEXT_H
#define FRANCINE_TESTING_TEXT_H

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "core/effects.h"
#include "core/events.h"
#include "core/task.h"

namespace francine::testing {

/// Appends words with one space between them.
class Text {
 public:
  Text() { out_.reserve(96); }

  Text& operator<<(std::string_view word) {
    space();
    out_ += word;
    return *this;
  }
  Text& operator<<(const char* word) { return *this << std::string_view(word); }
  template <std::integral T>
  Text& operator<<(T number) {
    space();
    out_ += std::to_string(number);
    return *this;
  }
  Text& operator<<(WorkerId id) { return id_of('w', static_cast<std::uint64_t>(id)); }
  Text& operator<<(SessionId id) { return id_of('s', static_cast<std::uint64_t>(id)); }
  Text& operator<<(ExecutionId id) { return id_of('e', static_cast<std::uint64_t>(id)); }
  Text& operator<<(TaskId id) { return id_of('t', static_cast<std::uint64_t>(id)); }
  Text& operator<<(core::RequestId id) { return id_of('r', static_cast<std::uint64_t>(id)); }
  Text& operator<<(TaskKind kind) {
    return *this << (kind == TaskKind::kProduce ? "produce" : "reduce");
  }
  Text& operator<<(ShareRange shares) {
    space();
    out_ += '[' + std::to_string(shares.begin) + ',' + std::to_string(shares.end) + ')';
    return *this;
  }
  Text& quoted(std::string_view text) {
    space();
    out_ += '"';
    out_ += text;
    out_ += '"';
    return *this;
  }
  /// The word and the value, unless it is the default.
  template <typename T>
  Text& field(std::string_view name, const T& value, const T& otherwise = {}) {
    return value == otherwise ? *this : *this << name << value;
  }
  Text& flag(std::string_view name, bool set) { return set ? *this << name : *this; }

  std::string take() { return std::move(out_); }

 private:
  void space() {
    if (!out_.empty()) out_ += ' ';
  }
  Text& id_of(char letter, std::uint64_t number) {
    space();
    out_ += letter;
    out_ += std::to_string(number);
    return *this;
  }

  std::string out_;
};

inline Text& operator<<(Text& text, const core::TaskTimes& times) {
  return text.field("fetching", times.fetching_us)
      .field("producing", times.producing_us)
      .field("reducing", times.reducing_us);
}

/// "means 0.5" if they are all alike.
Text& operator<<(Text& text, const core::TileMeans& means);

std::string_view word_of(core::ExecutionPhase phase);
std::string_view word_of(core::TaskOutcome outcome);
std::string_view word_of(ErrorCode code);
std::string_view word_of(core::WorkerStanding standing);
std::string_view word_of(LogLevel level);
/// Tells sealed tokens apart and shows none: "sealed-0123abcd", or "none".
std::string sealed_text(std::string_view sealed);
void put(Text& text, const core::WorkerReport& report);

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_TEXT_H
