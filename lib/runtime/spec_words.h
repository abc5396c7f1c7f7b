// Descriptions of sessions and executions as JSON, for worker_protocol.cc: they come
// with the first task that needs them. And what a task merges.
//
// Thread safety: functions of their arguments.

#ifndef FRANCINE_RUNTIME_SPEC_WORDS_H
#define FRANCINE_RUNTIME_SPEC_WORDS_H

#include <rapidjson/fwd.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include <francine/result.h>

#include "core/task.h"
#include "net/json_writer.h"
#include "runtime/params_reader.h"

namespace francine::runtime {

/// Of one session.
inline constexpr std::size_t kMaxResources = 100'000;

/// One JSON value. Only scouts need to know where files come from.
void write_session(net::JsonWriter& json, const core::SessionSpec& spec, bool for_scout);
void write_execution(net::JsonWriter& json, const core::ExecutionSpec& spec);

/// Checks types, ranges and lengths. The first thing that is wrong is put into
/// `error`, unless there is one; the description is of no meaning then.
std::shared_ptr<const core::SessionSpec> read_session(const rapidjson::Value& object,
                                                      std::optional<Error>& error);
std::shared_ptr<const core::ExecutionSpec> read_execution(const rapidjson::Value& object,
                                                          std::optional<Error>& error);

/// The member `inputs`.
void write_inputs(net::JsonWriter& json, const std::vector<core::TaskInput>& inputs);
/// What is wrong is the reader's error.
std::vector<core::TaskInput> read_inputs(ParamsReader& in);

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_SPEC_WORDS_H
