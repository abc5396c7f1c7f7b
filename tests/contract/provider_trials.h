// How a provider is tried: a service of its own to fetch from, which can misbehave.

#ifndef FRANCINE_TESTS_CONTRACT_PROVIDER_TRIALS_H
#define FRANCINE_TESTS_CONTRACT_PROVIDER_TRIALS_H

#include <memory>
#include <string>
#include <string_view>

#include <francine/testing/fake_cloud.h>

#include "providers/provider.h"

namespace francine::testing {

class ProviderTrial {
 public:
  virtual ~ProviderTrial() = default;
  virtual providers::ProviderOptions options() = 0;
  virtual providers::Credentials credentials() { return {}; }
  /// Makes a resource, or changes it, and says how a client names it.
  virtual providers::Fields put(const std::string& name, const std::string& bytes) = 0;
  /// Of one that does not exist.
  virtual providers::Fields missing() = 0;
  /// Of what a client must not say.
  virtual providers::Fields wrong() = 0;
  /// False: it has no service that could misbehave.
  virtual bool has_faults() const { return true; }
  virtual void set_faults(const CloudFaults&) {}
  virtual CloudCounts counts() const { return {}; }
};

/// Null: nobody knows how to try it.
std::unique_ptr<ProviderTrial> make_provider_trial(std::string_view provider);

/// Waits that tests have the patience for.
providers::TransferLimits quick_limits();

}  // namespace francine::testing

#endif  // FRANCINE_TESTS_CONTRACT_PROVIDER_TRIALS_H
