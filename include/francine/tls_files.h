// TlsFiles: the PEM files of a master or worker that speaks TLS.
//
// A farm speaks TLS throughout or not at all: where `certificate` is set, the RPC and
// the resource port speak TLS only, peers are dialled with TLS only, and one that
// does not speak it is refused with a sentence in the logs of both ends. TLS 1.2 is
// the oldest version spoken.
//
// Who dials verifies the certificate of who is dialled: that it is signed by `ca`,
// in force, and made for the very name or address that was dialled (so a worker's
// certificate names the address that it advertises, and the master's what workers
// are told to dial: 127.0.0.1 for local ones). Who is dialled verifies the dialler
// by the cluster secret.

#ifndef FRANCINE_TLS_FILES_H
#define FRANCINE_TLS_FILES_H

#include <string>

namespace francine {

/// `certificate` and `key` are set together; all empty: no TLS. The files are read at
/// the start; what cannot be used refuses it with a sentence that names the file.
struct TlsFiles {
  std::string certificate;  ///< the chain: this one's own first, intermediates after it
  std::string key;          ///< fits the first certificate; not encrypted
  std::string ca;           ///< whom to trust; empty: whom the system trusts

  bool enabled() const { return !certificate.empty() || !key.empty() || !ca.empty(); }
};

}  // namespace francine

#endif  // FRANCINE_TLS_FILES_H
