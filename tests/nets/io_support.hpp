// Shared by the tests of file formats: bytes from text, and damage to small files.
#pragma once

#include <functional>
#include <string_view>

#include "config_support.hpp"

namespace guardbit::nets {

inline Bytes from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return bytes;
}

inline Bytes to_bytes(std::string_view text) { return Bytes(text.begin(), text.end()); }

/// Every shorter file must be refused. Every file with one byte changed must be refused or read; never anything else
/// (a sanitizer build sees more). Returns how many of the changed files were refused.
inline int damage(const Bytes& good, const std::function<void(ByteView)>& parse) {
  for (std::size_t size = 0; size < good.size(); ++size) {
    // A copy of exactly this size, so that reading past the end is seen.
    const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THROW(parse(cut), Error) << "truncated to " << size;
  }
  int refused = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int change : {1, 0x10, 0x80, 0xff}) {
      Bytes bad = good;
      bad[at] = static_cast<std::uint8_t>(bad[at] ^ change);
      try {
        parse(bad);
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  return refused;
}

}  // namespace guardbit::nets
