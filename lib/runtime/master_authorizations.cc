// What users authorise: Authorizations (authorizations.h) over the core, which keeps
// their sealed tokens.

#include <future>
#include <memory>
#include <utility>

#include "runtime/master_impl.h"

namespace francine {
namespace {

Error gone() { return {ErrorCode::kUnavailable, "the master has stopped"}; }

}  // namespace

void Master::Impl::make_authorizations() {
  runtime::AuthorizationsOptions options;
  options.providers = &*providers_;
  options.private_key = options_.private_key;
  options.timeout = options_.authorize_timeout;
  options.kept = [this](const std::string& user, const std::string& provider) {
    return kept_token(user, provider);
  };
  options.keep = [this](const runtime::SealedToken& token) { return keep_token(token); };
  authorizations_ = std::make_unique<runtime::Authorizations>(std::move(options));
}

Result<std::string> Master::Impl::kept_token(const std::string& user,
                                             const std::string& provider) const {
  auto promise = std::make_shared<std::promise<std::string>>();
  auto future = promise->get_future();
  const bool asked = loop_->call([promise, user, provider](const core::State& state) {
    const auto found = state.tokens.find({user, provider});
    promise->set_value(found == state.tokens.end() ? std::string() : found->second);
  });
  promise.reset();
  if (!asked) return gone();
  try {
    return future.get();
  } catch (const std::future_error&) {  // the loop ended first and dropped the call
    return gone();
  }
}

Result<void> Master::Impl::keep_token(const runtime::SealedToken& token) {
  const auto answer = ask([&](core::RequestId id) {
    return core::KeepToken{id, token.user, token.provider, token.sealed, token.instead_of};
  });
  if (!answer) return answer.error();
  return {};
}

Result<AuthorizeStatus> Master::Impl::authorization(std::string_view owner,
                                                    std::string_view provider) const {
  return authorizations_->status(owner, provider);
}

Result<void> Master::Impl::authorize(std::string_view owner, std::string_view provider,
                                     std::string_view code, std::string_view state) {
  // Before the code is used up.
  if (refusing_) return gone();
  if (auto refused = journal_refuses()) return *refused;
  return authorizations_->authorize(owner, provider, code, state, asking_.get_token());
}

Result<AuthorizeStatus> Master::authorization(std::string_view owner,
                                              std::string_view provider) const {
  return impl_->authorization(owner, provider);
}

Result<void> Master::authorize(std::string_view owner, std::string_view provider,
                               std::string_view code, std::string_view state) {
  return impl_->authorize(owner, provider, code, state);
}

}  // namespace francine
