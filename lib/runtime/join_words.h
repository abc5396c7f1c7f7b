// The larger parts of Join and Welcome as JSON, for worker_protocol.cc: what a worker
// reports of itself, and the failures that it is asked for.
//
// Thread safety: functions of their arguments.

#ifndef FRANCINE_RUNTIME_JOIN_WORDS_H
#define FRANCINE_RUNTIME_JOIN_WORDS_H

#include <rapidjson/fwd.h>

#include <array>
#include <optional>
#include <string_view>

#include <francine/chaos.h>
#include <francine/result.h>

#include "core/task.h"
#include "net/json_writer.h"

namespace francine::runtime {

inline constexpr std::array<std::string_view, 2> kTaskKinds{"reduce", "produce"};

/// One JSON value. The report's bounds (link.h) are the caller's to keep.
void write_report(net::JsonWriter& json, const core::WorkerReport& report);
void write_chaos(net::JsonWriter& json, const ChaosOptions& chaos);

/// Checks types, ranges and lengths. The first thing that is wrong is put into
/// `error`, unless there is one; the value is of no meaning then.
core::WorkerReport read_report(const rapidjson::Value& value, std::optional<Error>& error);
ChaosOptions read_chaos(const rapidjson::Value& value, std::optional<Error>& error);

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_JOIN_WORDS_H
