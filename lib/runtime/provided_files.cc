#include "runtime/provided_files.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "providers/table.h"
#include "runtime/provider_words.h"

namespace francine::runtime {
namespace {

using providers::ResourceProvider;

/// Enough to hide what each request of a small file takes; few enough for any provider.
constexpr std::size_t kAtOnce = 8;

/// A provider as the master let this worker use it.
struct Door {
  std::unique_ptr<ResourceProvider> provider;
  providers::Credentials credentials;
};

Result<Door> open_door(const core::ProviderAccess& access) {
  const auto* description = providers::find_description(access.provider);
  auto options = read_options(access.provider, access.options);
  if (!options.ok()) return options.error();
  if (description == nullptr) {
    return Error{ErrorCode::kInternal, "this worker does not know the provider " + access.provider +
                                           "; its version is not the master's"};
  }
  auto provider = description->create(*options);
  if (!provider.ok()) return provider.error();
  if (*provider == nullptr) {
    return Error{ErrorCode::kInternal, "this worker cannot use " + access.provider};
  }
  return Door{std::move(*provider), {access.key, access.secret}};
}

using Doors = std::map<std::string, Door, std::less<>>;

/// What one scout fetches with, and where to.
struct Fetching {
  Doors doors;
  std::map<std::size_t, core::FileHint> hints;  ///< by the file
  const resources::ContentStore& store;
  std::shared_ptr<resources::Arrival> arrival;
};

/// The hinted file, if it is here. The provider has just told this user's request that the
/// hint is right.
std::optional<resources::StoredFile> take_hinted(const core::FileHint& hint,
                                                 const providers::ResourceHead& head,
                                                 const Fetching& fetching) {
  const auto size = fetching.store.size(hint.sha256);
  if (!size.ok() || head.size_bytes.value_or(*size) != *size ||
      !fetching.arrival->take_stored(hint.file, hint.sha256)) {
    return std::nullopt;
  }
  return resources::StoredFile{hint.sha256, *size};
}

/// Of a file of the session, into the arrival.
Result<core::FetchedFile> fetch(const core::Resource& resource, std::size_t place,
                                const Fetching& fetching, const std::stop_token& stop) {
  const auto door = fetching.doors.find(resource.type);
  if (door == fetching.doors.end()) {
    return Error{ErrorCode::kInternal, "the master gave no access to " + resource.type};
  }
  auto fields = read_fields(resource.id);
  if (!fields.ok()) return fields.error();
  resources::Arrival& arrival = *fetching.arrival;
  const auto hint = fetching.hints.find(place);
  std::string version;
  std::optional<resources::StoredFile> taken;
  providers::FetchRequest request;
  request.fields = std::move(*fields);
  request.credentials = door->second.credentials;
  std::tie(request.offset, request.expected_version) = arrival.resume(place);
  request.on_head = [&](const providers::ResourceHead& head) -> Result<void> {
    if (auto set = arrival.set_version(place, head.version); !set.ok()) return set;
    if (!head.exact || !core::is_version(head.version)) return {};
    version = head.version;
    if (hint == fetching.hints.end() || hint->second.version != version) return {};
    taken = take_hinted(hint->second, head, fetching);
    if (taken) return Error{ErrorCode::kCancelled, "it is here already"};
    return {};
  };
  const auto take = [&](std::span<const std::uint8_t> piece) {
    return arrival.append(place, {reinterpret_cast<const char*>(piece.data()), piece.size()});
  };
  auto fetched = door->second.provider->fetch(request, take, stop);
  if (taken) return core::FetchedFile{std::move(taken->sha256), taken->size_bytes, version};
  if (!fetched.ok()) return fetched.error();
  auto stored = arrival.finish(place);
  if (!stored.ok() && stored.error().code == ErrorCode::kInvalidArgument) {
    return Error{ErrorCode::kConflict,
                 "it has changed at " + resource.type + " since this session first had it, and " +
                     "no worker has those bytes any more; create a new session"};
  }
  if (!stored.ok()) return stored.error();
  return core::FetchedFile{std::move(stored->sha256), stored->size_bytes, version};
}

/// The first error of several threads.
class FirstError {
 public:
  void set(Error error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    stop_.request_stop();
  }
  std::stop_token token() const { return stop_.get_token(); }
  void request_stop() { stop_.request_stop(); }
  const std::optional<Error>& error() const { return error_; }

