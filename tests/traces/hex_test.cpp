// The text of $readmemh, byte for byte, and reading it back from bytes that are not trusted.
#include "traces/hex.hpp"

#include <gtest/gtest.h>

#include "arith/error.hpp"
#include "tests/traces/mutate.hpp"

namespace guardbit::traces {
namespace {

using Values = std::vector<std::int64_t>;

TEST(ToHex, NegativeNumbersAreTwosComplementWithoutASign) {
  const Values values{0, 1, -1, 127, -128};
  const std::vector<std::string> header{"eight bits"};
  EXPECT_EQ(to_hex(values, {.elem_bits = 8, .is_signed = true, .elems_per_word = 1}, header, "x"),
            "// eight bits\n00\n01\nff\n7f\n80\n");
}

TEST(ToHex, WordsArePaddedToWholeDigits) {
  const Values values{-1, 524287, -524288};
  EXPECT_EQ(to_hex(values, {.elem_bits = 20, .is_signed = true, .elems_per_word = 1}, {}, "x"),
            "fffff\n7ffff\n80000\n");
  EXPECT_EQ(to_hex(values, {.elem_bits = 21, .is_signed = true, .elems_per_word = 1}, {}, "x"),
            "1fffff\n07ffff\n180000\n");
}

TEST(ToHex, ElementZeroIsInTheLowBitsAndTheLastWordIsFilledWithZeros) {
  const Values values{1, -2, 3, -4, 5};
  EXPECT_EQ(to_hex(values, {.elem_bits = 4, .is_signed = true, .elems_per_word = 4}, {}, "x"), "c3e1\n0005\n");
}

TEST(ToHex, SixtyFourBits) {
  const Values values{INT64_MIN, INT64_MAX, -1};
  EXPECT_EQ(to_hex(values, {.elem_bits = 64, .is_signed = true, .elems_per_word = 1}, {}, "x"),
            "8000000000000000\n7fffffffffffffff\nffffffffffffffff\n");
}

TEST(ToHex, AValueThatDoesNotFitIsNamed) {
  const Values values{1, 128};
  try {
    static_cast<void>(to_hex(values, {.elem_bits = 8, .is_signed = true, .elems_per_word = 1}, {}, "expect/out.hex"));
    FAIL() << "128 was written in 8 signed bits";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "expect/out.hex: element 1: found 128, allowed int8");
  }
}

TEST(ParseHex, ReadsBackEveryWidthAndLaneCount) {
  for (int bits = 1; bits <= 64; ++bits) {
    for (const int lanes : {1, 2, 3, 7, 16}) {
      for (const bool is_signed : {false, true}) {
        if (bits == 64 && !is_signed) continue;  // such values do not fit int64
        const WordFormat format{.elem_bits = bits, .is_signed = is_signed, .elems_per_word = lanes};
        Values values;
        for (int i = 0; i < 11; ++i) {
          const std::uint64_t raw = 0x9e3779b97f4a7c15ULL * static_cast<std::uint64_t>(i * 64 + bits + 1);
          values.push_back(is_signed ? static_cast<std::int64_t>(raw) >> (64 - bits)
                                     : static_cast<std::int64_t>(raw >> (64 - bits)));
        }
        ASSERT_EQ(parse_hex(to_hex(values, format, {}, "x"), format, 11, "x"), values) << bits << " x " << lanes;
      }
    }
  }
}

TEST(ParseHex, RefusesWhatTheWriterNeverWrites) {
  const WordFormat format{.elem_bits = 8, .is_signed = true, .elems_per_word = 1};
  const auto refuses = [&](const char* text, const char* part) {
    try {
      static_cast<void>(parse_hex(text, format, 2, "f.hex"));
      ADD_FAILURE() << "accepted " << text;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  refuses("01\n", "f.hex: found 1 words, allowed 2");
  refuses("01\n02\n03\n", "f.hex:3: found a word too many");
  refuses("01\n-2\n", "f.hex:2: found \"-2\"");
  refuses("01\n2\n", "f.hex:2: found \"2\"");
  refuses("01\n002\n", "f.hex:2: found \"002\"");
  refuses("01\nxx\n", "f.hex:2: found \"xx\"");
  refuses("@0 01\n02\n", "f.hex:1: found \"@0 01\"");
  const WordFormat two{.elem_bits = 3, .is_signed = false, .elems_per_word = 2};
  EXPECT_THROW(static_cast<void>(parse_hex("48\n", two, 2, "x")), Error) << "bit 6 is beyond two lanes of 3 bits";
  EXPECT_THROW(static_cast<void>(parse_hex("08\n", two, 1, "x")), Error)
      << "the second lane is beyond the last element";
}

TEST(ParseHex, ACountThatTheTextCannotHoldAllocatesNothing) {
  EXPECT_THROW(static_cast<void>(parse_hex("00\n", {}, std::int64_t{1} << 60, "x")), Error);
}

TEST(ParseDump, TakesWhatSimulatorsWrite) {
  const WordFormat format{.elem_bits = 8, .is_signed = true, .elems_per_word = 1};
  const Dump dump = parse_dump("// 0x00000000\n7F\n8_0 /* two\nlines */ @4 1\nxx 0z", format, 8, "d.hex");
  ASSERT_EQ(dump.elements.size(), 8U);
  EXPECT_EQ(dump.elements[0].value, 127);
  EXPECT_EQ(dump.elements[1].value, -128);
  EXPECT_FALSE(dump.elements[2].present);
  EXPECT_FALSE(dump.elements[3].present);
  EXPECT_EQ(dump.elements[4].value, 1);
  EXPECT_TRUE(dump.elements[5].present && !dump.elements[5].known);
  EXPECT_FALSE(dump.elements[6].known);
  EXPECT_FALSE(dump.elements[7].present);
  EXPECT_EQ(dump.extra, 0);
}

TEST(ParseDump, WordsBeyondTheEndAreCounted) {
  const WordFormat format{.elem_bits = 8, .is_signed = true, .elems_per_word = 2};
  const Dump dump = parse_dump("0201 0403 0605 @fffffffffffffff 0807", format, 3, "d.hex");
  EXPECT_EQ(dump.elements[2].value, 3);
  EXPECT_EQ(dump.extra, 4) << "two words of two elements";
}

TEST(ParseDump, AnUnknownDigitSpoilsOnlyTheElementsThatShareIt) {
  const WordFormat format{.elem_bits = 6, .is_signed = false, .elems_per_word = 2};
  const Dump dump = parse_dump("x41", format, 2, "d.hex");  // bits 8..11 unknown: lane 1 only
  EXPECT_TRUE(dump.elements[0].known);
  EXPECT_EQ(dump.elements[0].value, 1);
  EXPECT_FALSE(dump.elements[1].known);
  const Dump middle = parse_dump("1x1", format, 2, "d.hex");  // bits 4..7: both lanes
  EXPECT_FALSE(middle.elements[0].known);
  EXPECT_FALSE(middle.elements[1].known);
}

TEST(ParseDump, MutatedBytesGiveAnErrorOrADump) {
  const WordFormat format{.elem_bits = 12, .is_signed = true, .elems_per_word = 3};
  Values values;
  for (std::int64_t i = 0; i < 40; ++i) values.push_back(i * 97 % 4096 - 2048);
  const std::string text = to_hex(values, format, {}, "x");
  tests::Mutator mutator(7);
  for (int i = 0; i < 20000; ++i) {
    const std::string bytes = mutator.mutate(text);
    try {
      EXPECT_EQ(parse_dump(bytes, format, 40, "d").elements.size(), 40U);
    } catch (const Error&) {
    }
    try {
      EXPECT_EQ(parse_hex(bytes, format, 40, "d").size(), 40U);
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace guardbit::traces
