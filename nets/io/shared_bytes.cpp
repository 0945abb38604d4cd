#include "nets/io/shared_bytes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
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

/// Unmapped with the last of those who share it.
class Mapping {
 public:
  Mapping(const std::filesystem::path& path, std::uintmax_t max_bytes) {
    const struct Descriptor {
      int fd;
      ~Descriptor() {
        if (fd >= 0) ::close(fd);
      }
    } file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.fd < 0) fail(path, "cannot open");
    struct stat status {};
    if (::fstat(file.fd, &status) != 0) fail(path, "cannot open");
    if (!S_ISREG(status.st_mode)) throw Error(path.string() + ": found something else, allowed an ordinary file");
    if (static_cast<std::uintmax_t>(status.st_size) > max_bytes)
      throw Error(fmt::format("{}: found more than {} bytes, which is the limit", path.string(), max_bytes));
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ == 0) return;  // nothing can be mapped then
    void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.fd, 0);
    if (address == MAP_FAILED) fail(path, "cannot map into memory");
    address_ = address;
  }
  ~Mapping() {
    if (address_ != nullptr) ::munmap(address_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ByteView view() const { return {static_cast<const std::uint8_t*>(address_), size_}; }

 private:
  void* address_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace

SharedBytes::SharedBytes(Bytes bytes) {
  const auto held = std::make_shared<const Bytes>(std::move(bytes));
  view_ = *held;
  owner_ = held;
}

SharedBytes SharedBytes::map(const std::filesystem::path& path, std::uintmax_t max_bytes) {
  const auto mapping = std::make_shared<const Mapping>(path, max_bytes);
  SharedBytes result;
  result.view_ = mapping->view();
  result.owner_ = mapping;
  return result;
}

SharedBytes SharedBytes::part(std::size_t first, std::size_t count) const {
  if (first > size() || count > size() - first) throw Error("bytes beyond the end of shared memory");
  SharedBytes result = *this;
  result.view_ = view_.subspan(first, count);
  return result;
}

}  // namespace guardbit::nets
