// Durable records as JSON text: one object each, compact, with a "type". The grammar and
// an example of each are in docs/journal.md; tests/unit/journal/records.jsonl freezes
// them.
//
// The encoder is total: what it writes, the decoder takes, for whatever the core may
// decide. Text that is not UTF-8 (such as an error that quotes a broken file) is written
// as base::printable makes it.
//
// The decoder trusts nothing: each field must be there once, of the right type and in
// range, and no other. It reads the format that this version writes; older ones are
// brought up to it when a journal is opened (schema.h).
//
// Thread safety: functions from any thread.

#ifndef FRANCINE_JOURNAL_RECORD_CODEC_H
#define FRANCINE_JOURNAL_RECORD_CODEC_H

#include <cstddef>
#include <string>
#include <string_view>

#include <francine/result.h>

#include "core/effects.h"

namespace francine::journal {

/// The longest text of one record. A session of 10,000 files whose names are as long as
/// they may be takes a tenth.
inline constexpr std::size_t kMaxRecordBytes = std::size_t{256} << 20;

/// Appends the text of the record to `out`. Needs is_durable(record).
void encode(const core::Record& record, std::string& out);

/// kInvalidArgument says which field is wrong and how.
Result<core::Record> decode(std::string_view text);

}  // namespace francine::journal

#endif  // FRANCINE_JOURNAL_RECORD_CODEC_H
