// The one place that lists every resource provider, and those that are configured.
//
// Explicit arrays and no self-registration, which would vanish from a static library. A
// new provider is a description (provider.h) in its own source file and a line in
// table.cc; tests/contract then holds it to the contract. Uploads are no provider: they
// are in the content store already.
//
// Thread safety: all of it from any thread.

#ifndef FRANCINE_PROVIDERS_TABLE_H
#define FRANCINE_PROVIDERS_TABLE_H

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <francine/result.h>

#include "providers/provider.h"

namespace francine::providers {

/// All providers, in the order in which they are shown to people.
std::span<const ProviderDescription* const> descriptions();

/// The provider of that name; null if there is none.
const ProviderDescription* find_description(std::string_view name);

/// The providers of a configuration.
class Providers {
 public:
  /// kInvalidArgument names the key of the configuration that is wrong.
  static Result<Providers> make(const ProviderOptions& options);

  /// Lives as long as this object. kInvalidArgument lists the types that exist, or says
  /// how this one is configured; it starts with `field` ("resources[2].type").
  Result<ResourceProvider*> find(std::string_view name, std::string_view field) const;

  /// Of a resource as a client describes it: its type is configured, and its fields are
  /// as that wants them. `where` is "resources[2]".
  Result<void> check(std::string_view type, const Fields& fields, std::string_view where) const;

 private:
  /// As descriptions(); null where it is not configured.
  std::vector<std::unique_ptr<ResourceProvider>> providers_;
};

}  // namespace francine::providers

#endif  // FRANCINE_PROVIDERS_TABLE_H
