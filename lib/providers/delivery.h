// Delivery: sees to it that a sink gets every byte of one version once and in order,
// however often the transfer begins again. Internal to lib/providers.
//
// Thread safety: none; one for each fetch. Errors are final: what broke the promise
// cannot be mended by trying again. They continue "cannot fetch X: ", but for those of
// the caller's own functions, after which foreign() is true.

#ifndef FRANCINE_PROVIDERS_DELIVERY_H
#define FRANCINE_PROVIDERS_DELIVERY_H

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <francine/result.h>

#include "providers/provider.h"

namespace francine::providers {

class Delivery {
 public:
  /// All must outlive it.
  Delivery(const FetchRequest& request, const Sink& sink, std::uint64_t max_bytes)
      : request_(request), sink_(sink), max_bytes_(max_bytes), position_(request.offset) {}

  /// The next byte that the sink waits for.
  std::uint64_t position() const { return position_; }
  /// What was begun with, or is expected; empty: not known.
  const std::string& version() const { return begun_ ? version_ : request_.expected_version; }
  /// Whether the transfer could go on where it is.
  bool resumable() const { return position_ == request_.offset || !version_.empty(); }

  /// An answer with this head begins, at byte `first` (of which the sink may have got
  /// some already; that is skipped).
  Result<void> begin(const ResourceHead& head, std::uint64_t first);
  Result<void> take(std::span<const std::uint8_t> piece);
  /// Whether everything that there is was delivered, as far as is known.
  bool complete() const { return begun_ && size_ == position_; }
  /// The answer has ended in order: whether everything was delivered. False: go on.
  bool end();

  Fetched fetched() const { return {.size_bytes = position_, .version = version_}; }
  bool failed() const { return failed_; }
  bool foreign() const { return foreign_; }

 private:
  Result<void> begin_first(const ResourceHead& head);
  Error fail(ErrorCode code, std::string why);
  Error pass_on(Error error);

  const FetchRequest& request_;
  const Sink& sink_;
  const std::uint64_t max_bytes_;
  std::uint64_t position_;
  std::uint64_t skip_ = 0;
  bool begun_ = false;
  std::optional<std::uint64_t> size_;
  std::string version_;
  bool failed_ = false;
  bool foreign_ = false;
};

}  // namespace francine::providers

#endif  // FRANCINE_PROVIDERS_DELIVERY_H
