// decode(): JSON to durable records, strictly.

#include <algorithm>
#include <cassert>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <francine/shares.h>

#include "base/crypto.h"
#include "base/utf8.h"
#include "journal/record_codec.h"
#include "journal/record_fields.h"

namespace francine::journal {
namespace {

static_assert(kFields <= 32, "a set of fields is 32 bits");

template <typename... Fields>
constexpr std::uint32_t set_of(Fields... fields) {
  return ((std::uint32_t{1} << static_cast<unsigned>(fields)) | ...);
}

/// The fields of each type, in the order of Type.
constexpr std::array<std::uint32_t, kTypeWords.size()> kFieldsOf = {
    set_of(Field::kType, Field::kSession, Field::kName, Field::kOwner, Field::kProducer,
           Field::kFormat, Field::kResources),
    set_of(Field::kType, Field::kSession),
    set_of(Field::kType, Field::kExecution, Field::kSession, Field::kName, Field::kUpdate,
           Field::kParallel, Field::kSeed, Field::kPriority, Field::kSettings, Field::kWidth,
           Field::kHeight, Field::kAt),
    set_of(Field::kType, Field::kExecution, Field::kPhase, Field::kError, Field::kSha256,
           Field::kBytes, Field::kRetries, Field::kColdStarts, Field::kFetchingUs,
           Field::kProducingUs, Field::kReducingUs, Field::kAt),
    set_of(Field::kType, Field::kIncarnation, Field::kCluster, Field::kAt, Field::kNextSession,
           Field::kNextExecution),
    set_of(Field::kType, Field::kName),
    set_of(Field::kType, Field::kName),
    set_of(Field::kType, Field::kUser, Field::kProvider, Field::kSealed),
    set_of(Field::kType, Field::kSession, Field::kResources),
};

/// Records of version 1 do not have it.
constexpr std::uint32_t kAbsentBefore = set_of(Field::kColdStarts);

template <std::size_t kCount>
std::optional<std::size_t> index_of(const std::array<std::string_view, kCount>& words,
                                    std::string_view word) {
  const auto it = std::find(words.begin(), words.end(), word);
  if (it == words.end()) return {};
  return static_cast<std::size_t>(it - words.begin());
}

struct Value {
  enum class Kind : std::uint8_t { kNone, kText, kNatural, kNegative };
  Kind kind = Kind::kNone;
  std::uint64_t natural = 0;
  std::int64_t negative = 0;
  std::string text;
};

/// What RapidJSON calls. Takes an object of known members, each at most once; one of
/// them is an array of objects. A method that returns false ends the parsing; `error` then
/// says why.
class Handler {
 public:
  std::array<Value, kFields> values;
  std::uint32_t seen = 0;  ///< fields that were there
  std::vector<core::Resource> resources;
  std::string error;

  bool Null() { return fail("null is no value of it"); }
  bool Bool(bool) { return fail("true and false are no values of it"); }
  bool Double(double) { return fail("it must be an integer"); }
  bool RawNumber(const char*, rapidjson::SizeType, bool) { return fail("not used"); }
  bool Int(int value) { return Int64(value); }
  bool Uint(unsigned value) { return Uint64(value); }
  bool Int64(std::int64_t value) {
    if (value >= 0) return Uint64(static_cast<std::uint64_t>(value));
    Value* const slot = next(Value::Kind::kNegative);
    if (slot == nullptr) return false;
    slot->negative = value;
    return true;
  }
  bool Uint64(std::uint64_t value) {
    Value* const slot = next(Value::Kind::kNatural);
    if (slot == nullptr) return false;
    slot->natural = value;
    return true;
  }
  bool String(const char* text, rapidjson::SizeType size, bool) {
    // The reader has checked the text, but takes an escaped low surrogate on its own.
    if (!base::is_utf8({text, size})) return fail("a \\u escape is half of a surrogate pair");
    Value* const slot = next(Value::Kind::kText);
    if (slot == nullptr) return false;
    slot->text.assign(text, size);
    return true;
  }

