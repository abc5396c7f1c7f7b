// The texts of the journal's records, one a line, and snapshot files.

#include "fuzz.h"

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "journal/contents.h"
#include "journal/record_codec.h"
#include "journal/snapshot.h"

namespace francine::fuzz {
namespace {

/// A file system of one file, which is only read.
class OneFile final : public journal::FileSystem {
 public:
  explicit OneFile(std::string_view bytes) : bytes_(bytes) {}

  Result<std::unique_ptr<journal::InputFile>> open(const std::filesystem::path&) override {
    class Input final : public journal::InputFile {
     public:
      explicit Input(std::string_view bytes) : rest_(bytes) {}
      Result<std::size_t> read(std::span<char> buffer) override {
        const std::size_t count = std::min(buffer.size(), rest_.size());
        std::copy_n(rest_.begin(), count, buffer.begin());
        rest_.remove_prefix(count);
        return count;
      }

     private:
      std::string_view rest_;
    };
    return std::unique_ptr<journal::InputFile>(std::make_unique<Input>(bytes_));
  }
  Result<void> prepare_directory(const std::filesystem::path&) override { return none(); }
  Result<std::unique_ptr<journal::FileLock>> lock(const std::filesystem::path&, bool) override {
    return none();
  }
  Result<std::unique_ptr<journal::OutputFile>> create(const std::filesystem::path&) override {
    return none();
  }
  Result<void> ensure(const std::filesystem::path&) override { return none(); }
  Result<void> rewrite(const std::filesystem::path&) override { return none(); }
  Result<void> rename(const std::filesystem::path&, const std::filesystem::path&) override {
    return none();
  }
  Result<void> remove(const std::filesystem::path&) override { return none(); }
  Result<void> sync_directory(const std::filesystem::path&) override { return none(); }
  Result<std::vector<std::string>> list(const std::filesystem::path&) override { return none(); }

 private:
  static Error none() { return {ErrorCode::kUnavailable, "not here"}; }

  std::string_view bytes_;
};

/// What is taken is written as something that is taken for the same.
bool try_record(std::string_view text, journal::Contents& contents) {
  const Result<core::Record> record = journal::decode(text);
  if (!record) {
    check(!record.error().message.empty());
    return false;
  }
  check(core::is_durable(*record));
  std::string written;
  journal::encode(*record, written);
  const Result<core::Record> again = journal::decode(written);
  check(again.ok() && again->index() == record->index());
  std::string twice;
  journal::encode(*again, twice);
  check(written == twice);
  const std::uint64_t before = contents.records();
  const bool added = contents.add(*record).ok();
  check(contents.records() == before + (added ? 1 : 0));
  check(contents.dead() <= contents.records());
  return added;
}

void try_snapshot(std::string_view input) {
  OneFile file(input);
  auto reader = journal::SnapshotReader::open(file, "", "snapshot-1.jsonl");
  if (!reader) return;
  journal::Contents contents;
  for (;;) {
    const auto text = reader->next();
    if (!text) break;
    if (!*text) {
      // It has every sum right: nobody but us made it, or else the corpus has.
      check(reader->info().seq == reader->seq());
      return;
    }
    try_record(**text, contents);
  }
  for (;;) {
    const auto text = reader->next_unchecked();
    if (!text || !*text) return;
    try_record(**text, contents);
  }
}

}  // namespace

void one_input(std::string_view input) {
  try_snapshot(input);
  journal::Contents contents;
  while (!input.empty()) {
    const std::size_t end = std::min(input.find('\n'), input.size());
    try_record(input.substr(0, end), contents);
    input.remove_prefix(std::min(end + 1, input.size()));
  }
}

}  // namespace francine::fuzz
