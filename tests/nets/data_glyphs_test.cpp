// Drawn digits: the same bytes everywhere, balanced, and splits that share nothing.
#include <algorithm>
#include <set>

#include "io_support.hpp"
#include "nets/data/dataset.hpp"
#include "nets/io/sha256.hpp"

namespace guardbit::nets {
namespace {

Dataset draw(std::uint64_t seed, Split split, std::int64_t count) {
  DatasetSpec spec;
  spec.name = "glyphs";
  spec.seed = seed;
  spec.train_size = spec.test_size = count;
  return load_dataset(spec, split);
}

TEST(Glyphs, EveryMachineDrawsTheSamePixels) {
  EXPECT_EQ(sha256_hex(draw(1, Split::Train, 200).images),
            "8d4d50d8acc70eeb967b38e36c1ff0f25a73907bc5c94fe54032029ef413dea8");
  EXPECT_EQ(sha256_hex(draw(2, Split::Test, 200).images),
            "cf0055fe8f0c18e4ac40bad3ef23a744ba96f2c9ac0751f6726ade3ecba33051");
}

TEST(Glyphs, AnImageDependsOnlyOnSeedSplitAndIndex) {
  const Dataset few = draw(1, Split::Train, 20);
  const Dataset more = draw(1, Split::Train, 40);
  EXPECT_TRUE(std::equal(few.images.begin(), few.images.end(), more.images.begin()));
  EXPECT_NE(draw(2, Split::Train, 20).images, few.images);
  EXPECT_NE(draw(1, Split::Test, 20).images, few.images);
}

TEST(Glyphs, LabelsAreBalancedAndMixed) {
  const Dataset data = draw(1, Split::Train, 1000);
  for (int digit = 0; digit < 10; ++digit) EXPECT_EQ(std::count(data.labels.begin(), data.labels.end(), digit), 100);
  std::set<std::string> orders;
  for (int block = 0; block < 100; ++block) {
    const auto first = data.labels.begin() + block * 10;
    std::string order;
    for (auto label = first; label != first + 10; ++label) order += std::to_string(*label);
    orders.insert(order);
  }
  EXPECT_GT(orders.size(), 95u);
}

TEST(Glyphs, NoImageRepeats) {
  std::set<std::string> seen;
  for (const Split split : {Split::Train, Split::Test}) {
    const Dataset data = draw(3, split, 300);
    for (std::int64_t i = 0; i < data.count(); ++i)
      seen.insert(std::string(data.image(i).begin(), data.image(i).end()));
  }
  EXPECT_EQ(seen.size(), 600u);
}

TEST(Glyphs, EveryImageShowsADigitsWorthOfInk) {
  const Dataset data = draw(1, Split::Test, 500);
  for (std::int64_t i = 0; i < data.count(); ++i) {
    const auto bright = std::count_if(data.image(i).begin(), data.image(i).end(), [](auto p) { return p > 110; });
    EXPECT_GT(bright, 8) << i;
    EXPECT_LT(bright, 300) << i;
  }
}

}  // namespace
}  // namespace guardbit::nets
