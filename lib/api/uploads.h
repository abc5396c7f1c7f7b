// Uploads in the API: what clients say of what they send, what they are answered, and
// the answers read back.
//
// Contents are named in headers as RFC 9530 has it, "Repr-Digest: sha-256=:<base64>:",
// and in bodies as everywhere in this API, "sha256:<64 hexadecimal digits>". Uploads in
// parts speak tus 1.0 (https://tus.io/protocols/resumable-upload), with its extensions
// creation and termination.
//
// Thread safety: pure functions.

#ifndef FRANCINE_API_UPLOADS_H
#define FRANCINE_API_UPLOADS_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <francine/master.h>
#include <francine/result.h>

#include "api/requests.h"

namespace francine::api {

inline constexpr std::string_view kTusVersion = "1.0.0";
inline constexpr std::string_view kTusContentType = "application/offset+octet-stream";

/// The id that a Repr-Digest header has; other digests beside its sha-256 are not looked
/// at. kInvalidArgument: there is none.
Result<std::string> id_of_digest(std::string_view header);
/// The same the other way round. The id must be one.
std::string digest_of_id(std::string_view id);

/// Upload-Length or Upload-Offset. kInvalidArgument names it: missing, or no number of bytes.
Result<std::uint64_t> upload_number(std::string_view name, std::optional<std::string_view> value);

/// POST /resources/known: `ids`, strings, at most limits.max_resources_per_session.
Result<std::vector<std::string>> known_request(const Body& body, const Limits& limits);
std::string known_request_json(const std::vector<std::string>& ids);

/// {"known": ["sha256:...", ...]}
std::string known_json(const std::vector<std::string>& ids);
/// {"id": "sha256:...", "bytes": 12}
std::string resource_info_json(const ResourceInfo& info);
/// {"id": "sha256:...", "offset": 5, "bytes": 12}
std::string upload_json(const UploadInfo& info);

/// As the readers of client.h.
Result<std::vector<std::string>> read_known(const std::string& answer);
Result<UploadInfo> read_upload(const std::string& answer);

}  // namespace francine::api

#endif  // FRANCINE_API_UPLOADS_H
