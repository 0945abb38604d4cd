// Text form of formats: round trips and error messages.
#include <gtest/gtest.h>

#include "arith/error.hpp"
#include "arith/format.hpp"

namespace guardbit::arith {
namespace {

std::string error_of(std::string_view text) {
  try {
    (void)parse_format(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ParseFormat, ReadsWhatToStringWrites) {
  for (const char* text :
       {"int8", "uint4", "int1", "uint64", "int<20,WRAP>", "uint<7,WRAP>", "int<8,SAT_SYM>", "int<9,WRAP,3>",
        "int<5,WRAP_SM>", "fixed<8,3,RND_CONV,SAT>", "ufixed<8,0,RND,SAT>", "fixed<8,-3,TRN_ZERO,SAT_ZERO>",
        "fixed<8,20,RND_INF,WRAP>", "fixed<8,3,TRN,WRAP,2>", "fixed<6,1,RND_MIN_INF,WRAP_SM,1>", "float"}) {
    EXPECT_EQ(to_string(parse_format(text)), text);
    EXPECT_EQ(parse_format(to_string(parse_format(text))), parse_format(text));
  }
}

TEST(ParseFormat, RoundTripsEveryFormat) {
  int formats = 0;
  for (int width = 1; width <= kMaxWidth; ++width) {
    for (const int integer_bits : {-7, 0, 1, width, 70}) {
      for (const bool is_signed : {true, false}) {
        for (int rounding = 0; rounding < 7; ++rounding) {
          for (int overflow = 0; overflow < 5; ++overflow) {
            Format format{.kind = Kind::Fixed, .width = width, .integer_bits = integer_bits, .is_signed = is_signed,
                          .rounding = static_cast<Rounding>(rounding), .overflow = static_cast<Overflow>(overflow)};
            if (format.overflow == Overflow::WRAP_SM && !is_signed) continue;
            if (format.overflow == Overflow::WRAP) format.n_bits = width / 2;
            ASSERT_EQ(parse_format(to_string(format)), format) << to_string(format);
            ++formats;
          }
        }
      }
    }
  }
  EXPECT_EQ(formats, 64 * 5 * 7 * 9);
}

TEST(ParseFormat, TakesSpacesAndLongForms) {
  EXPECT_EQ(parse_format(" int< 8 > "), integer_format(8));
  EXPECT_EQ(parse_format("int<8,SAT>"), integer_format(8));
  EXPECT_EQ(to_string(parse_format("fixed<8, 3>")), "fixed<8,3,TRN,WRAP>");
  EXPECT_EQ(to_string(parse_format("ufixed<8,3,RND>")), "ufixed<8,3,RND,WRAP>");
}

TEST(ParseFormat, KnowsTheFractionBits) {
  EXPECT_EQ(parse_format("fixed<8,3>").frac_bits(), 5);
  EXPECT_EQ(parse_format("fixed<8,-2>").frac_bits(), 10);
  EXPECT_EQ(parse_format("fixed<8,12>").frac_bits(), -4);
  EXPECT_EQ(parse_format("int8").frac_bits(), 0);
}

TEST(ParseFormat, SaysWhatIsWrongAndWhatIsAllowed) {
  EXPECT_EQ(error_of("int<0>"), "format \"int<0>\": width \"0\" is not a number from 1 to 64");
  EXPECT_EQ(error_of("int65"), "format \"int65\": width \"65\" is not a number from 1 to 64");
  EXPECT_EQ(error_of("int99999999999999"),
            "format \"int99999999999999\": width \"99999999999999\" is not a number from 1 to 64");
  EXPECT_EQ(error_of("intx"), "format \"intx\": width \"x\" is not a number from 1 to 64");
  EXPECT_EQ(error_of("int<8,CLIP>"),
            "format \"int<8,CLIP>\": unknown overflow mode \"CLIP\"; allowed: SAT SAT_ZERO SAT_SYM WRAP WRAP_SM");
  EXPECT_EQ(error_of("fixed<8,2,ROUND>"),
            "format \"fixed<8,2,ROUND>\": unknown rounding mode \"ROUND\"; allowed: RND RND_ZERO RND_MIN_INF RND_INF "
            "RND_CONV TRN TRN_ZERO");
  EXPECT_EQ(error_of("uint<8,WRAP_SM>"),
            "format \"uint<8,WRAP_SM>\": WRAP_SM needs a signed format; allowed: SAT SAT_ZERO SAT_SYM WRAP");
  EXPECT_EQ(error_of("fixed<8,2,RND,WRAP,9>"),
            "format \"fixed<8,2,RND,WRAP,9>\": saturated bits \"9\" is not a number from 0 to 8");
  EXPECT_EQ(error_of("int<8,SAT,1>"),
            "format \"int<8,SAT,1>\": saturated bits are allowed with WRAP and WRAP_SM only");
  EXPECT_EQ(error_of("fixed<8>"), "format \"fixed<8>\": expected <width,integer_bits,...>");
  EXPECT_EQ(error_of("fixed<8,2,RND,SAT,0,0>"), "format \"fixed<8,2,RND,SAT,0,0>\": more than 5 fields");
  EXPECT_EQ(error_of("int<8"), "format \"int<8\": expected <...> after the name");
  const std::string forms = "expected intN, uintN, int<N,OVERFLOW>, fixed<W,I,ROUNDING,OVERFLOW>, ufixed<...> or float";
  EXPECT_EQ(error_of(""), "format \"\": " + forms);
  EXPECT_EQ(error_of("int"), "format \"int\": " + forms);
  EXPECT_EQ(error_of("i8\n"), "format \"i8?\": " + forms);
  EXPECT_EQ(error_of(std::string(1000, 'q')), "format \"" + std::string(60, 'q') + "...\": " + forms);
}

TEST(Format, RangeFollowsWidthAndSign) {
  EXPECT_EQ(parse_format("int8").min_code(), -128);
  EXPECT_EQ(parse_format("uint8").max_code(), 255);
  EXPECT_EQ(parse_format("int1").min_code(), -1);
  EXPECT_EQ(parse_format("int1").max_code(), 0);
  EXPECT_EQ(parse_format("int64").min_code(), INT64_MIN);
  EXPECT_EQ(parse_format("uint64").max_code(), int128{UINT64_MAX});
}

}  // namespace
}  // namespace guardbit::arith
