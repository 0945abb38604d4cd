// Bytes that are only read, of memory or of a mapped file; copies and parts share them and keep them alive.
//
// A mapped file lies in the page cache of the system, not in memory of the program, and is read as it is touched. It
// may be replaced by renaming, as everything here writes files. One that is cut short while it is in use is a SIGBUS
// from the kernel when the lost part is touched; the program `guardbit` ends with one line and exit code 2 then.
#pragma once

#include <algorithm>
#include <memory>

#include "nets/io/file.hpp"

namespace guardbit::nets {

class SharedBytes {
 public:
  SharedBytes() = default;
  SharedBytes(Bytes bytes);  // takes them over

  /// The whole file, which must be an ordinary one of at most `max_bytes`; Error otherwise.
  static SharedBytes map(const std::filesystem::path& path, std::uintmax_t max_bytes = kMaxFileBytes);

  const std::uint8_t* data() const { return view_.data(); }
  std::size_t size() const { return view_.size(); }
  const std::uint8_t* begin() const { return view_.data(); }
  const std::uint8_t* end() const { return view_.data() + view_.size(); }
  const std::uint8_t& operator[](std::size_t index) const { return view_[index]; }

  /// Bytes [first, first + count), which must be there.
  SharedBytes part(std::size_t first, std::size_t count) const;
  /// What keeps the bytes alive.
  const std::shared_ptr<const void>& owner() const { return owner_; }

  friend bool operator==(const SharedBytes& a, const SharedBytes& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  std::shared_ptr<const void> owner_;
  ByteView view_;
};

}  // namespace guardbit::nets
