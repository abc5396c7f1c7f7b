// What a ContentStore does with single files: reading, manifests, and errors.
//
// Thread safety: any thread.

#ifndef FRANCINE_RESOURCES_STORE_FILES_H
#define FRANCINE_RESOURCES_STORE_FILES_H

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <francine/result.h>

#include "resources/content_store.h"
#include "resources/manifest.h"

namespace francine::resources {

/// base::errno_error() of the store's own files, which are never the caller's "not found":
/// the directory is away, as when a disk is not mounted.
Error store_error(int error_number, const std::string& what);
Error not_found(std::string_view sha256);
Error too_large(std::uint64_t max_file_bytes);

/// Waits until the names in it would survive a loss of power.
Result<void> sync_directory(const std::filesystem::path& path);

/// Reads a file from where it stands to its end.
Reader reader_of(int file, std::string name);
/// Fills the buffer from there on; a file that ends before is kInternal.
Result<void> read_at(int file, std::uint64_t offset, std::span<char> buffer,
                     const std::string& name);
/// Hands all that `read` gives to `take`.
Result<void> pump(const Reader& read, const std::function<Result<void>(std::string_view)>& take);

/// Hands what the file has from `begin` to `end` to `take`; errors as of read_at().
Result<void> pump_part(int file, std::uint64_t begin, std::uint64_t end, const std::string& name,
                       const std::function<void(std::string_view)>& take);

/// Tells of each file of a store; leaves out what cannot be read.
void for_each_file(const std::filesystem::path& store,
                   const std::function<void(const std::string& sha256, const struct stat&)>& tell);

FileMark mark_of(const struct stat& status);
/// Makes the file, or writes what is left of one anew. `what` is as of base::errno_error().
Result<void> write_text(const std::filesystem::path& path, std::string_view text,
                        const std::string& what);
/// Nothing: there is none, or none that can be read.
std::optional<std::string> read_text(const std::filesystem::path& path);

}  // namespace francine::resources

#endif  // FRANCINE_RESOURCES_STORE_FILES_H
