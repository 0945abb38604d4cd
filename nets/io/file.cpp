#include "nets/io/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "arith/error.hpp"

namespace guardbit::nets {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const char* what) {
  throw Error(fmt::format("{}: {}: {}", path.string(), what, std::strerror(errno)));
}

/// Closes on every way out.
struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

void write_all(int fd, ByteView bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(path, "cannot write");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace

Bytes read_file(const std::filesystem::path& path, std::uintmax_t max_bytes) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) fail(path, "cannot open");
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) fail(path, "cannot open");
  if (S_ISDIR(status.st_mode)) throw Error(fmt::format("{}: found a folder, allowed a file", path.string()));
  const auto too_long = [&] {
    throw Error(fmt::format("{}: found more than {} bytes, which is the limit", path.string(), max_bytes));
  };
  if (static_cast<std::uintmax_t>(status.st_size) > max_bytes) too_long();
  // The size is a hint only: pipes have none, and files may grow.
  Bytes bytes(static_cast<std::size_t>(status.st_size));
  std::size_t used = 0;
  while (true) {
    if (used == bytes.size()) bytes.resize(used + 4096);
    const ssize_t count = ::read(file.fd, bytes.data() + used, bytes.size() - used);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(path, "cannot read");
    if (count == 0) break;
    used += static_cast<std::size_t>(count);
    if (used > max_bytes) too_long();
  }
  bytes.resize(used);
  return bytes;
}

void atomic_write(const std::filesystem::path& path, ByteView bytes) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw Error(fmt::format("{}: cannot make the folder: {}", folder.string(), error.message()));
  std::string temporary = path.string() + ".tmp-XXXXXX";
  Descriptor file{::mkstemp(temporary.data())};
  if (file.fd < 0) fail(path, "cannot write");
  try {
    write_all(file.fd, bytes, path);
    // mkstemp makes private files; give the permissions a plain open would give.
    const mode_t mask = ::umask(0);
    ::umask(mask);
    if (::fchmod(file.fd, 0666 & ~mask) != 0 || ::fsync(file.fd) != 0) fail(path, "cannot write");
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail(path, "cannot rename to");
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  const Descriptor directory{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (directory.fd >= 0) ::fsync(directory.fd);  // best effort: some file systems refuse it
}

void atomic_write(const std::filesystem::path& path, std::string_view text) {
  atomic_write(path, ByteView(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

}  // namespace guardbit::nets
