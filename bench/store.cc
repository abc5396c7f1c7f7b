// store: what it takes a worker to have a large file. A file of 1 GiB is received from a
// socket of the loopback, checked and stored with its manifest (ContentStore), and compared
// with `cp` and `openssl dgst -sha256` of the same file on the same disk, in turns in one
// run. Neither waits for the disk to have it; what is still to be written of the one is
// written before the other begins.
//
//     bench-store [DIRECTORY]     where the disk is; default: the temporary one

#include <arpa/inet.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/crypto.h"
#include "base/posix.h"
#include "report.h"
#include "resources/content_store.h"

namespace {

using namespace francine;
namespace fs = std::filesystem;

constexpr std::uint64_t kFileBytes = std::uint64_t{1} << 30;
constexpr int kRounds = 5;

void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(std::string(what) + ": " + base::errno_text(errno));
}

class Directory {
 public:
  explicit Directory(const fs::path& parent) {
    std::string name = (parent / "francine-bench-XXXXXX").string();
    require(::mkdtemp(name.data()) != nullptr, "no directory");
    path_ = name;
  }
  ~Directory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// Runs a program to its end; what it prints is dropped.
void run(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  int status = 1;
  const int failed =
      ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0 || ::waitpid(child, &status, 0) != child || status != 0) {
    throw std::runtime_error(words[0] + " does not work");
  }
}

/// Bytes that no disk and no file system makes less of. Returns their SHA-256.
std::string make_file(const fs::path& path) {
  base::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  require(static_cast<bool>(file), "no file");
  base::Sha256 hasher;
  for (std::uint64_t at = 0; at < kFileBytes; at += std::uint64_t{1} << 20) {
    const std::vector<std::uint8_t> bytes = base::random_bytes(1 << 20);
    hasher.update(bytes);
    base::write_all(file.get(), bytes, "cannot write").value();
  }
  return base::hex(hasher.finish());
}

/// Both ends of a TCP connection over the loopback.
std::pair<base::UniqueFd, base::UniqueFd> connection() {
  base::UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  base::UniqueFd sender(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const to = reinterpret_cast<sockaddr*>(&address);
  require(::bind(listener.get(), to, size) == 0 && ::listen(listener.get(), 1) == 0 &&
              ::getsockname(listener.get(), to, &size) == 0 &&
              ::connect(sender.get(), to, size) == 0,
          "no connection");
  base::UniqueFd receiver(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  require(static_cast<bool>(receiver), "no connection");
  return {std::move(sender), std::move(receiver)};
}

void send_file(const fs::path& path, int socket) {
  base::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  require(static_cast<bool>(file), "no file");
  while (::sendfile(socket, file.get(), nullptr, std::size_t{1} << 20) > 0) {
  }
  ::shutdown(socket, SHUT_WR);
}

double seconds_to_receive(const resources::ContentStore& store, const fs::path& path,
                          const std::string& sha256) {
  const auto ends = connection();
  std::jthread sending([&] { send_file(path, ends.first.get()); });
  const resources::Reader receive = [&](char* buffer, std::size_t size) -> Result<std::size_t> {
    const ssize_t count = ::recv(ends.second.get(), buffer, size, 0);
    if (count < 0) return base::errno_error(errno, "cannot receive");
    return static_cast<std::size_t>(count);
  };
  return bench::seconds_of([&] { store.put_expected(sha256, receive).value(); });
}

void measure(const fs::path& parent) {
  const Directory directory(parent);
  const fs::path source = directory.path() / "source";
  const fs::path copy = directory.path() / "copy";
  const std::string sha256 = make_file(source);
  const auto store =
      resources::ContentStore::make({.directory = directory.path() / "store"}).value();
  std::vector<double> storing;
  std::vector<double> copying;
  for (int round = 0; round < kRounds; ++round) {
    ::sync();
    copying.push_back(bench::seconds_of([&] {
      run({"cp", "--reflink=never", source, copy});
      run({"openssl", "dgst", "-sha256", copy});
    }));
    fs::remove(copy);
    ::sync();
    storing.push_back(seconds_to_receive(*store, source, sha256));
    store->remove(sha256).value();
  }
  const double stored = bench::median(storing);
  const double copied = bench::median(copying);
  const double megabytes = static_cast<double>(kFileBytes) / 1e6;
  bench::Report("store", copied / stored, "of the speed of cp and openssl dgst")
      .with("wanted", 0.5)
      .with("store_mb_per_s", megabytes / stored)
      .with("cp_and_dgst_mb_per_s", megabytes / copied)
      .with("bytes", kFileBytes)
      .print();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    measure(argc > 1 ? fs::path(argv[1]) : fs::temp_directory_path());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench-store: %s\n", error.what());
    return 1;
  }
}
