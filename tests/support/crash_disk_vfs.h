// What makes a CrashDisk visible to SQLite and to the journal.

#ifndef FRANCINE_TESTS_SUPPORT_CRASH_DISK_VFS_H
#define FRANCINE_TESTS_SUPPORT_CRASH_DISK_VFS_H

#include <memory>
#include <string>

#include "journal/file_system.h"

struct sqlite3_vfs;

namespace francine::testing {

class CrashDisk;

/// Registers a VFS under a name of its own. The disk must outlive it.
std::unique_ptr<sqlite3_vfs> make_vfs(CrashDisk& disk, std::string& name);
void remove_vfs(sqlite3_vfs& vfs);

std::unique_ptr<journal::FileSystem> make_file_system(CrashDisk& disk);

}  // namespace francine::testing

#endif  // FRANCINE_TESTS_SUPPORT_CRASH_DISK_VFS_H
