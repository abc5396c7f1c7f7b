#include "journal/database.h"

#include <sqlite3.h>

#include <cassert>

#include "base/posix.h"

namespace francine::journal {
namespace {

/// The kinds of failures of the disk that SQLite tells apart, or nothing.
const char* disk_failure(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return "the disk is full; free some space";
    case SQLITE_READONLY:
      return "it is read-only; give this user the right to write it, or mount it for writing";
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return "the disk fails or permits it not; see the system's log";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return "another process has it open; end that first";
    default:
      return nullptr;
  }
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

void Database::Close::operator()(sqlite3* database) const { sqlite3_close(database); }

Statement& Statement::bind(int index, std::uint64_t value) {
  sqlite3_bind_int64(statement_.get(), index, static_cast<sqlite3_int64>(value));
  return *this;
}

Statement& Statement::bind_text(int index, std::string_view text) {
  // An empty view may be null, which would bind NULL.
  sqlite3_bind_text64(statement_.get(), index, text.empty() ? "" : text.data(), text.size(),
                      SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  sqlite3_bind_blob64(statement_.get(), index, bytes.empty() ? "" : bytes.data(), bytes.size(),
                      SQLITE_STATIC);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    reset();
    return false;
  }
  Error error = database_->error(code);
  reset();
  return error;
}

Result<void> Statement::run() {
  const Result<bool> stepped = step();
  if (!stepped) return stepped.error();
  reset();
  return {};
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

std::uint64_t Statement::number(int column) const {
  return static_cast<std::uint64_t>(sqlite3_column_int64(statement_.get(), column));
}

std::string_view Statement::bytes(int column) const {
  const void* const data = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  if (data == nullptr || size <= 0) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

Result<void> Database::open(const std::filesystem::path& file, const std::string& vfs) {
  assert(!database_);
  name_ = file.string();
  sqlite3* opened = nullptr;
  const int code =
      sqlite3_open_v2(name_.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                      vfs.empty() ? nullptr : vfs.c_str());
  database_.reset(opened);
  if (opened == nullptr) return Error{ErrorCode::kUnavailable, "no memory to open " + name_};
  if (code != SQLITE_OK) return error(code);
  sqlite3_extended_result_codes(opened, 1);
  // Damage shall be found, not repaired by guessing, and nothing in a file may run code.
  sqlite3_db_config(opened, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(opened, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  *log_pages_ = 0;
  // The lock for this process alone comes first: with it SQLite needs no shared memory.
  // Checkpoints are ours (checkpoint()), so that none delays a commit.
  Result<void> set =
      run("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
          "PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON; PRAGMA wal_autocheckpoint=0");
  if (!set) return set;
  sqlite3_wal_hook(
      opened,
      [](void* pages, sqlite3*, const char*, int count) {
        *static_cast<int*>(pages) = count;
        return SQLITE_OK;
      },
      log_pages_.get());
  return {};
}

void Database::close(bool checkpoint) {
  if (!database_) return;
  sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, checkpoint ? 0 : 1, nullptr);
  database_.reset();
}

Result<Statement> Database::prepare(const char* sql) {
  Statement statement;
  statement.database_ = this;
  sqlite3_stmt* prepared = nullptr;
  const int code = sqlite3_prepare_v3(database_.get(), sql, -1, 0, &prepared, nullptr);
  statement.statement_.reset(prepared);
  if (code != SQLITE_OK) return error(code);
  return statement;
}

Result<void> Database::run(const char* sql) {
  const int code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error(code);
  return {};
}

Result<std::uint64_t> Database::number(const char* sql) {
  Result<Statement> statement = prepare(sql);
  if (!statement) return statement.error();
  const Result<bool> row = statement->step();
  if (!row) return row.error();
  return *row ? statement->number(0) : 0;
}

void Database::roll_back() {
  if (sqlite3_get_autocommit(database_.get()) == 0) {
    sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

Result<void> Database::checkpoint() {
  int pages = 0;
  int moved = 0;
  const int code = sqlite3_wal_checkpoint_v2(database_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE,
                                             &pages, &moved);
  if (code != SQLITE_OK) return error(code);
  if (pages == moved) *log_pages_ = 0;
  return {};
}

Error Database::error(int code) const {
  const int extended = database_ ? sqlite3_extended_errcode(database_.get()) : code;
  std::string message = name_ + ": " + (database_ ? sqlite3_errmsg(database_.get()) : "");
  if (const char* const cure = disk_failure(code)) {
    const int system = database_ ? sqlite3_system_errno(database_.get()) : 0;
    if (system != 0) message += ": " + base::errno_text(system);
    message += " (SQLite's code " + std::to_string(extended) + "): " + cure;
    return {ErrorCode::kUnavailable, std::move(message)};
  }
  return {ErrorCode::kInternal, std::move(message)};
}

}  // namespace francine::journal
