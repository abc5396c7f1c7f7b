#include "runtime/input_stream.h"

#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "image/bad_samples.h"

namespace francine::runtime {
namespace {

std::string name_of(const core::TaskInput& input) {
  return "the partial of task " + std::to_string(static_cast<std::uint64_t>(input.partial));
}

bool fits(const image::Partial& partial, const core::TaskInput& input, ImageSize size) {
  return partial.shares == input.shares && partial.sum.size() == size &&
         partial.weight == input.shares.size();
}

Error misfit(const core::TaskInput& input) {
  return {ErrorCode::kInvalidArgument, name_of(input) +
                                           (input.endpoint.empty() ? "" : " at " + input.endpoint) +
                                           " is not of the shares, weight or size expected"};
}

/// What came from another machine; what is kept here was checked when it was made.
std::optional<Error> flaw(const image::Partial& partial, const core::TaskInput& input,
                          ImageSize size) {
  if (!fits(partial, input, size)) return misfit(input);
  const auto bad = image::find_bad_samples(partial.sum, image::kLargestSum);
  if (!bad) return std::nullopt;
  return Error{ErrorCode::kInvalidArgument,
               name_of(input) + " at " + input.endpoint + " has " + image::to_string(*bad)};
}

}  // namespace

InputStream::InputStream(std::span<const core::TaskInput> inputs, ImageSize size,
                         const PartialStore& store, Blobs& blobs, std::stop_token stop)
    : inputs_(inputs), size_(size), store_(store), blobs_(blobs), forward_(std::move(stop), [this] {
        abort_.request_stop();
      }) {}

// The futures of std::async wait for their threads when they are destroyed.
InputStream::~InputStream() { abort_.request_stop(); }

InputStream::Input InputStream::fetch(const core::TaskInput& input) {
  constexpr int kTries = 2;  // what is damaged once may come whole the next time
  Error error;
  for (int i = 0; i < kTries; ++i) {
    try {
      auto fetched = blobs_.fetch_partial(input.endpoint, input.partial, abort_.get_token());
      if (!fetched.ok()) {
        error = fetched.error();
      } else if (auto wrong = flaw(**fetched, input, size_)) {
        error = std::move(*wrong);
      } else {
        return fetched;
      }
    } catch (const std::bad_alloc&) {
      return Error{ErrorCode::kResourceExhausted, "not enough memory for " + name_of(input)};
    } catch (const std::exception& thrown) {
      return Error{ErrorCode::kInternal, "fetching " + name_of(input) + ": " + thrown.what()};
    }
    if (error.code != ErrorCode::kInvalidArgument) break;
  }
  return error;
}

void InputStream::look_ahead() {
  for (; launched_ < inputs_.size() && under_way_.size() < kLookAhead; ++launched_) {
    const core::TaskInput& input = inputs_[launched_];
    if (input.endpoint.empty()) continue;
    under_way_.push_back(std::async(std::launch::async, [this, &input] { return fetch(input); }));
  }
}

InputStream::Input InputStream::next() {
  look_ahead();
  const core::TaskInput& input = inputs_[next_++];
  if (!input.endpoint.empty()) {
    std::future<Input> coming = std::move(under_way_.front());
    under_way_.pop_front();
    look_ahead();
    return coming.get();
  }
  auto kept = store_.partial(input.partial);
  if (!kept) {
    return Error{ErrorCode::kNotFound, name_of(input) + " is no longer kept by this worker"};
  }
  if (!fits(*kept, input, size_)) return misfit(input);
  return kept;
}

std::vector<TaskId> InputStream::missing(const Error& error) const {
  std::vector<TaskId> missing;
  const bool lost = error.code == ErrorCode::kNotFound || error.code == ErrorCode::kUnavailable ||
                    error.code == ErrorCode::kInvalidArgument;
  if (next_ == 0 || !lost) return missing;
  const core::TaskInput& failed = inputs_[next_ - 1];
  for (const core::TaskInput& input : inputs_) {
    const bool here = input.endpoint.empty();
    const bool same_peer = !here && input.endpoint == failed.endpoint;
    if (input.partial == failed.partial || (here && !store_.partial(input.partial)) ||
        (same_peer && error.code == ErrorCode::kUnavailable)) {
      missing.push_back(input.partial);
    }
  }
  return missing;
}

}  // namespace francine::runtime
