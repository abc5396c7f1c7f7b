// HttpBody: the body of a request, of a known length or in chunks, as it comes from
// the socket. Internal to lib/net. Chunks are read strictly: a size that another
// program could read differently is an error (RFC 9112, 7.1). One thread.

#ifndef FRANCINE_NET_HTTP_BODY_H
#define FRANCINE_NET_HTTP_BODY_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <francine/result.h>

#include "net/http_head.h"
#include "net/patient_socket.h"

namespace francine::net {

class HttpBody {
 public:
  /// `received` holds what has come behind the head; what comes behind the body
  /// stays in it.
  HttpBody(const HttpHead& head, std::string& received, PatientSocket& socket);

  /// Before the first read().
  void set_limit(std::uint64_t max_bytes) { limit_ = max_bytes; }

  /// The next piece; 0 at the end. Answers "100 Continue" first where the client
  /// waits for it. Errors are as those of HttpRequest::read_body.
  Result<std::size_t> read(std::span<char> buffer);

  bool done() const { return state_ == State::kDone; }
  /// Throws away what of a short rest has already come, without waiting for more.
  void skip_arrived();

 private:
  enum class State : std::uint8_t { kLength, kChunkSize, kChunk, kTrailers, kDone, kFailed };

  Result<std::size_t> read_piece(std::span<char> buffer);
  Result<std::size_t> read_data(std::span<char> buffer);
  Result<void> read_chunk_size();
  Result<void> read_trailers();
  Result<std::string_view> read_line();
  Result<void> fill();

  std::string& received_;
  PatientSocket& socket_;
  State state_;
  bool must_invite_;  ///< the client waits for "100 Continue"
  bool first_chunk_ = true;
  std::uint64_t left_ = 0;  ///< of the body, or of this chunk
  std::uint64_t limit_ = 0;
  std::uint64_t total_ = 0;
  std::string line_;
};

}  // namespace francine::net

#endif  // FRANCINE_NET_HTTP_BODY_H
