// JSON text from strangers, as producers meet it: parsed within bounds, and
// quoted in sentences.
//
// Thread safety: any thread.

#ifndef FRANCINE_PRODUCERS_JSON_H
#define FRANCINE_PRODUCERS_JSON_H

#include <cstddef>
#include <string>
#include <string_view>

#include <rapidjson/fwd.h>

#include <francine/result.h>

namespace francine::producers {

/// Bounds on a text. Masters bound updates more tightly; this protects the parser.
inline constexpr std::size_t kMaxJsonBytes = 16 << 20;
inline constexpr int kMaxJsonDepth = 64;

/// Parses a JSON object; an empty text is an empty object. kInvalidArgument calls
/// the text `name`: not JSON, not UTF-8, not an object, nested over kMaxJsonDepth
/// deep, or longer than kMaxJsonBytes.
Result<void> parse_object(std::string_view text, std::string_view name,
                          rapidjson::Document& document);

/// The JSON text of a value.
std::string to_text(const rapidjson::Value& value);

/// The same, cut after some 60 bytes, for errors.
std::string shown(const rapidjson::Value& value);

/// A text in quotation marks, without control characters and cut after some 60
/// bytes, for errors.
std::string in_quotes(std::string_view text);

}  // namespace francine::producers

#endif  // FRANCINE_PRODUCERS_JSON_H
