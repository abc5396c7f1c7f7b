#include "providers/table.h"

#include <array>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "providers/descriptions.h"

namespace francine::providers {
namespace {

constexpr std::array<const ProviderDescription*, 5> kProviders = {
    &kHttpProvider, &kDropboxProvider, &kGoogleDriveProvider, &kS3Provider, &kFileProvider,
};

constexpr std::size_t kMaxQuoted = 60;

Error unknown(std::string_view name, std::string_view field) {
  std::string message = std::string(field) + " \"" + base::printable(name.substr(0, kMaxQuoted)) +
                        "\" is not known; use upload";
  for (std::size_t i = 0; i < kProviders.size(); ++i) {
    message += i + 1 == kProviders.size() ? " or " : ", ";
    message += kProviders[i]->name;
  }
  return {ErrorCode::kInvalidArgument, std::move(message)};
}

}  // namespace

std::span<const ProviderDescription* const> descriptions() { return kProviders; }

const ProviderDescription* find_description(std::string_view name) {
  for (const ProviderDescription* description : kProviders) {
    if (description->name == name) return description;
  }
  return nullptr;
}

Result<Providers> Providers::make(const ProviderOptions& options) {
  Providers made;
  for (const ProviderDescription* description : kProviders) {
    auto provider = description->create(options);
    if (!provider.ok()) return provider.error();
    made.providers_.push_back(std::move(*provider));
  }
  return made;
}

Result<void> check(const ProviderOptions& options) {
  const auto made = Providers::make(options);
  if (!made.ok()) return made.error();
  return {};
}

Result<ResourceProvider*> Providers::find(std::string_view name, std::string_view field) const {
  for (std::size_t i = 0; i < kProviders.size(); ++i) {
    if (kProviders[i]->name != name) continue;
    if (providers_[i] != nullptr) return providers_[i].get();
    return Error{ErrorCode::kInvalidArgument,
                 std::string(field) + " \"" + std::string(name) +
                     "\" is not configured on this farm; its administrator sets " +
                     std::string(kProviders[i]->configuration)};
  }
  return unknown(name, field);
}

Result<void> Providers::check(std::string_view type, const Fields& fields,
                              std::string_view where) const {
  if (auto found = find(type, std::string(where) + ".type"); !found.ok()) return found.error();
  return find_description(type)->check(fields, where);
}

}  // namespace francine::providers
