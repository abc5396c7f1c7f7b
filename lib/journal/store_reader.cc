#include "journal/store_reader.h"

#include <utility>

#include "journal/record_codec.h"

namespace francine::journal {
namespace {

Error damage(std::string what) { return {ErrorCode::kInternal, std::move(what)}; }

}  // namespace

StoreReader::StoreReader(Database& database, FileSystem& files, std::filesystem::path directory,
                         Meta meta, std::uint64_t last)
    : database_(database),
      files_(files),
      directory_(std::move(directory)),
      meta_(std::move(meta)),
      last_(last),
      in_rows_(!meta_.snapshot),
      chain_(meta_.base_seq(), meta_.base),
      last_row_(meta_.base_seq()) {}

std::string StoreReader::place() const {
  if (in_rows_) return "record " + std::to_string(chain_.number());
  return snapshot_->name() + ", line " + std::to_string(snapshot_->line());
}

Result<std::optional<StoredRecord>> StoreReader::next() {
  const auto text = next_text();
  if (!text) return text.error();
  if (!*text) return std::optional<StoredRecord>();
  Result<core::Record> record = decode(**text);
  if (!record) return damage(place() + ": " + record.error().message);
  if (const auto added = contents_.add(*record); !added) {
    return damage(place() + " " + added.error().message);
  }
  last_row_ = chain_.number();
  return std::optional(StoredRecord{**text, std::move(*record)});
}

void StoreReader::pause() {
  if (statement_) statement_->reset();
  selecting_ = false;
}

Result<std::optional<std::string_view>> StoreReader::next_text() {
  if (!in_rows_) {
    auto text = next_in_snapshot();
    if (!text || *text) return text;
    in_rows_ = true;
    snapshot_.reset();
  }
  return next_row();
}

Result<void> StoreReader::open_snapshot() {
  const std::string name = snapshot_name(meta_.snapshot->seq);
  auto opened = SnapshotReader::open(files_, directory_, name);
  if (!opened) {
    if (opened.error().code == ErrorCode::kNotFound) return damage(name + " is missing");
    return opened.error();
  }
  snapshot_.emplace(std::move(*opened));
  if (snapshot_->cluster() != meta_.cluster || snapshot_->seq() != meta_.snapshot->seq) {
    return damage(name + " belongs to another journal");
  }
  return {};
}

Result<std::optional<std::string_view>> StoreReader::next_in_snapshot() {
  if (!snapshot_) {
    if (auto opened = open_snapshot(); !opened) return opened.error();
  }
  auto text = snapshot_->next();
  if (!text || *text) return text;
  const SnapshotInfo read = snapshot_->info();
  if (read.records != meta_.snapshot->records || read.sum != meta_.snapshot->sum) {
    return damage(snapshot_->name() + " is not the one that the journal was cut for");
  }
  return text;
}

Result<std::optional<std::string_view>> StoreReader::next_row() {
  if (chain_.number() >= last_) return std::optional<std::string_view>();
  if (!statement_) {
    auto prepared =
        database_.prepare("SELECT seq, body, chain FROM records WHERE seq > ?1 ORDER BY seq");
    if (!prepared) return prepared.error();
    statement_.emplace(std::move(*prepared));
  }
  if (!selecting_) statement_->bind(1, chain_.number());
  const Result<bool> row = statement_->step();
  if (!row && row.error().code == ErrorCode::kInternal) {
    return damage("record " + std::to_string(chain_.number() + 1) + ": " + row.error().message);
  }
  if (!row) return row.error();
  selecting_ = *row;
  if (!*row) return std::optional<std::string_view>();
  const std::uint64_t wanted = chain_.number() + 1;
  if (statement_->number(0) != wanted) {
    return damage("record " + std::to_string(wanted) + " is missing");
  }
  const std::string_view text = statement_->bytes(1);
  if (sum_from_bytes(statement_->bytes(2)) != chain_.add(text)) {
    return damage(place() + ": its sum does not fit: it was changed, or one before it");
  }
  return std::optional(text);
}

}  // namespace francine::journal
