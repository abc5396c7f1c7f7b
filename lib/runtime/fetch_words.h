// What a scout is given and what it tells, and who has a session's files from whom
// (core/supply.cc), as JSON: for worker_protocol.cc.
//
// Thread safety: functions from any thread.

#ifndef FRANCINE_RUNTIME_FETCH_WORDS_H
#define FRANCINE_RUNTIME_FETCH_WORDS_H

#include <rapidjson/fwd.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include <francine/result.h>

#include "core/task.h"
#include "net/json_writer.h"
#include "runtime/params_reader.h"

namespace francine::runtime {

/// One JSON value: an array of objects.
void write_access(net::JsonWriter& json, const std::vector<core::ProviderAccess>& access);
/// The member `access`; the first thing that is wrong is put into `error`, unless there is
/// one.
std::vector<core::ProviderAccess> read_access(ParamsReader& in, std::optional<Error>& error);

/// The member `hints`, an array of an array for each; nothing where there are none.
void write_hints(net::JsonWriter& json, const std::vector<core::FileHint>& hints);
/// The member `hints`, if it is there; errors as with read_access().
std::vector<core::FileHint> read_hints(ParamsReader& in, std::optional<Error>& error);

/// Of a ReceiveFiles, by stripe.
using Parents = std::array<std::vector<std::string>, core::kStripes>;
/// One JSON value: an array of an array of endpoints for each stripe.
void write_parents(net::JsonWriter& json, const Parents& parents);
/// The member `parents`; errors as with read_access().
Parents read_parents(ParamsReader& in, std::optional<Error>& error);

/// One JSON value: the object of the message `fetched`.
void write_fetched(net::JsonWriter& json, const core::FetchedFiles& fetched);
/// kInvalidArgument says what is wrong.
Result<core::FetchedFiles> read_fetched(const rapidjson::Value& params);

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_FETCH_WORDS_H
