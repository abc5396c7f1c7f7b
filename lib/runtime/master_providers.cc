// Resources that come from providers: checked when a session is created, and opened to
// those workers that fetch them.

#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/master_impl.h"
#include "runtime/provided_files.h"
#include "runtime/provider_words.h"

namespace francine {

Result<core::Resource> Master::Impl::provided_resource(const ResourceRequest& resource,
                                                       const std::string& owner,
                                                       const std::string& field,
                                                       std::set<std::string>& authorized) const {
  if (auto good = providers_->check(resource.type, resource.fields, field); !good) {
    return good.error();
  }
  const auto& description = *providers::find_description(resource.type);
  providers::Fields fields;  // those that it knows
  for (const providers::FieldDescription& known : description.fields) {
    const auto given = resource.fields.find(known.name);
    if (given != resource.fields.end()) fields.insert(*given);
  }
  core::Resource made{resource.type, runtime::fields_text(fields), resource.dst, {}, 0};
  providers::ResourceProvider& provider = **providers_->find(resource.type, field);
  if (description.oauth && authorized.count(resource.type) == 0) {
    auto status = authorizations_->status(owner, resource.type);
    if (!status) return status.error();
    if (!status->authorized) return provider.oauth()->unauthorized();
    authorized.insert(resource.type);
  }
  if (!description.master_only) return made;
  auto writer = runtime::fetch_into(*resources_, provider, {.fields = std::move(fields)}, {});
  if (!writer) return writer.error();
  auto stored = writer->finish();
  if (!stored) return stored.error();
  made.sha256 = std::move(stored->sha256);
  made.size_bytes = stored->size_bytes;
  return made;
}

std::shared_ptr<const resources::Arrival> Master::Impl::arrival_of(SessionId id) const {
  const auto session = directory_->session(id);
  if (!session) return nullptr;
  std::vector<std::string> names;
  for (const core::Resource& resource : session->spec->resources) names.push_back(resource.sha256);
  const auto arrival = std::make_shared<resources::Arrival>(*resources_, names, nullptr);
  // All but what it has found in the store.
  for (std::size_t file = 0; file < names.size(); ++file) arrival->set_missing(file);
  return arrival;
}

void Master::Impl::note_known_files(const core::State& state, const core::Effects& effects) {
  for (const core::Record& record : effects.records) {
    const auto* known = std::get_if<core::ResourcesKnown>(&record);
    if (known == nullptr) continue;
    const core::Session* session = state.sessions.find(known->session);
    if (session != nullptr) known_files_.note(*session->spec);
  }
}

void Master::Impl::add_hints(core::ReceiveFiles& files) {
  // Many workers are told of the same session, one after another.
  if (hints_.first != files.session) {
    auto hints = known_files_.hints(*files.session);
    hints_ = {files.session, nullptr};
    if (!hints.empty()) {
      hints_.second = std::make_shared<const std::vector<core::FileHint>>(std::move(hints));
    }
  }
  files.hints = hints_.second;
}

void Master::Impl::send_to_scout(core::RunOn action) {
  // On the loop's thread; what follows may ask a provider, and is not.
  auto send = gateway_->sender(action.worker);
  jobs_->post(
      [this, send = std::move(send), scout = std::move(action)](std::stop_token stop) mutable {
        core::RunTask& run = scout.run;
        auto access = access_for(*run.session, stop);
        if (access.ok()) {
          run.access = std::move(*access);
          run.hints = known_files_.hints(*run.session);
          send(std::move(run));
        } else if (!stop.stop_requested()) {
          loop_->post(core::WorkerFailed{
              scout.worker, {run.task, {}, access.error().code, access.error().message, {}}});
        }
      });
}

Result<std::vector<core::ProviderAccess>> Master::Impl::access_for(
    const core::SessionSpec& session, const std::stop_token& stop) const {
  std::set<std::string> types;
  for (const core::Resource& resource : session.resources) {
    const auto* description = providers::find_description(resource.type);
    if (description != nullptr && !description->master_only) types.insert(resource.type);
  }
  std::vector<core::ProviderAccess> access;
  for (const std::string& type : types) {
    auto credentials = authorizations_->credentials(session.owner, type, stop);
    if (!credentials.ok()) return credentials.error();
    access.push_back({type, runtime::options_text(type, options_.providers),
                      std::move(credentials->key), std::move(credentials->secret)});
  }
  return access;
}

}  // namespace francine
