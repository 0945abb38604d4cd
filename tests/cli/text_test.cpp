// Words and numbers for people.
#include "cli/text.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "cli/table.hpp"

namespace guardbit::cli {
namespace {

TEST(EditDistance, CountsInsertionsDeletionsChangesAndSwapsOfNeighbours) {
  EXPECT_EQ(edit_distance("", ""), 0);
  EXPECT_EQ(edit_distance("verify", "verify"), 0);
  EXPECT_EQ(edit_distance("verfy", "verify"), 1);
  EXPECT_EQ(edit_distance("vreify", "verify"), 1);
  EXPECT_EQ(edit_distance("verifyy", "verify"), 1);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("abc", ""), 3);
}

TEST(DidYouMean, SuggestsOnlyWhatIsNear) {
  const std::vector<std::string> words{"verify", "quantize", "run"};
  EXPECT_EQ(did_you_mean("verfy", words), ", did you mean verify?");
  EXPECT_EQ(did_you_mean("rnu", words, "--"), ", did you mean --run?");
  EXPECT_EQ(did_you_mean("elephant", words), "");
}

TEST(Grouped, SeparatesThousands) {
  EXPECT_EQ(grouped(std::uint64_t{0}), "0");
  EXPECT_EQ(grouped(std::uint64_t{999}), "999");
  EXPECT_EQ(grouped(std::uint64_t{1000}), "1,000");
  EXPECT_EQ(grouped(std::uint64_t{174301824}), "174,301,824");
  EXPECT_EQ(grouped(std::int64_t{-1234567}), "-1,234,567");
  EXPECT_EQ(grouped(INT64_MIN), "-9,223,372,036,854,775,808");
  EXPECT_EQ(grouped(UINT64_MAX), "18,446,744,073,709,551,615");
}

TEST(Percent, ARareEventIsNeverRoundedToZero) {
  EXPECT_EQ(percent(0.0), "0");
  EXPECT_EQ(percent(1.0), "100.00%");
  EXPECT_EQ(percent(0.0317), "3.17%");
  EXPECT_EQ(percent(1e-9), "1.0e-07%");
}

TEST(Decimals, NamesWhatHasNoDigits) {
  EXPECT_EQ(decimals(1.25, 1), "1.2") << "ties to even, as printf";
  EXPECT_EQ(decimals(INFINITY, 1), "inf");
  EXPECT_EQ(decimals(-INFINITY, 1), "-inf");
  EXPECT_EQ(decimals(NAN, 1), "-");
}

TEST(OneLine, RemovesBreaksAndControlCharacters) { EXPECT_EQ(one_line("a\nb\tc\x1b[31m\n"), "a b c [31m"); }

TEST(Table, AlignsColumnsAndTrimsLines) {
  Table table({{"layer", Align::Left}, {"MACs"}});
  table.row({"conv1", "86,400"});
  table.row({"relu"});
  table.rule();
  table.row({"total", "86,400"});
  EXPECT_EQ(table.text(),
            "layer    MACs\n"
            "-------------\n"
            "conv1  86,400\n"
            "relu\n"
            "-------------\n"
            "total  86,400\n");
}

}  // namespace
}  // namespace guardbit::cli
