// What a rendering looks like (core::TileMeans) as text, for worker_protocol.cc and
// join_words.cc: 16 little-endian float32 in base64url.
//
// Thread safety: functions of their arguments.

#ifndef FRANCINE_RUNTIME_MEANS_WORDS_H
#define FRANCINE_RUNTIME_MEANS_WORDS_H

#include <string>
#include <string_view>

#include "core/task.h"
#include "runtime/params_reader.h"

namespace francine::runtime {

std::string means_text(const core::TileMeans& means);
/// Of the member `name` of what `in` reads; what is wrong, NaN and infinity included,
/// is remembered there.
core::TileMeansPtr read_means(ParamsReader& in, std::string_view name,
                              const rapidjson::Value* value);

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_MEANS_WORDS_H
