#include "testing/drive_query.h"

namespace francine::testing {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }

  bool take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  /// Between single quotes; a backslash stands before a quote or a backslash.
  std::optional<std::string> text() {
    if (!take("'")) return std::nullopt;
    std::string text;
    while (!rest_.empty() && rest_.front() != '\'') {
      if (rest_.front() == '\\') rest_.remove_prefix(1);
      if (rest_.empty()) return std::nullopt;
      text += rest_.front();
      rest_.remove_prefix(1);
    }
    if (!take("'")) return std::nullopt;
    return text;
  }

 private:
  std::string_view rest_;
};

bool read_comparison(Reader& reader, DriveQuery& query) {
  if (reader.take("trashed = false")) return true;
  if (reader.take("name = ")) return (query.name = reader.text()).has_value();
  if (reader.take("mimeType = ")) return (query.mime_type = reader.text()).has_value();
  if (reader.take("mimeType != ")) return (query.not_mime_type = reader.text()).has_value();
  return (query.parent = reader.text()).has_value() && reader.take(" in parents");
}

}  // namespace

std::optional<DriveQuery> read_drive_query(std::string_view text) {
  DriveQuery query;
  Reader reader(text);
  do {
    if (!read_comparison(reader, query)) return std::nullopt;
  } while (reader.take(" and "));
  if (!reader.at_end()) return std::nullopt;
  return query;
}

}  // namespace francine::testing