  bool StartObject() {
    if (place_ == Place::kBefore) {
      place_ = Place::kRecord;
      return true;
    }
    if (place_ != Place::kResources) return fail("an object is no value of it");
    place_ = Place::kResource;
    resource_seen_ = 0;
    return true;
  }
  bool EndObject(rapidjson::SizeType) {
    if (place_ != Place::kResource) return true;
    place_ = Place::kResources;
    if ((resource_seen_ | kVersionBit) != (1U << kResourceWords.size()) - 1) {
      return fail("one of them lacks a field");
    }
    return add_resource();
  }
  bool StartArray() {
    if (place_ != Place::kRecord || field_ != Field::kResources) {
      return fail("an array is no value of it");
    }
    place_ = Place::kResources;
    return true;
  }
  bool EndArray(rapidjson::SizeType) {
    place_ = Place::kRecord;
    return true;
  }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    const std::string_view name(text, size);
    if (place_ == Place::kResource) return key_of_resource(name);
    const auto index = index_of(kFieldWords, name);
    if (!index) {
      error = "there is no field \"" + base::printable(name.substr(0, 40)) + "\"";
      return false;
    }
    field_ = static_cast<Field>(*index);
    const std::uint32_t bit = set_of(field_);
    if ((seen & bit) != 0) return fail("it occurs twice");
    seen |= bit;
    return true;
  }

 private:
  enum class Place : std::uint8_t { kBefore, kRecord, kResources, kResource };
  static constexpr unsigned kVersion = 5;  ///< the one field of a resource that may lack
  static constexpr std::uint32_t kVersionBit = 1U << kVersion;

  bool fail(std::string_view why) {
    error = place_ == Place::kBefore
                ? "it is no object"
                : std::string(word(kFieldWords, field_)) + ": " + std::string(why);
    return false;
  }

  bool key_of_resource(std::string_view name) {
    const auto index = index_of(kResourceWords, name);
    if (!index) return fail("one of them has a field that is not known");
    resource_field_ = *index;
    const std::uint32_t bit = 1U << resource_field_;
    if ((resource_seen_ & bit) != 0) return fail("one of them has a field twice");
    resource_seen_ |= bit;
    return true;
  }

  /// Where the value goes that comes now; nullptr if none of its kind may.
  Value* next(Value::Kind kind) {
    Value* slot = nullptr;
    if (place_ == Place::kRecord && field_ != Field::kResources) {
      slot = &values[static_cast<std::size_t>(field_)];
    } else if (place_ == Place::kResource) {
      slot = &resource_values_[resource_field_];
    }
    if (slot == nullptr) {
      fail("it must be an array of objects");
      return nullptr;
    }
    slot->kind = kind;
    return slot;
  }

  bool add_resource() {
    const bool has_version = (resource_seen_ & kVersionBit) != 0;
    for (const std::size_t i : {0U, 1U, 2U, 3U, kVersion}) {
      if (i == kVersion && !has_version) continue;
      if (resource_values_[i].kind != Value::Kind::kText) return fail("a text is expected");
    }
    if (resource_values_[4].kind != Value::Kind::kNatural) return fail("bytes is no size");
    core::Resource resource;
    resource.type = std::move(resource_values_[0].text);
    resource.id = std::move(resource_values_[1].text);
    resource.dst = std::move(resource_values_[2].text);
    resource.sha256 = std::move(resource_values_[3].text);
    resource.size_bytes = resource_values_[4].natural;
    if (has_version) resource.version = std::move(resource_values_[kVersion].text);
    if (!resource.sha256.empty() && !base::is_sha256_hex(resource.sha256)) {
      return fail("a sha256 is not 64 hexadecimal digits");
    }
    if (has_version && !core::is_version(resource.version)) {
      return fail("a version is not printable ASCII of 1 to " + std::to_string(core::kMaxVersion) +
                  " bytes");
    }
    resources.push_back(std::move(resource));
    return true;
  }

  Place place_ = Place::kBefore;
  Field field_ = Field::kType;
  std::size_t resource_field_ = 0;
  std::uint32_t resource_seen_ = 0;
  std::array<Value, kResourceWords.size()> resource_values_;
};

/// Reads typed values. The first one that is wrong is remembered, and ends it all.
class Reader {
 public:
  explicit Reader(Handler& handler) : handler_(handler) {}

  const std::string& error() const { return error_; }

