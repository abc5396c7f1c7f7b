#include <utility>

#include "journal/snapshot.h"

namespace francine::journal {
namespace {

constexpr std::string_view kUnfinished = ".tmp";

std::string header_of(const std::string& cluster, std::uint64_t seq) {
  return R"({"francine":"journal snapshot","format":)" + std::to_string(kFormatVersion) +
         R"(,"cluster":")" + cluster + R"(","seq":)" + std::to_string(seq) + "}";
}

}  // namespace

std::string snapshot_name(std::uint64_t seq) {
  return "snapshot-" + std::to_string(seq) + ".jsonl";
}

bool is_snapshot_name(std::string_view name) {
  return name.starts_with("snapshot-") &&
         (name.ends_with(".jsonl") || name.ends_with(".jsonl.tmp"));
}

Result<SnapshotWriter> SnapshotWriter::create(FileSystem& files,
                                              const std::filesystem::path& directory,
                                              const std::string& cluster, std::uint64_t seq) {
  auto file = files.create(directory / (snapshot_name(seq) + std::string(kUnfinished)));
  if (!file) return file.error();
  return SnapshotWriter(files, directory, seq, std::move(*file), header_of(cluster, seq));
}

SnapshotWriter::SnapshotWriter(FileSystem& files, std::filesystem::path directory,
                               std::uint64_t seq, std::unique_ptr<OutputFile> file,
                               std::string header)
    : files_(&files),
      directory_(std::move(directory)),
      seq_(seq),
      file_(std::move(file)),
      chain_(header),
      buffer_(std::move(header)) {
  buffer_ += '\n';
}

void SnapshotWriter::add(std::string_view text) {
  buffer_ += R"({"sum":")";
  buffer_ += base::hex(chain_.add(text));
  buffer_ += R"(","record":)";
  buffer_ += text;
  buffer_ += "}\n";
}

Result<void> SnapshotWriter::flush() {
  if (auto written = file_->write(buffer_); !written) return written;
  buffer_.clear();
  return file_->sync();
}

Result<SnapshotInfo> SnapshotWriter::finish() {
  buffer_ += R"({"records":)" + std::to_string(chain_.number()) + R"(,"sum":")" +
             base::hex(chain_.sum()) + "\"}\n";
  if (auto flushed = flush(); !flushed) return flushed.error();
  file_.reset();
  const std::filesystem::path path = directory_ / snapshot_name(seq_);
  if (auto renamed = files_->rename(path.string() + std::string(kUnfinished), path); !renamed) {
    return renamed.error();
  }
  if (auto synced = files_->sync_directory(directory_); !synced) return synced.error();
  return SnapshotInfo{seq_, chain_.number(), chain_.sum()};
}

}  // namespace francine::journal
