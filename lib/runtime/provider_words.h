// What workers are told about providers, as JSON text: the fields of a resource, and how
// a provider is reached. Secrets are not among it (core::ProviderAccess has them apart).
//
// Thread safety: functions from any thread. Readers trust nothing: kInvalidArgument says
// what is wrong.

#ifndef FRANCINE_RUNTIME_PROVIDER_WORDS_H
#define FRANCINE_RUNTIME_PROVIDER_WORDS_H

#include <string>
#include <string_view>

#include <francine/providers.h>
#include <francine/result.h>

#include "providers/provider.h"

namespace francine::runtime {

/// A JSON object of strings, in the order of their names.
std::string fields_text(const providers::Fields& fields);
Result<providers::Fields> read_fields(std::string_view text);

/// What the provider of that name needs of them on a worker.
std::string options_text(std::string_view provider, const providers::ProviderOptions& options);
/// Options of a worker (ProviderOptions::without_secrets).
Result<providers::ProviderOptions> read_options(std::string_view provider, std::string_view text);

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_PROVIDER_WORDS_H
