// TLS for our sockets: TlsContext is what a port or a dialler knows (certificate,
// key, whom to trust), TlsStream one connection over a non-blocking socket.
//
// Spoken are TLS 1.2 with forward secrecy and authenticated encryption, and 1.3;
// there is no compression and no renegotiation. A dialler always verifies: the
// chain up to its CA, the dates, and that the certificate is for the very host that
// was dialled. A port asks for no certificate of its clients: what is above proves
// them (the cluster secret, tokens).
//
// A stream never blocks. Each call goes as far as the socket lets it and says what
// to wait for; the same call is repeated then. In the course of the handshake, and
// rarely later, reading needs writing and the other way round. All decrypted bytes
// must be taken before waiting for the socket: after a receive() that did not say
// kWantRead, ask has_pending() or receive again.
//
//     TlsStream stream(context, socket);          // or (context, socket, "host dialled")
//     while ((state = stream.handshake()) != TlsState::kDone) { ... wait, or give up ... }
//     const TlsTransfer got = stream.receive(buffer);
//     stream.close();
//
// A peer that does not speak TLS is told apart from a broken one (TlsFailure), so
// that it can be answered with a sentence that it understands. Nothing here raises
// SIGPIPE.
//
// Thread safety: a TlsContext is immutable, any thread; a TlsStream is used by one
// thread at a time. Bounds: a stream holds at most a record (16 KiB) in each
// direction, nothing while idle, and a handshake message of at most 128 KiB.

#ifndef FRANCINE_NET_TLS_H
#define FRANCINE_NET_TLS_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <francine/result.h>
#include <francine/tls_files.h>

struct ssl_ctx_st;

namespace francine::net {

class TlsContext {
 public:
  /// For a port. kInvalidArgument, with a sentence that names the file and the cure:
  /// missing, unreadable, not PEM, encrypted, the key does not fit, expired, not
  /// signed by `files.ca` where that is given.
  static Result<std::shared_ptr<const TlsContext>> server(const TlsFiles& files);

  /// For a dialler. Trusts the certificates in `ca_file` and nobody else; empty:
  /// whom the system trusts.
  static Result<std::shared_ptr<const TlsContext>> client(const std::string& ca_file);

  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  bool is_server() const { return server_; }
  const std::string& ca_file() const { return ca_file_; }

  /// Of a server's own certificate: whether a dialler of this name or address will
  /// accept it, and whom it is for ("farm.example.org, 127.0.0.1").
  bool certifies(const std::string& host) const;
  std::string certified_names() const;

  ssl_ctx_st* native() const { return native_; }  ///< for those who include OpenSSL

 private:
  TlsContext(ssl_ctx_st* native, bool server, std::string ca_file);

  ssl_ctx_st* native_;
  bool server_;
  std::string ca_file_;
};

/// Both sides of a member of the farm, which serves and dials; none without files.
struct TlsContexts {
  std::shared_ptr<const TlsContext> server;
  std::shared_ptr<const TlsContext> client;
};
Result<TlsContexts> tls_contexts(const TlsFiles& files);

enum class TlsState : std::uint8_t {
  kDone,       ///< the handshake is complete; bytes were moved
  kWantRead,   ///< repeat when the socket is readable
  kWantWrite,  ///< repeat when the socket is writable
  kClosed,     ///< the peer has ended the connection
  kFailed,     ///< now and ever after; see failure() and reason()
};

enum class TlsFailure : std::uint8_t {
  kNone,
  kPlainPeer,    ///< what came first is not TLS
  kCertificate,  ///< the peer's is not acceptable to us
  kRefusedOurs,  ///< the peer does not accept our certificate
  kProtocol,     ///< no common version or cipher, or not proper TLS
  kBroken,       ///< the connection is lost
};

struct TlsTransfer {
  TlsState state = TlsState::kFailed;
  std::size_t bytes = 0;  ///< with kDone: at least one, unless none were asked for
};

class TlsStream {
 public:
  /// The socket is not owned, and must be non-blocking, connected and open while the
  /// stream is used. `host` is what was dialled, with a client's context only. Throws
  /// std::bad_alloc.
  TlsStream(std::shared_ptr<const TlsContext> context, int socket, const std::string& host = {});
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  /// kDone once it is complete. Costs a signature (up to a millisecond) in one of its
  /// steps. receive() and send() must wait for it.
  TlsState handshake();
  bool established() const;

  TlsTransfer receive(std::span<char> buffer);
  /// A part of `data` may be sent. After kWantWrite the repeated call must begin with
  /// the same bytes and have at least as many, but they may have moved.
  TlsTransfer send(std::string_view data);

  /// Whether received bytes wait in the stream, which the socket does not show.
  bool has_pending() const;

  /// Tells the peer that no more will be sent, if the socket has room for that; the
  /// socket is then to be shut down or closed.
  void close();

  TlsFailure failure() const;
  /// Of the failure: a clause about the peer that follows "...: ", without its
  /// address: "its certificate has expired".
  const std::string& reason() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Whether these first bytes of a connection (at least one) are those of TLS. No
/// request line of HTTP and no frame begins so.
bool begins_tls(std::string_view received);

}  // namespace francine::net

#endif  // FRANCINE_NET_TLS_H
