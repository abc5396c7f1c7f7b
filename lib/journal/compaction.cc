#include "journal/compaction.h"

#include <utility>

#include "journal/record_codec.h"

namespace francine::journal {
namespace {

template <typename Id>
std::uint64_t number(Id id) {
  return static_cast<std::uint64_t>(id);
}

/// A slice reads at most so many times what it writes: dead records cost time as well.
constexpr std::size_t kReadPerWritten = 4;

}  // namespace

Compaction::Compaction(Database& database, FileSystem& files,
                       const std::filesystem::path& directory, const Meta& meta, std::uint64_t seq,
                       const Contents& contents, SnapshotWriter writer)
    : reader_(database, files, directory, meta, seq), writer_(std::move(writer)) {
  for (const auto& [id, session] : contents.sessions()) sessions_.insert(number(id));
  for (const std::string& name : contents.members()) last_.emplace_back(core::MemberAdded{name});
  for (const auto& [key, sealed] : contents.tokens()) {
    last_.emplace_back(core::TokenKept{key.first, key.second, sealed});
  }
  const core::Restarted restarted = contents.as_restarted();
  if (restarted.incarnation != 0) last_.emplace_back(restarted);
}

Result<bool> Compaction::slice(std::size_t bytes) {
  std::size_t read_bytes = 0;
  bool at_end = false;
  while (writer_.waiting_bytes() < bytes && read_bytes < kReadPerWritten * bytes) {
    const auto stored = reader_.next();
    if (!stored) return stored.error();
    at_end = !*stored;
    if (at_end) break;
    read_bytes += (*stored)->text.size();
    if (wanted((*stored)->record)) writer_.add((*stored)->text);
  }
  reader_.pause();
  if (!at_end) {
    if (auto flushed = writer_.flush(); !flushed) return flushed.error();
    return false;
  }
  for (const core::Record& record : last_) {
    std::string text;
    encode(record, text);
    writer_.add(text);
  }
  auto finished = writer_.finish();
  if (!finished) return finished.error();
  snapshot_ = *finished;
  return true;
}

bool Compaction::wanted(const core::Record& record) {
  if (const auto* created = std::get_if<core::SessionCreated>(&record)) {
    return sessions_.count(number(created->session)) != 0;
  }
  if (const auto* known = std::get_if<core::ResourcesKnown>(&record)) {
    return sessions_.count(number(known->session)) != 0;
  }
  if (const auto* created = std::get_if<core::ExecutionCreated>(&record)) {
    if (sessions_.count(number(created->session)) == 0) return false;
    running_.insert(number(created->execution));
    return true;
  }
  if (const auto* ended = std::get_if<core::ExecutionEnded>(&record)) {
    return running_.erase(number(ended->execution)) != 0;
  }
  return false;
}

}  // namespace francine::journal