 private:
  std::mutex mutex_;
  std::optional<Error> error_;
  std::stop_source stop_;
};

/// Fetches what the store lacks, a few at a time, and fills in what is in it.
Result<void> fetch_lacking(core::SessionSpec& spec, const Fetching& fetching,
                           const std::stop_token& stop) {
  resources::Arrival& arrival = *fetching.arrival;
  std::vector<std::size_t> wanted;
  for (std::size_t place = 0; place < spec.resources.size(); ++place) {
    core::Resource& resource = spec.resources[place];
    if (resource.known() && fetching.store.has(resource.sha256)) continue;
    if (const auto stored = arrival.stored(place)) {
      resource.sha256 = stored->sha256;
      resource.size_bytes = stored->size_bytes;
      continue;
    }
    if (resource.type == core::kUploadType) {
      if (!resource.known()) {
        return Error{ErrorCode::kInternal, "nobody said where \"" + resource.dst + "\" comes from"};
      }
      arrival.set_missing(place);  // whoever wants it asks the master
    } else {
      wanted.push_back(place);
    }
  }
  FirstError first;
  const std::stop_callback stops(stop, [&first] { first.request_stop(); });
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < wanted.size() && !first.token().stop_requested(); i = next++) {
      core::Resource& resource = spec.resources[wanted[i]];
      auto fetched = fetch(resource, wanted[i], fetching, first.token());
      if (!fetched.ok()) {
        Error error = fetched.error();
        error.message = "cannot fetch \"" + resource.dst + "\": " + error.message;
        first.set(std::move(error));
        return;
      }
      resource.sha256 = std::move(fetched->sha256);
      resource.size_bytes = fetched->size_bytes;
      resource.version = std::move(fetched->version);
    }
  };
  {
    std::vector<std::jthread> helpers;
    while (helpers.size() + 1 < std::min(kAtOnce, wanted.size())) helpers.emplace_back(work);
    work();
  }
  if (first.error()) return *first.error();
  if (stop.stop_requested()) {
    return Error{ErrorCode::kCancelled, "cancelled while its resources were fetched"};
  }
  return {};
}

}  // namespace

Result<resources::ContentWriter> fetch_into(const resources::ContentStore& store,
                                            ResourceProvider& provider,
                                            const providers::FetchRequest& request,
                                            const std::stop_token& stop) {
  auto writer = store.begin();
  if (!writer.ok()) return writer.error();
  auto fetched = provider.fetch(
      request,
      [&](std::span<const std::uint8_t> piece) {
        return writer->write({reinterpret_cast<const char*>(piece.data()), piece.size()});
      },
      stop);
  if (!fetched.ok()) return fetched.error();
  return writer;
}

Result<std::shared_ptr<const core::SessionSpec>> ProvidedFiles::complete(
    const core::RunTask& scout, const std::stop_token& stop) {
  Fetching fetching{{}, {}, store_, nullptr};
  for (const core::ProviderAccess& access : scout.access) {
    auto door = open_door(access);
    if (!door.ok()) return door.error();
    fetching.doors.emplace(access.provider, std::move(*door));
  }
  for (const core::FileHint& hint : scout.hints) fetching.hints.emplace(hint.file, hint);
  fetching.arrival = receiving_.begin(scout.session_id, *scout.session);
  auto spec = std::make_shared<core::SessionSpec>(*scout.session);
  auto fetched = fetch_lacking(*spec, fetching, stop);
  if (!fetched.ok()) {
    const bool wrong = fetched.error().code == ErrorCode::kConflict;
    receiving_.give_up(scout.session_id, fetching.arrival, wrong);
    return fetched.error();
  }
  core::FetchedFiles told{scout.session_id, {}};
  for (const core::Resource& resource : spec->resources) {
    told.files.push_back({resource.sha256, resource.size_bytes, resource.version});
  }
  tell_(std::move(told));
  return std::shared_ptr<const core::SessionSpec>(std::move(spec));
}

}  // namespace francine::runtime
