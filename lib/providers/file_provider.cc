// `file`: a regular file below one of the configured roots, on the master. The kernel
// resolves the path beneath the root (openat2 with RESOLVE_BENEATH, Linux 5.6), so neither
// ".." nor a link leads out of it, also when somebody changes directories meanwhile.

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "base/posix.h"
#include "providers/delivery.h"
#include "providers/descriptions.h"
#include "providers/fields.h"
#include "providers/http_fetch.h"

namespace francine::providers {
namespace {

constexpr std::string_view kCure =
    "the path of a file on the master, below one of the directories of file.roots";
constexpr std::size_t kPiece = 256 << 10;

Error because(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return {ErrorCode::kNotFound, "there is no such file"};
    case EXDEV:
    case ELOOP:
      return {ErrorCode::kForbidden, "a link in it leads out of the directories of file.roots"};
    case EACCES:
    case EPERM:
      return {ErrorCode::kForbidden, "the master may not read it"};
    case ENOSYS:
      return {ErrorCode::kUnavailable, "the master's kernel is older than Linux 5.6"};
    default:
      return base::errno_error(error_number, "cannot open it");
  }
}

Result<base::UniqueFd> open_beneath(const std::filesystem::path& root, const std::string& rest) {
  const base::UniqueFd directory(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return because(errno);
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;  // a FIFO would block
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  // EAGAIN: a directory was renamed meanwhile, so the kernel could not be sure.
  for (int attempt = 0; attempt < 8; ++attempt) {
    const long fd = ::syscall(SYS_openat2, directory.get(), rest.c_str(), &how, sizeof(how));
    if (fd >= 0) return base::UniqueFd(static_cast<int>(fd));
    if (errno != EAGAIN && errno != EINTR) return because(errno);
  }
  return Error{ErrorCode::kUnavailable, "its directories are being renamed"};
}

/// Whatever happens to the file changes this.
std::string version_of(const struct stat& status) {
  std::string version;
  for (const long long part :
       {static_cast<long long>(status.st_dev), static_cast<long long>(status.st_ino),
        static_cast<long long>(status.st_size), static_cast<long long>(status.st_mtim.tv_sec),
        static_cast<long long>(status.st_mtim.tv_nsec),
        static_cast<long long>(status.st_ctim.tv_sec),
        static_cast<long long>(status.st_ctim.tv_nsec)}) {
    if (!version.empty()) version += '-';
    version += std::to_string(part);
  }
  return version;
}

/// The rest of `path` below `root`; empty if it does not lie there.
std::string below(const std::filesystem::path& root, const std::string& path) {
  std::string start = root.string();
  while (start.ends_with('/')) start.pop_back();
  start += '/';
  return path.starts_with(start) ? path.substr(start.size()) : std::string();
}

class FileProvider final : public ResourceProvider {
 public:
  explicit FileProvider(const ProviderOptions& options)
      : max_bytes_(options.limits.max_bytes), roots_(options.file.roots) {}

  Result<Fetched> fetch(const FetchRequest& request, const Sink& sink,
                        std::stop_token stop) override {
    const std::string path(field_or_empty(request.fields, "path"));
    Delivery delivery(request, sink, max_bytes_);
    auto fetched = deliver(path, delivery, stop);
    if (fetched.ok() || delivery.foreign()) return fetched;
    return cannot_fetch(path, "file", fetched.error());
  }

 private:
  Result<base::UniqueFd> open(const std::string& path) const {
    for (const auto& root : roots_) {
      const std::string rest = below(root, path);
      if (!rest.empty()) return open_beneath(root, rest);
    }
    return Error{ErrorCode::kForbidden, "it lies outside the directories of file.roots"};
  }

  Result<Fetched> deliver(const std::string& path, Delivery& delivery,
                          const std::stop_token& stop) const {
    auto file = open(path);
    if (!file.ok()) return file.error();
    struct stat before {};
    if (::fstat(file->get(), &before) != 0) return because(errno);
    if (!S_ISREG(before.st_mode)) {
      return Error{ErrorCode::kInvalidArgument, "it is no regular file"};
    }
    const ResourceHead head{.size_bytes = static_cast<std::uint64_t>(before.st_size),
                            .version = version_of(before)};
    if (auto begun = delivery.begin(head, delivery.position()); !begun.ok()) return begun.error();
    if (auto read = read_all(file->get(), *head.size_bytes, delivery, stop); !read.ok()) {
      return read.error();
    }
    struct stat after {};
    if (::fstat(file->get(), &after) != 0) return because(errno);
    if (!delivery.end() || version_of(after) != head.version) {
      return Error{ErrorCode::kConflict, "it was changed while it was read"};
    }
    return delivery.fetched();
  }

  static Result<void> read_all(int file, std::uint64_t size, Delivery& delivery,
                               const std::stop_token& stop) {
    std::vector<std::uint8_t> piece(kPiece);
    while (delivery.position() < size) {
      if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "cancelled"};
      const std::size_t wanted = std::min<std::uint64_t>(piece.size(), size - delivery.position());
      const ssize_t got =
          ::pread(file, piece.data(), wanted, static_cast<off_t>(delivery.position()));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return base::errno_error(errno, "cannot read it");
      if (got == 0) return {};  // shorter than it was
      auto taken = delivery.take({piece.data(), static_cast<std::size_t>(got)});
      if (!taken.ok()) return taken;
    }
    return {};
  }

  const std::uint64_t max_bytes_;
  const std::vector<std::filesystem::path> roots_;
};

Result<void> check(const Fields& fields, std::string_view where) {
  return check_absolute_path(fields, "path", where, kCure);
}

Result<std::unique_ptr<ResourceProvider>> create(const ProviderOptions& options) {
  if (options.file.roots.empty()) return std::unique_ptr<ResourceProvider>();
  for (const auto& root : options.file.roots) {
    if (!root.is_absolute()) {
      return Error{ErrorCode::kInvalidArgument,
                   "file.roots must be absolute paths, not \"" + root.string() + "\""};
    }
  }
  return std::unique_ptr<ResourceProvider>(std::make_unique<FileProvider>(options));
}

constexpr std::array<FieldDescription, 1> kFields = {{
    {"path", "the absolute path of a regular file on the master, below one of file.roots"},
}};

}  // namespace

const ProviderDescription kFileProvider = {
    .name = "file",
    .summary = "a file of the master's machine",
    .fields = kFields,
    .master_only = true,
    .configuration = "file.roots",
    .check = &check,
    .show = [](const Fields& fields) { return std::string(field_or_empty(fields, "path")); },
    .create = &create,
};

}  // namespace francine::providers
