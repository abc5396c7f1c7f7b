// ProvidedFiles: what a scout does (core/supply.cc): it fetches the files of a session
// that come from providers into the worker's store, and tells the master what is in them.
// Others are sent what it has so far meanwhile (receiving.h).
//
// What is known already is not fetched again if the store has it; if it has not, the
// provider must still have those very bytes. Where the master hints at what a file was in
// another session, the provider is asked all the same, with the credentials of this one: only
// when it answers with that very version, and so that this user may read it, the file is taken
// from the store, and the transfer ended at its head. Files are fetched a few at a time.
//
// Thread safety: any thread. Errors: those of the provider
// (providers/provider.h) and of the store; kConflict, the provider has other bytes than
// were fetched first; kCancelled.

#ifndef FRANCINE_RUNTIME_PROVIDED_FILES_H
#define FRANCINE_RUNTIME_PROVIDED_FILES_H

#include <functional>
#include <memory>
#include <stop_token>
#include <utility>

#include <francine/result.h>

#include "core/task.h"
#include "providers/provider.h"
#include "resources/content_store.h"
#include "runtime/receiving.h"

namespace francine::runtime {

/// Fetches a file from the provider: a writer that has all of it, to be finished.
Result<resources::ContentWriter> fetch_into(const resources::ContentStore& store,
                                            providers::ResourceProvider& provider,
                                            const providers::FetchRequest& request,
                                            const std::stop_token& stop);

class ProvidedFiles {
 public:
  /// `tell` sends to the master. The references must outlive the object.
  ProvidedFiles(const resources::ContentStore& store, Receiving& receiving,
                std::function<void(core::FetchedFiles)> tell)
      : store_(store), receiving_(receiving), tell_(std::move(tell)) {}

  /// The session of the scout's task with all that is in its files, which are in the store
  /// then, but for uploads.
  Result<std::shared_ptr<const core::SessionSpec>> complete(const core::RunTask& scout,
                                                            const std::stop_token& stop);

 private:
  const resources::ContentStore& store_;
  Receiving& receiving_;
  const std::function<void(core::FetchedFiles)> tell_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_PROVIDED_FILES_H
