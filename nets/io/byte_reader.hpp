// A cursor over untrusted bytes: every read is checked, and a read beyond the end is an Error that says where.
#pragma once

#include <fmt/format.h>

#include <string>

#include "arith/error.hpp"
#include "nets/io/file.hpp"

namespace guardbit::nets {

class ByteReader {
 public:
  ByteReader(ByteView bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {}

  std::size_t position() const { return position_; }
  std::size_t left() const { return bytes_.size() - position_; }
  void seek(std::uint64_t position) {
    if (position > bytes_.size()) fail(fmt::format("found offset {}, allowed at most {}", position, bytes_.size()));
    position_ = static_cast<std::size_t>(position);
  }
  ByteView take(std::uint64_t count) {
    if (count > left()) fail(fmt::format("found {} bytes at offset {}, where {} are needed", left(), position_, count));
    const ByteView view = bytes_.subspan(position_, static_cast<std::size_t>(count));
    position_ += view.size();
    return view;
  }
  std::string text(std::uint64_t count) {
    const ByteView view = take(count);
    return std::string(view.begin(), view.end());
  }
  std::uint8_t u8() { return take(1)[0]; }
  std::uint16_t u16() { return static_cast<std::uint16_t>(little(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(little(4)); }
  std::uint64_t u64() { return little(8); }
  std::uint32_t u32_big() {
    const ByteView b = take(4);
    return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | std::uint32_t{b[3]};
  }
  [[noreturn]] void fail(const std::string& what) const { throw Error(where_ + ": " + what); }

 private:
  std::uint64_t little(std::size_t count) {
    const ByteView view = take(count);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i) value |= std::uint64_t{view[i]} << (8 * i);
    return value;
  }

  ByteView bytes_;
  std::string where_;
  std::size_t position_ = 0;
};

/// Appends an unsigned integer of `count` bytes, little-endian.
inline void append_little(Bytes& out, std::uint64_t value, int count) {
  for (int i = 0; i < count; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

}  // namespace guardbit::nets
