// What a master asks of a worker's Join before it becomes part of the state, whatever
// link it came by. The decoder (worker_protocol.h) has checked types and lengths.

#ifndef FRANCINE_RUNTIME_JOIN_CHECK_H
#define FRANCINE_RUNTIME_JOIN_CHECK_H

#include <string>

#include "runtime/link.h"

namespace francine::runtime {

/// Why this worker cannot join; empty if it can. With `tls`, its resource port must
/// speak TLS. Of the report: every task is named once, its shares are a range within
/// kMaxParallel, a picture has a SHA-256 and a partial none, sizes are such that their
/// sum is a number, and what there is comes from a cluster with a name.
std::string objection(const Join& join, bool tls);

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_JOIN_CHECK_H
