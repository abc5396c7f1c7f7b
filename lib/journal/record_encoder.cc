// encode(): durable records to JSON.

#include <cassert>
#include <type_traits>

#include <rapidjson/writer.h>

#include "base/utf8.h"
#include "journal/record_codec.h"
#include "journal/record_fields.h"

namespace francine::journal {
namespace {

/// Where RapidJSON writes to.
class Output {
 public:
  using Ch = char;
  explicit Output(std::string& out) : out_(out) {}
  void Put(char c) { out_.push_back(c); }
  void Flush() {}

 private:
  std::string& out_;
};

class Encoder {
 public:
  explicit Encoder(std::string& out) : output_(out), writer_(output_) {}

  void begin(Type type) {
    writer_.StartObject();
    text(Field::kType, word(kTypeWords, type));
  }
  void end() { writer_.EndObject(); }

  void text(Field field, std::string_view value) { text(word(kFieldWords, field), value); }
  void number(Field field, std::uint64_t value) { number(word(kFieldWords, field), value); }
  void signed_number(Field field, std::int64_t value) {
    put(word(kFieldWords, field));
    writer_.Int64(value);
  }

  void resources(const std::vector<core::Resource>& resources) {
    put(word(kFieldWords, Field::kResources));
    writer_.StartArray();
    for (const core::Resource& resource : resources) {
      writer_.StartObject();
      text(kResourceWords[0], resource.type);
      text(kResourceWords[1], resource.id);
      text(kResourceWords[2], resource.dst);
      text(kResourceWords[3], resource.sha256);
      number(kResourceWords[4], resource.size_bytes);
      if (core::is_version(resource.version)) text(kResourceWords[5], resource.version);
      writer_.EndObject();
    }
    writer_.EndArray();
  }

 private:
  void put(std::string_view value) {
    writer_.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
  }
  void text(std::string_view name, std::string_view value) {
    put(name);
    if (base::is_utf8(value)) return put(value);
    put(base::printable(value));
  }
  void number(std::string_view name, std::uint64_t value) {
    put(name);
    writer_.Uint64(value);
  }

  Output output_;
  rapidjson::Writer<Output> writer_;
};

void write(Encoder& out, const core::SessionCreated& record) {
  out.begin(Type::kSessionCreated);
  out.number(Field::kSession, static_cast<std::uint64_t>(record.session));
  out.text(Field::kName, record.spec->name);
  out.text(Field::kOwner, record.spec->owner);
  out.text(Field::kProducer, record.spec->producer);
  out.text(Field::kFormat, word(kFormatWords, record.spec->format));
  out.resources(record.spec->resources);
}

void write(Encoder& out, const core::SessionDeleted& record) {
  out.begin(Type::kSessionDeleted);
  out.number(Field::kSession, static_cast<std::uint64_t>(record.session));
}

void write(Encoder& out, const core::ExecutionCreated& record) {
  out.begin(Type::kExecutionCreated);
  out.number(Field::kExecution, static_cast<std::uint64_t>(record.execution));
  out.number(Field::kSession, static_cast<std::uint64_t>(record.session));
  out.text(Field::kName, record.name);
  out.text(Field::kUpdate, record.update);
  out.number(Field::kParallel, record.spec->parallel);
  out.number(Field::kSeed, record.spec->seed);
  out.signed_number(Field::kPriority, record.spec->priority);
  out.text(Field::kSettings, record.spec->settings);
  out.signed_number(Field::kWidth, record.spec->size.width);
  out.signed_number(Field::kHeight, record.spec->size.height);
  out.signed_number(Field::kAt, record.at);
}

void write(Encoder& out, const core::ExecutionEnded& record) {
  out.begin(Type::kExecutionEnded);
  out.number(Field::kExecution, static_cast<std::uint64_t>(record.execution));
  out.text(Field::kPhase, word(kPhaseWords, record.phase));
  out.text(Field::kError, record.error);
  out.text(Field::kSha256, record.sha256);
  out.number(Field::kBytes, record.bytes);
  out.number(Field::kRetries, record.retries);
  out.number(Field::kColdStarts, record.cold_starts);
  out.signed_number(Field::kFetchingUs, record.times.fetching_us);
  out.signed_number(Field::kProducingUs, record.times.producing_us);
  out.signed_number(Field::kReducingUs, record.times.reducing_us);
  out.signed_number(Field::kAt, record.at);
}

void write(Encoder& out, const core::Restarted& record) {
  out.begin(Type::kRestarted);
  out.number(Field::kIncarnation, record.incarnation);
  out.text(Field::kCluster, record.cluster);
  out.signed_number(Field::kAt, record.at);
  out.number(Field::kNextSession, record.next_session);
  out.number(Field::kNextExecution, record.next_execution);
}

void write(Encoder& out, const core::MemberAdded& record) {
  out.begin(Type::kMemberAdded);
  out.text(Field::kName, record.name);
}

void write(Encoder& out, const core::MemberRemoved& record) {
  out.begin(Type::kMemberRemoved);
  out.text(Field::kName, record.name);
}

void write(Encoder& out, const core::TokenKept& record) {
  out.begin(Type::kTokenKept);
  out.text(Field::kUser, record.user);
  out.text(Field::kProvider, record.provider);
  out.text(Field::kSealed, record.sealed);
}

void write(Encoder& out, const core::ResourcesKnown& record) {
  out.begin(Type::kResourcesKnown);
  out.number(Field::kSession, static_cast<std::uint64_t>(record.session));
  out.resources(record.resources);
}

}  // namespace

void encode(const core::Record& record, std::string& out) {
  assert(core::is_durable(record));
  Encoder encoder(out);
  std::visit(
      [&](const auto& fact) {
        if constexpr (requires { write(encoder, fact); }) write(encoder, fact);
      },
      record);
  encoder.end();
}

}  // namespace francine::journal
