// Damages text in the ways files get damaged: bits flipped, bytes inserted, removed, repeated, the end cut off.
#pragma once

#include <cstdint>
#include <string>

namespace guardbit::tests {

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ULL + 1) {}

  std::string mutate(std::string text) {
    const int edits = 1 + static_cast<int>(below(3));
    for (int i = 0; i < edits && !text.empty(); ++i) edit(text);
    return text;
  }

  std::uint64_t below(std::uint64_t limit) {
    state_ ^= state_ << 13;  // xorshift64
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ % limit;
  }

 private:
  void edit(std::string& text) {
    const std::size_t at = below(text.size());
    const std::size_t length = 1 + below(8);
    switch (below(5)) {
      case 0:
        text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        return;
      case 1:
        text.insert(at, 1, static_cast<char>(below(256)));
        return;
      case 2:
        text.erase(at, length);
        return;
      case 3:
        text.insert(at, text.substr(at, length));
        return;
      default:
        text.resize(at);
    }
  }

  std::uint64_t state_;
};

}  // namespace guardbit::tests