  bool has(Field field) const { return (handler_.seen & set_of(field)) != 0; }
  std::string text(Field field, std::size_t most_bytes = kMaxRecordBytes) {
    Value& slot = at(field);
    if (slot.kind != Value::Kind::kText) fail(field, "it must be a text");
    if (slot.text.size() > most_bytes) fail(field, "it is too long");
    return std::move(slot.text);
  }
  std::string sha256(Field field) {
    std::string digits = text(field);
    if (!digits.empty() && !base::is_sha256_hex(digits)) {
      fail(field, "it must be empty or 64 lower-case hexadecimal digits");
    }
    return digits;
  }
  std::uint64_t natural(Field field, std::uint64_t least = 0,
                        std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
    const Value& slot = at(field);
    if (slot.kind == Value::Kind::kNatural && slot.natural >= least && slot.natural <= most) {
      return slot.natural;
    }
    fail(field,
         "it must be an integer from " + std::to_string(least) + " to " + std::to_string(most));
    return least;
  }
  template <typename Integer>
  Integer integer(Field field) {
    constexpr auto kLeast = std::numeric_limits<Integer>::min();
    constexpr auto kMost = std::numeric_limits<Integer>::max();
    const Value& slot = at(field);
    if (slot.kind == Value::Kind::kNatural && slot.natural <= std::uint64_t{kMost}) {
      return static_cast<Integer>(slot.natural);
    }
    if (slot.kind == Value::Kind::kNegative && slot.negative >= std::int64_t{kLeast}) {
      return static_cast<Integer>(slot.negative);
    }
    fail(field,
         "it must be an integer from " + std::to_string(kLeast) + " to " + std::to_string(kMost));
    return 0;
  }
  template <typename Id>
  Id id(Field field) {
    return Id{natural(field, 1)};
  }
  template <typename Enum, std::size_t kCount>
  Enum one_of(Field field, const std::array<std::string_view, kCount>& words,
              std::size_t first = 0) {
    const std::string given = text(field);
    const auto index = index_of(words, given);
    if (index && *index >= first) return static_cast<Enum>(*index);
    fail(field, "it must be one of its words, not " + base::printable(given.substr(0, 40)));
    return static_cast<Enum>(first);
  }

  void fail(Field field, const std::string& why) {
    if (error_.empty()) error_ = std::string(word(kFieldWords, field)) + ": " + why;
  }

 private:
  Value& at(Field field) { return handler_.values[static_cast<std::size_t>(field)]; }

