// Result<T>: a value, or an error that a caller can act on.
//
// Every call of this library that can fail for a reason outside the program
// returns a Result. The error carries a code (what kind of cure applies) and one
// sentence for a person, which names the thing and the cure.
//
// Thread safety: as for the standard containers; a const Result may be read from
// several threads.

#ifndef FRANCINE_RESULT_H
#define FRANCINE_RESULT_H

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace francine {

/// The kind of an error. The REST API answers with the HTTP status beside each.
enum class ErrorCode {
  kInvalidArgument,    ///< 400: the request is wrong; repeating it will not help.
  kUnauthenticated,    ///< 401: who is asking?
  kForbidden,          ///< 403: known, but not allowed.
  kNotFound,           ///< 404: no such thing, or it belongs to another.
  kConflict,           ///< 409: the thing is in a state that does not permit this.
  kTooLarge,           ///< 413: over a configured size.
  kResourceExhausted,  ///< 429: over a configured count or rate; later it may work.
  kUnavailable,        ///< 503: cannot be served now; later it may work.
  kCancelled,          ///< 409: cancelled by a request before it was done.
  kInternal,           ///< 500: a failure on this side.
};

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;  ///< One sentence; never a secret.
  /// Of kResourceExhausted and kUnavailable: seconds after which it may work; 0: not known.
  std::uint32_t retry_after_s = 0;
};

/// Thrown by Result::value() on an error: the caller promised success.
class BadResult : public std::runtime_error {
 public:
  explicit BadResult(Error error) : std::runtime_error(error.message), error_(std::move(error)) {}
  const Error& error() const { return error_; }

 private:
  Error error_;
};

/// What a Result<void> holds on success.
struct Success {};

template <typename T>
class [[nodiscard]] Result {
 public:
  using Value = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  /// The value. Throws BadResult when there is none.
  T& value() & {
    require_value();
    return std::get<0>(state_);
  }
  const T& value() const& {
    require_value();
    return std::get<0>(state_);
  }
  T&& value() && {
    require_value();
    return std::get<0>(std::move(state_));
  }

  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  /// The error. Must not be called on success (throws std::bad_variant_access).
  const Error& error() const { return std::get<1>(state_); }

 private:
  void require_value() const {
    if (!ok()) throw BadResult(error());
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> : public Result<Success> {
 public:
  using Value = void;
  Result() : Result<Success>(Success{}) {}
  Result(Error error) : Result<Success>(std::move(error)) {}
  void value() const { static_cast<void>(Result<Success>::value()); }
};

}  // namespace francine

#endif  // FRANCINE_RESULT_H
