// TensorBoard event files, read back by a reader of its own: records, checksums (bit by bit, most significant bit
// first, over reflected bytes), messages field by field.
#include "trainer/event_file.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <map>

namespace guardbit::trainer {
namespace {

std::uint32_t reflected(std::uint32_t value, int bits) {
  std::uint32_t result = 0;
  for (int i = 0; i < bits; ++i) result |= (value >> i & 1U) << (bits - 1 - i);
  return result;
}
std::uint32_t slow_crc32c(std::string_view bytes) {
  std::uint32_t remainder = ~0U;
  for (const char byte : bytes) {
    remainder ^= reflected(static_cast<unsigned char>(byte), 8) << 24U;
    for (int bit = 0; bit < 8; ++bit) {
      const bool out = (remainder & 0x80000000U) != 0;
      remainder = remainder << 1U ^ (out ? 0x1EDC6F41U : 0U);
    }
  }
  return ~reflected(remainder, 32);
}

template <class T>
T take(std::string_view& from) {
  T value{};
  EXPECT_GE(from.size(), sizeof(T));
  std::memcpy(&value, from.data(), sizeof(T));
  from.remove_prefix(sizeof(T));
  return value;
}
std::uint64_t varint(std::string_view& from) {
  std::uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = take<unsigned char>(from);
    value |= std::uint64_t{byte & 127U} << shift;
    if (byte < 128) return value;
  }
}

// Field number -> contents, as bytes for lengths, otherwise the number's bytes.
std::vector<std::pair<unsigned, std::string>> fields(std::string_view message) {
  std::vector<std::pair<unsigned, std::string>> result;
  while (!message.empty()) {
    const std::uint64_t key = varint(message);
    const unsigned wire = key & 7U;
    std::uint64_t length = wire == 1 ? 8 : 4;
    std::string contents;
    if (wire == 0) {
      const std::uint64_t value = varint(message);
      contents.assign(reinterpret_cast<const char*>(&value), 8);
    } else {
      if (wire == 2) length = varint(message);
      EXPECT_LE(length, message.size());
      contents = message.substr(0, length);
      message.remove_prefix(length);
    }
    result.emplace_back(static_cast<unsigned>(key >> 3U), contents);
  }
  return result;
}

std::vector<std::string> records(std::string_view file) {
  std::vector<std::string> result;
  const auto unmasked = [](std::uint32_t value) {
    const std::uint32_t rotated = value - 0xA282EAD8U;
    return rotated >> 17U | rotated << 15U;
  };
  while (!file.empty()) {
    const std::string_view head = file.substr(0, 8);
    const auto length = take<std::uint64_t>(file);
    EXPECT_EQ(unmasked(take<std::uint32_t>(file)), slow_crc32c(head));
    EXPECT_GE(file.size(), length + 4);
    result.emplace_back(file.substr(0, length));
    file.remove_prefix(length);
    EXPECT_EQ(unmasked(take<std::uint32_t>(file)), slow_crc32c(result.back()));
  }
  return result;
}

TEST(EventFile, Crc32cHasThePublishedValues) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);  // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  EXPECT_EQ(slow_crc32c("123456789"), 0xE3069283U);
}

TEST(EventFile, AReaderOfItsOwnFindsEveryScalar) {
  const std::string file = event_file({{1.5, 1, {{"loss/train", 0.25F}, {"top1/test", 0.5F}}}, {2.5, 300, {}}});
  const std::vector<std::string> all = records(file);
  ASSERT_EQ(all.size(), 3U);
  const auto version = fields(all[0]);
  ASSERT_EQ(version.size(), 3U);
  EXPECT_EQ(version[2], (std::pair<unsigned, std::string>{3, "brain.Event:2"}));

  const auto event = fields(all[1]);
  ASSERT_EQ(event.size(), 3U);
  double wall = 0;
  std::memcpy(&wall, event[0].second.data(), 8);
  EXPECT_EQ(event[0].first, 1U);
  EXPECT_EQ(wall, 1.5);
  EXPECT_EQ(event[1], (std::pair<unsigned, std::string>{2, std::string("\1\0\0\0\0\0\0\0", 8)}));
  EXPECT_EQ(event[2].first, 5U);
  std::map<std::string, float> scalars;
  for (const auto& [number, value] : fields(event[2].second)) {
    EXPECT_EQ(number, 1U);
    const auto parts = fields(value);
    ASSERT_EQ(parts.size(), 2U);
    EXPECT_EQ(parts[0].first, 1U);
    EXPECT_EQ(parts[1].first, 2U);
    std::memcpy(&scalars[parts[0].second], parts[1].second.data(), 4);
  }
  EXPECT_EQ(scalars, (std::map<std::string, float>{{"loss/train", 0.25F}, {"top1/test", 0.5F}}));
  EXPECT_EQ(fields(all[2])[1].second, std::string("\x2C\1\0\0\0\0\0\0", 8));  // step 300
}

}  // namespace
}  // namespace guardbit::trainer