  Handler& handler_;
  std::string error_;
};

core::TaskTimes times(Reader& in) {
  core::TaskTimes times;
  times.fetching_us = in.integer<std::int64_t>(Field::kFetchingUs);
  times.producing_us = in.integer<std::int64_t>(Field::kProducingUs);
  times.reducing_us = in.integer<std::int64_t>(Field::kReducingUs);
  return times;
}

core::Record session_created(Reader& in, std::vector<core::Resource>&& resources) {
  auto spec = std::make_shared<core::SessionSpec>();
  spec->name = in.text(Field::kName);
  spec->owner = in.text(Field::kOwner);
  spec->producer = in.text(Field::kProducer);
  spec->format = in.one_of<Format>(Field::kFormat, kFormatWords);
  spec->resources = std::move(resources);
  return core::SessionCreated{in.id<SessionId>(Field::kSession), std::move(spec)};
}

core::Record execution_created(Reader& in) {
  auto spec = std::make_shared<core::ExecutionSpec>();
  spec->parallel = static_cast<std::uint32_t>(in.natural(Field::kParallel, 1, kMaxParallel));
  spec->seed = in.natural(Field::kSeed);
  spec->priority = in.integer<std::int32_t>(Field::kPriority);
  spec->settings = in.text(Field::kSettings);
  constexpr std::uint64_t kMaxSide = std::numeric_limits<int>::max();
  spec->size.width = static_cast<int>(in.natural(Field::kWidth, 0, kMaxSide));
  spec->size.height = static_cast<int>(in.natural(Field::kHeight, 0, kMaxSide));
  core::ExecutionCreated record;
  record.execution = in.id<ExecutionId>(Field::kExecution);
  record.session = in.id<SessionId>(Field::kSession);
  record.name = in.text(Field::kName);
  record.update = in.text(Field::kUpdate);
  record.spec = std::move(spec);
  record.at = in.integer<std::int64_t>(Field::kAt);
  return record;
}

core::Record execution_ended(Reader& in) {
  core::ExecutionEnded record;
  record.execution = in.id<ExecutionId>(Field::kExecution);
  record.phase = in.one_of<core::ExecutionPhase>(
      Field::kPhase, kPhaseWords, static_cast<std::size_t>(core::ExecutionPhase::kFinished));
  record.error = in.text(Field::kError);
  record.sha256 = in.sha256(Field::kSha256);
  record.bytes = in.natural(Field::kBytes);
  record.retries = in.integer<std::uint32_t>(Field::kRetries);
  if (in.has(Field::kColdStarts)) {
    record.cold_starts = in.integer<std::uint32_t>(Field::kColdStarts);
  }
  record.times = times(in);
  record.at = in.integer<std::int64_t>(Field::kAt);
  return record;
}

core::Record restarted(Reader& in) {
  core::Restarted record;
  // The core puts it above the 40 bits of a task's number.
  constexpr std::uint64_t kMostIncarnations = (std::uint64_t{1} << 23U) - 1;
  record.incarnation = in.natural(Field::kIncarnation, 1, kMostIncarnations);
  record.cluster = in.text(Field::kCluster);
  record.at = in.integer<std::int64_t>(Field::kAt);
  record.next_session = in.natural(Field::kNextSession, 1);
  record.next_execution = in.natural(Field::kNextExecution, 1);
  return record;
}

core::Record token_kept(Reader& in) {
  core::TokenKept record;
  record.user = in.text(Field::kUser);
  record.provider = in.text(Field::kProvider);
  record.sealed = in.text(Field::kSealed, core::kMaxSealedBytes);
  return record;
}

core::Record resources_known(Reader& in, std::vector<core::Resource>&& resources) {
  if (!std::all_of(resources.begin(), resources.end(),
                   [](const core::Resource& resource) { return resource.known(); })) {
    in.fail(Field::kResources, "one of them has no sha256");
  }
  return core::ResourcesKnown{in.id<SessionId>(Field::kSession), std::move(resources), {}};
}

core::Record make(Type type, Reader& in, std::vector<core::Resource>&& resources) {
  switch (type) {
    case Type::kSessionCreated:
      return session_created(in, std::move(resources));
    case Type::kSessionDeleted:
      return core::SessionDeleted{in.id<SessionId>(Field::kSession)};
    case Type::kExecutionCreated:
      return execution_created(in);
    case Type::kExecutionEnded:
      return execution_ended(in);
    case Type::kRestarted:
      return restarted(in);
    case Type::kMemberAdded:
      return core::MemberAdded{in.text(Field::kName)};
    case Type::kMemberRemoved:
      return core::MemberRemoved{in.text(Field::kName)};
    case Type::kTokenKept:
      return token_kept(in);
    case Type::kResourcesKnown:
      return resources_known(in, std::move(resources));
  }
  assert(false);
  return core::SessionDeleted{};
}

Error bad(std::string why) { return {ErrorCode::kInvalidArgument, std::move(why)}; }

std::string name_of_first(std::uint32_t fields) {
  for (std::size_t i = 0; i < kFields; ++i) {
    if (((fields >> i) & 1U) != 0) return std::string(kFieldWords[i]);
  }
  return {};
}

}  // namespace

Result<core::Record> decode(std::string_view text) {
  if (text.size() > kMaxRecordBytes) return bad("it is too long");
  // RapidJSON takes a NUL for the end and would not see what comes after it.
  if (text.find('\0') != std::string_view::npos) return bad("it contains a NUL byte");
  rapidjson::MemoryStream stream(text.data(), text.size());
  Handler handler;
  rapidjson::Reader reader;
  constexpr unsigned kFlags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;
  const rapidjson::ParseResult parsed = reader.Parse<kFlags>(stream, handler);
  if (parsed.IsError()) {
    if (!handler.error.empty()) return bad(std::move(handler.error));
    return bad("byte " + std::to_string(parsed.Offset() + 1) + ": " +
               rapidjson::GetParseError_En(parsed.Code()));
  }
  if ((handler.seen & set_of(Field::kType)) == 0) return bad("the field type is missing");
  Reader in(handler);
  const Type type = in.one_of<Type>(Field::kType, kTypeWords);
  if (!in.error().empty()) return bad(in.error());
  const std::uint32_t wanted = kFieldsOf[static_cast<std::size_t>(type)];
  if (const std::uint32_t missing = wanted & ~handler.seen & ~kAbsentBefore; missing != 0) {
    return bad("the field " + name_of_first(missing) + " is missing");
  }
  if (const std::uint32_t more = handler.seen & ~wanted; more != 0) {
    return bad("the field " + name_of_first(more) + " does not belong there");
  }
  core::Record record = make(type, in, std::move(handler.resources));
  if (!in.error().empty()) return bad(in.error());
  return record;
}

}  // namespace francine::journal
