// A disk whose syncs take longer, for benchmarks.

#ifndef FRANCINE_BENCH_SLOW_VFS_H
#define FRANCINE_BENCH_SLOW_VFS_H

#include <chrono>

namespace francine::bench {

/// From now on, databases that SQLite opens in this process are synced by a disk that
/// takes `sync_time` more for it. Once.
void install_slow_vfs(std::chrono::milliseconds sync_time);

}  // namespace francine::bench

#endif  // FRANCINE_BENCH_SLOW_VFS_H
