// The part of the query language of Google Drive's files.list that FakeGoogleDrive
// understands: comparisons joined by "and". Internal to lib/testing.
//
//     name = 'a'   'id' in parents   trashed = false   mimeType = 'a'   mimeType != 'a'
//
// Thread safety: any thread.

#ifndef FRANCINE_TESTING_DRIVE_QUERY_H
#define FRANCINE_TESTING_DRIVE_QUERY_H

#include <optional>
#include <string>
#include <string_view>

namespace francine::testing {

struct DriveQuery {
  std::optional<std::string> name;
  std::optional<std::string> parent;
  std::optional<std::string> mime_type;
  std::optional<std::string> not_mime_type;
};

/// Nothing when it is anything else.
std::optional<DriveQuery> read_drive_query(std::string_view text);

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_DRIVE_QUERY_H
