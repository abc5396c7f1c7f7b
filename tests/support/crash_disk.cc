#include "crash_disk.h"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "crash_disk_vfs.h"

namespace francine::testing {
namespace {

using Write = DiskContents::Write;

void carry_out(std::string& to, const Write& write, std::size_t count) {
  if (write.truncation) {
    to.resize(write.at);
    return;
  }
  if (to.size() < write.at + count) to.resize(write.at + count);
  std::copy_n(write.bytes.begin(), count, to.begin() + static_cast<std::ptrdiff_t>(write.at));
}

void carry_out(std::string& to, const Write& write) { carry_out(to, write, write.bytes.size()); }

}  // namespace

void DiskContents::lose_power(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::size_t bound) { return random() % bound; };
  // How much of what was not synced is there: 0: nothing, 1: all, else anything.
  const std::size_t names_kept = below(3);
  if (!pending_names.empty() && names_kept != 0) {
    const std::size_t last =
        names_kept == 1 ? pending_names.size() : below(pending_names.size() + 1);
    if (last != 0) synced_names = pending_names[last - 1];
  }
  pending_names.clear();
  names = synced_names;
  for (auto& [id, file] : files) {
    const std::size_t kept = below(4);
    for (const Write& write : file.pending) {
      if (write.unreachable || kept == 0) continue;
      if (kept == 1 || below(2) == 0) {
        carry_out(file.synced, write);
      } else if (kept == 2 && !write.truncation) {
        carry_out(file.synced, write, below(write.bytes.size() + 1));
      }
    }
    file.pending.clear();
    file.now = file.synced;
  }
  std::erase_if(files, [&](const auto& file) {
    return std::none_of(names.begin(), names.end(),
                        [&](const auto& name) { return name.second == file.first; });
  });
}

CrashDisk::CrashDisk() : vfs_(make_vfs(*this, vfs_name_)), files_(make_file_system(*this)) {}

CrashDisk::~CrashDisk() { remove_vfs(*vfs_); }

void CrashDisk::fail(Fault fault, std::uint64_t from, std::uint64_t count) {
  const std::lock_guard lock(mutex_);
  fault_ = fault;
  fail_from_ = from;
  fail_to_ = from + count;
}

void CrashDisk::cut_power_at(std::uint64_t operation) {
  const std::lock_guard lock(mutex_);
  off_at_ = operation;
}

void CrashDisk::heal() {
  const std::lock_guard lock(mutex_);
  fail_from_ = fail_to_ = 0;
  off_at_ = 0;
  off_ = false;
}

std::uint64_t CrashDisk::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

bool CrashDisk::failed() const {
  const std::lock_guard lock(mutex_);
  return failed_;
}

bool CrashDisk::is_off() const {
  const std::lock_guard lock(mutex_);
  return off_;
}

DiskContents CrashDisk::contents() const {
  const std::lock_guard lock(mutex_);
  return disk_;
}

void CrashDisk::set_contents(DiskContents contents) {
  const std::lock_guard lock(mutex_);
  disk_ = std::move(contents);
  fail_from_ = fail_to_ = 0;
  off_at_ = 0;
  off_ = false;
  operations_ = 0;
  failed_ = false;
}

int CrashDisk::begin(Kind kind) {
  ++operations_;
  off_ = off_ || (off_at_ != 0 && operations_ >= off_at_);
  const bool fails = operations_ >= fail_from_ && operations_ < fail_to_;
  if (!off_ && !fails) return 0;
  if (!off_ && kind == Kind::kSync && fault_ != Fault::kIoError) return 0;
  failed_ = true;
  if (off_ || fault_ == Fault::kIoError) return EIO;
  return fault_ == Fault::kFull ? ENOSPC : EROFS;
}

void CrashDisk::names_changed() { disk_.pending_names.push_back(disk_.names); }

bool CrashDisk::exists(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return disk_.names.count(name) != 0;
}

int CrashDisk::make(const std::string& name, bool empty_it, std::uint64_t& file) {
  const std::lock_guard lock(mutex_);
  const auto it = disk_.names.find(name);
  if (it != disk_.names.end() && !empty_it) {
    file = it->second;
    return 0;
  }
  if (const int error = begin(Kind::kName); error != 0) return error;
  if (it != disk_.names.end()) {
    file = it->second;
    disk_.files[file].pending.push_back({0, {}, true, false});
    disk_.files[file].now.clear();
    return 0;
  }
  file = disk_.next_file++;
  disk_.files[file] = {};
  disk_.names[name] = file;
  names_changed();
  return 0;
}

int CrashDisk::remove(const std::string& name, bool sync) {
  {
    const std::lock_guard lock(mutex_);
    if (disk_.names.count(name) == 0) return ENOENT;
    if (const int error = begin(Kind::kName); error != 0) return error;
    disk_.names.erase(name);
    names_changed();
  }
  return sync ? sync_names() : 0;
}

int CrashDisk::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  const auto it = disk_.names.find(from);
  if (it == disk_.names.end()) return ENOENT;
  if (const int error = begin(Kind::kName); error != 0) return error;
  const std::uint64_t file = it->second;
  disk_.names.erase(it);
  disk_.names[to] = file;
  names_changed();
  return 0;
}

int CrashDisk::sync_names() {
  const std::lock_guard lock(mutex_);
  if (const int error = begin(Kind::kSync); error != 0) return error;
  disk_.synced_names = disk_.names;
  disk_.pending_names.clear();
  return 0;
}

std::vector<std::string> CrashDisk::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, file] : disk_.names) names.push_back(name);
  return names;
}

int CrashDisk::write(std::uint64_t id, std::size_t at, std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  if (off_) return EIO;
  const int error = begin(Kind::kWrite);
  if (error == ENOSPC || error == EROFS) return error;
  Write write{at, std::string(bytes), false, false};
  DiskContents::File& file = disk_.files[id];
  // What fails may have happened in part; where the power goes, also as a whole.
  if (error != 0 && !off_) write.bytes.resize(random_() % (bytes.size() + 1));
  carry_out(file.now, write);
  file.pending.push_back(std::move(write));
  return error;
}

int CrashDisk::truncate(std::uint64_t id, std::size_t size) {
  const std::lock_guard lock(mutex_);
  if (const int error = begin(Kind::kWrite); error != 0) return error;
  DiskContents::File& file = disk_.files[id];
  file.now.resize(size);
  file.pending.push_back({size, {}, true, false});
  return 0;
}

int CrashDisk::sync(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  DiskContents::File& file = disk_.files[id];
  if (const int error = begin(Kind::kSync); error != 0) {
    if (!off_) {
      for (Write& write : file.pending) {
        write.unreachable = write.unreachable || random_() % 2 == 0;
      }
    }
    return error;
  }
  for (const Write& write : file.pending) {
    if (!write.unreachable) carry_out(file.synced, write);
  }
  file.pending.clear();
  return 0;
}

std::size_t CrashDisk::read(std::uint64_t id, std::size_t at, char* to, std::size_t size) const {
  const std::lock_guard lock(mutex_);
  const std::string& bytes = disk_.files.at(id).now;
  if (at >= bytes.size()) return 0;
  const std::size_t count = std::min(size, bytes.size() - at);
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), count, to);
  return count;
}

std::size_t CrashDisk::size(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  return disk_.files.at(id).now.size();
}

bool CrashDisk::lock(bool held) {
  const std::lock_guard lock(mutex_);
  if (held && locked_) return false;
  locked_ = held;
  return true;
}

}  // namespace francine::testing
