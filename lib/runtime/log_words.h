// What workers log, as it travels with Pong: for worker_protocol.cc.
//
// Thread safety: functions of their arguments.

#ifndef FRANCINE_RUNTIME_LOG_WORDS_H
#define FRANCINE_RUNTIME_LOG_WORDS_H

#include <vector>

#include <francine/log.h>

#include "net/json_writer.h"
#include "runtime/params_reader.h"

namespace francine::runtime {

/// One JSON value: an array of records.
void write_logs(net::JsonWriter& json, const std::vector<LogRecord>& logs);
/// The member `logs`; what is wrong is the reader's error.
std::vector<LogRecord> read_logs(ParamsReader& in);

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_LOG_WORDS_H
