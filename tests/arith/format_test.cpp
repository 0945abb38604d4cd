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
        "fixed<8,20,RND_INF,WRAP>", "fixed<8,3,TRN,WRAP,2>", "fixed<6,1,RND_MIN_INF,WRAP_SM,1>", "float",
        "fixed<6,1,RND_CONV_ODD,SAT>", "float16", "bfloat16", "e4m3", "e5m2", "e4m3<SAT>", "e5m2<TRN_ZERO,SAT>",
        "float16<RND_ZERO>", "minifloat<3,2>", "minifloat<3,2,4>", "minifloat<3,2,IEEE>", "minifloat<3,2,FN,SAT>",
        "minifloat<3,2,-5,IEEE,TRN,SAT>", "minifloat<11,52,IEEE>", "minifloat<0,7>", "pow2<3,7>", "pow2<4,14,TRN>",
        "bipolar"}) {
    EXPECT_EQ(to_string(parse_format(text)), text);
    EXPECT_EQ(parse_format(to_string(parse_format(text))), parse_format(text));
  }
}

TEST(ParseFormat, RoundTripsEveryFormat) {
  int formats = 0;
  for (int width = 1; width <= kMaxWidth; ++width) {
    for (const int integer_bits : {-7, 0, 1, width, 70}) {
      for (const bool is_signed : {true, false}) {
        for (int rounding = 0; rounding < 8; ++rounding) {
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
  EXPECT_EQ(formats, 64 * 5 * 8 * 9);
}

TEST(ParseFormat, TakesSpacesAndLongForms) {
  EXPECT_EQ(parse_format(" int< 8 > "), integer_format(8));
  EXPECT_EQ(parse_format("int<8,SAT>"), integer_format(8));
  EXPECT_EQ(to_string(parse_format("fixed<8, 3>")), "fixed<8,3,TRN,WRAP>");
  EXPECT_EQ(to_string(parse_format("ufixed<8,3,RND>")), "ufixed<8,3,RND,WRAP>");
}

TEST(ParseFormat, GivesEveryFormatOneName) {
  EXPECT_EQ(to_string(parse_format("minifloat<5,10,IEEE>")), "float16");
  EXPECT_EQ(to_string(parse_format("minifloat<8,7,127,IEEE,SAT>")), "bfloat16<SAT>");
  EXPECT_EQ(to_string(parse_format("minifloat<4,3,7,SAT,FN,TRN>")), "e4m3<TRN,SAT>");
  EXPECT_EQ(to_string(parse_format("minifloat<4,0,14>")), "pow2<4,14>");
  EXPECT_EQ(to_string(parse_format("pow2<4>")), "pow2<4,7>");
  EXPECT_EQ(to_string(parse_format("ternary")), "int<2,SAT_SYM>");
  EXPECT_EQ(parse_format("binary"), kBipolar);
  EXPECT_EQ(parse_format("e5m2"), kE5m2);
}

TEST(ParseFormat, RefusesMinifloatsWithoutMeaning) {
  EXPECT_EQ(error_of("minifloat<12,3>"),
            "format \"minifloat<12,3>\": exponent bits \"12\" is not a number from 0 to 11");
  EXPECT_EQ(error_of("minifloat<4>"), "format \"minifloat<4>\": expected <exponent_bits,mantissa_bits,...>");
  EXPECT_EQ(error_of("minifloat<0,0>"), "format \"minifloat<0,0>\": at least one exponent or mantissa bit is needed");
  EXPECT_EQ(error_of("minifloat<4,0,IEEE>"),
            "format \"minifloat<4,0,IEEE>\": IEEE needs exponent and mantissa bits");
  EXPECT_EQ(error_of("minifloat<11,52>"),
            "format \"minifloat<11,52>\": exponents -1074 to 1024; allowed: -1074 to 1023");
  EXPECT_EQ(error_of("minifloat<4,3,WRAP>"),
            "format \"minifloat<4,3,WRAP>\": unknown option \"WRAP\"; allowed: IEEE FN SAT RND RND_ZERO RND_MIN_INF "
            "RND_INF RND_CONV TRN TRN_ZERO RND_CONV_ODD");
  EXPECT_EQ(error_of("e4m3<IEEE>"),
            "format \"e4m3<IEEE>\": unknown option \"IEEE\"; allowed: SAT RND RND_ZERO RND_MIN_INF RND_INF RND_CONV "
            "TRN TRN_ZERO RND_CONV_ODD");
  EXPECT_EQ(error_of("float16<"), "format \"float16<\": expected <...> after the name");
  EXPECT_EQ(error_of("pow2"), "format \"pow2\": expected <...> after the name");
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
            "RND_CONV TRN TRN_ZERO RND_CONV_ODD");
  EXPECT_EQ(error_of("uint<8,WRAP_SM>"),
            "format \"uint<8,WRAP_SM>\": WRAP_SM needs a signed format; allowed: SAT SAT_ZERO SAT_SYM WRAP");
  EXPECT_EQ(error_of("fixed<8,2,RND,WRAP,9>"),
            "format \"fixed<8,2,RND,WRAP,9>\": saturated bits \"9\" is not a number from 0 to 8");
  EXPECT_EQ(error_of("int<8,SAT,1>"),
            "format \"int<8,SAT,1>\": saturated bits are allowed with WRAP and WRAP_SM only");
  EXPECT_EQ(error_of("fixed<8>"), "format \"fixed<8>\": expected <width,integer_bits,...>");
  EXPECT_EQ(error_of("fixed<8,2,RND,SAT,0,0>"), "format \"fixed<8,2,RND,SAT,0,0>\": more than 5 fields");
  EXPECT_EQ(error_of("int<8"), "format \"int<8\": expected <...> after the name");
  const std::string forms =
      "expected intN, uintN, int<N,OVERFLOW>, fixed<W,I,ROUNDING,OVERFLOW>, ufixed<...>, minifloat<E,M>, pow2<E,BIAS>, "
      "float16, bfloat16, e4m3, e5m2, ternary, bipolar or float";
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
