// What services answer in JSON and XML, read within bounds. Internal to lib/providers.
//
// Thread safety: any thread.

#ifndef FRANCINE_PROVIDERS_ANSWERS_H
#define FRANCINE_PROVIDERS_ANSWERS_H

#include <rapidjson/fwd.h>

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>

#include <francine/result.h>

#include "net/http_client.h"
#include "providers/retrying.h"

namespace francine::providers {

/// Parses `text`, at most 1 MiB, nested at most 64 deep, into `document`; false unless it
/// is a JSON object.
bool parse_answer(std::string_view text, rapidjson::Document& document);

/// The string below these members, one in the other; empty if there is none.
std::string text_at(const rapidjson::Value& object,
                    std::initializer_list<std::string_view> members);

/// The content of the first <name>...</name> in an XML text; empty if there is none.
std::string_view element_of(std::string_view xml, std::string_view name);

/// A service's own word for an error, as it may stand in a sentence: letters, digits and
/// "_./-", at most 80 of them; "unknown error" for everything else, which a stranger may
/// have chosen or which may repeat a token.
std::string word_of(std::string_view text);

/// Header values and JSON in pure ASCII: a JSON string with its quotes, where all that is
/// not printable ASCII is \uXXXX.
std::string ascii_json(std::string_view utf8);

/// A whole answer in memory.
struct WholeAnswer {
  net::HttpAnswer head;
  std::string body;  ///< of 2xx at most 1 MiB, else the first 4 KiB
};
/// Asks once. A Failure when there was no answer.
std::variant<WholeAnswer, Failure> ask(net::HttpClient& client, const net::HttpCall& call,
                                       const std::stop_token& stop);

}  // namespace francine::providers

#endif  // FRANCINE_PROVIDERS_ANSWERS_H
