// Database and Statement: the little of SQLite that the journal uses, with owners and
// Results.
//
// Thread safety: one thread at a time. Errors: kUnavailable where the disk or its
// permissions are at fault (full, read-only, I/O error), kInternal where the file is
// damaged; the sentence names the file.

#ifndef FRANCINE_JOURNAL_DATABASE_H
#define FRANCINE_JOURNAL_DATABASE_H

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <francine/result.h>

struct sqlite3;
struct sqlite3_stmt;

namespace francine::journal {

class Database;

/// A prepared statement. Bindings are copied, or must live until reset() where it says.
class Statement {
 public:
  Statement() = default;

  Statement& bind(int index, std::uint64_t value);
  /// The text must live until the next reset().
  Statement& bind_text(int index, std::string_view text);
  Statement& bind_blob(int index, std::string_view bytes);

  /// Whether there is a row. Resets by itself when there is none, or on an error.
  Result<bool> step();
  /// step() of a statement that yields no row, then reset.
  Result<void> run();
  void reset();

  // Of the row; valid until the next step() or reset().
  std::uint64_t number(int column) const;
  std::string_view bytes(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  Database* database_ = nullptr;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  Database() = default;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Opens the file (which must exist; it may be empty) for this process alone, with WAL
  /// and synchronous=FULL. `vfs` empty: the system's.
  Result<void> open(const std::filesystem::path& file, const std::string& vfs);
  /// `checkpoint`: moves the write-ahead log into the file. All statements must be gone.
  void close(bool checkpoint = true);
  bool is_open() const { return database_ != nullptr; }

  Result<Statement> prepare(const char* sql);
  /// Runs statements that yield nothing.
  Result<void> run(const char* sql);
  /// The number in the first column of the only row.
  Result<std::uint64_t> number(const char* sql);

  Result<void> begin() { return run("BEGIN IMMEDIATE"); }
  Result<void> commit() { return run("COMMIT"); }
  /// After anything that failed in a transaction. Never fails itself.
  void roll_back();

  /// How many pages the write-ahead log has since the last whole checkpoint.
  int log_pages() const { return *log_pages_; }
  /// Moves the write-ahead log into the file.
  Result<void> checkpoint();

 private:
  friend class Statement;
  struct Close {
    void operator()(sqlite3* database) const;
  };
  Error error(int code) const;

  std::string name_;  ///< for sentences
  std::unique_ptr<int> log_pages_ = std::make_unique<int>(0);
  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace francine::journal

#endif  // FRANCINE_JOURNAL_DATABASE_H
