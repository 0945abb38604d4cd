// Softmax by table: literals, an independent big-integer statement of its definition over all small cases, softmax in
// long double, properties, and what the check refuses. The same cases go through the function and both engines.
#include "nets/quantize/softmax_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "arith/error.hpp"
#include "arith/int128.hpp"
#include "arith/philox.hpp"
#include "nets/engines/engine.hpp"
#include "nets/quantize/range_analysis.hpp"

namespace guardbit::nets {
namespace {

using Codes = std::vector<std::int32_t>;
using arith::integer_format;

const TensorFormat kTflite{integer_format(8), 0x1p-8, -128};

// input [1, w, channels] -> softmax.
IntegerNetwork network_of(const Codes& table, int channels, const TensorFormat& output = kTflite, int w = 1) {
  IntegerNetwork network;
  network.name = "n";
  IntegerLayer input;
  input.name = "input";
  input.shape = {1, w, channels};
  IntegerLayer softmax;
  softmax.name = "soft";
  softmax.op = IntegerOp::Softmax;
  softmax.inputs = {0};
  softmax.shape = input.shape;
  softmax.output = output;
  softmax.exponentials = table;
  network.layers = {input, softmax};
  network.output = 1;
  return network;
}

// Results of the function and of both engines, which must agree. Rows of `channels` codes are positions along W.
Codes results(const Codes& table, const Codes& codes, int channels, const TensorFormat& output = kTflite) {
  const int rows = static_cast<int>(codes.size()) / channels;
  const IntegerNetwork network = network_of(table, channels, output, rows);
  check(network);
  IntTensor input({1, 1, rows, channels});
  input.data = codes;
  const auto accumulations = uniform(network, {});
  const auto run = [&](const std::unique_ptr<Engine>& engine, int threads) {
    RunOptions options;
    options.threads = threads;
    return engine->run(network, accumulations, input, options).layers[1].codes.data;
  };
  const Codes reference = run(make_reference_engine(), 1);
  for (const int threads : {1, 3}) EXPECT_EQ(reference, run(make_fast_engine(), threads));
  return reference;
}

// 100, 50, 25, 0, 0, ...
Codes short_table() {
  Codes table(kSoftmaxEntries, 0);
  table[0] = 100, table[1] = 50, table[2] = 25;
  return table;
}

TEST(TableSoftmax, ByHand) {
  // e = 100 50 25 0, sum 175, 256 * e / 175 = 146.28 73.14 36.57 0
  EXPECT_EQ(results(short_table(), {5, 4, 3, 2}, 4), (Codes{146 - 128, 73 - 128, 37 - 128, -128}));
  // The largest code stands elsewhere, differences of 3 and more count nothing: 50 25 0 100 0, the same shares.
  EXPECT_EQ(results(short_table(), {-1, -2, -3, 0, -128}, 5), (Codes{73 - 128, 37 - 128, -128, 146 - 128, -128}));
  // 255 = 127 - -128 is the last entry.
  Codes last(kSoftmaxEntries, 1);
  EXPECT_EQ(results(last, {127, -128}, 2), (Codes{0, 0}));
  last[255] = 0;
  EXPECT_EQ(results(last, {127, -128}, 2), (Codes{127, -128}));  // 256 is held at the largest code
  EXPECT_EQ(results(last, {126, -128}, 2), (Codes{0, 0}));
}

TEST(TableSoftmax, EqualCodesShare) {
  const Codes table = softmax_table(0.1);
  EXPECT_EQ(results(table, {7}, 1), (Codes{127}));
  EXPECT_EQ(results(table, {7, 7}, 2), (Codes{0, 0}));
  EXPECT_EQ(results(table, {-3, -3, -3}, 3), (Codes(3, 85 - 128)));  // 85.33
  EXPECT_EQ(results(table, Codes(6, 0), 6), (Codes(6, 43 - 128)));  // 42.67
  // 1/2 of a code each: the reciprocal is cut, 65535 * floor(2^40 / (512 * 65535)) = 65535 * 32768 < 2^31.
  EXPECT_EQ(results(table, Codes(512, 0), 512), Codes(512, -128));
  EXPECT_EQ(results(table, Codes(511, 0), 511), Codes(511, 1 - 128));
}

TEST(TableSoftmax, PositionsAreIndependent) {
  EXPECT_EQ(results(short_table(), {5, 4, 3, 2, 100, 100, 0, 0, -7, -6, -5, -4}, 4),
            (Codes{146 - 128, 73 - 128, 37 - 128, -128, 0, 0, -128, -128, -128, 37 - 128, 73 - 128, 146 - 128}));
}

TEST(TableSoftmax, OtherOutputFormats) {
  const TensorFormat wide{integer_format(16), 0x1p-15, 0}, bytes{integer_format(8, false), 0x1p-8, 0};
  const TensorFormat fixed{arith::parse_format("fixed<8,1,RND_CONV,SAT>"), 0x1p-7, 0};
  const TensorFormat coarse{integer_format(4), 0.5, 1};
  // 32768 * 4/7 = 18724.57, * 2/7 = 9362.28, * 1/7 = 4681.14
  EXPECT_EQ(results(short_table(), {2, 1, 0}, 3, wide), (Codes{18725, 9362, 4681}));
  EXPECT_EQ(results(short_table(), {2, 1, 0}, 3, bytes), (Codes{146, 73, 37}));
  EXPECT_EQ(results(short_table(), {2, 1, 0}, 3, fixed), (Codes{73, 37, 18}));  // 73.14 36.57 18.29
  EXPECT_EQ(results(short_table(), {2, 1, 0}, 3, coarse), (Codes{2, 2, 1}));    // 1.14 0.57 0.29, and 1
  EXPECT_EQ(results(short_table(), {2}, 1, wide), (Codes{32767}));
  EXPECT_EQ(results(short_table(), {2}, 1, fixed), (Codes{127}));
}

// --- the table ---

TEST(SoftmaxTable, Literals) {
  const Codes halves = softmax_table(std::log(2.0));
  EXPECT_EQ(Codes(halves.begin(), halves.begin() + 18),
            (Codes{65535, 32768, 16384, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1, 0}));
  const Codes tenths = softmax_table(0.1);  // 65535 * exp(-k / 10), by another program
  EXPECT_EQ(Codes(tenths.begin(), tenths.begin() + 8),
            (Codes{65535, 59299, 53656, 48550, 43929, 39749, 35966, 32544}));
  EXPECT_EQ(softmax_table(1e-300), Codes(kSoftmaxEntries, 65535));
  Codes steep(kSoftmaxEntries, 0);
  steep[0] = 65535;
  EXPECT_EQ(softmax_table(1e300), steep);
  EXPECT_EQ(softmax_table(11.784), steep);
  steep[1] = 1;  // 65535 * exp(-11.783) = 0.5003
  EXPECT_EQ(softmax_table(11.783), steep);
  for (const double bad : {0.0, -1.0, std::nan(""), HUGE_VAL}) EXPECT_THROW((void)softmax_table(bad), Error) << bad;
}

TEST(SoftmaxTable, IsTheNearestIntegerToTheExponentialAndNeverRises) {
  arith::Random random(3);
  for (int i = 0; i < 2000; ++i) {
    const double scale = std::ldexp(1 + random.uniform(), static_cast<int>(random.below(20)) - 16);
    const Codes table = softmax_table(scale);
    ASSERT_EQ(table.size(), kSoftmaxEntries);
    for (std::size_t k = 0; k < table.size(); ++k) {
      const long double exact = 65535.0L * std::exp(-static_cast<long double>(k) * static_cast<long double>(scale));
      ASSERT_NEAR(static_cast<double>(table[k] - exact), 0, 0.5 + 1e-9) << scale << " " << k;
      ASSERT_LE(table[k], k == 0 ? 65535 : table[k - 1]);
    }
    ASSERT_EQ(table[0], 65535);
  }
}

// --- the definition, stated again ---

// floor(numerator / denominator), bit by bit.
arith::int128 quotient(arith::int128 numerator, arith::int128 denominator) {
  arith::int128 result = 0, rest = 0;
  for (int bit = 126; bit >= 0; --bit) {
    rest = rest * 2 + ((numerator >> bit) & 1);
    result *= 2;
    if (rest >= denominator) rest -= denominator, ++result;
  }
  return result;
}

// Share number c of the codes before the zero point is added, in units of 2^-bits.
arith::int128 stated_share(const Codes& table, std::span<const std::int32_t> codes, std::size_t c, int bits) {
  std::int32_t largest = codes[0];
  for (const std::int32_t code : codes) largest = code > largest ? code : largest;
  arith::int128 sum = 0;
  for (const std::int32_t code : codes) sum += table.at(static_cast<std::size_t>(largest - code));
  const arith::int128 scaled = table.at(static_cast<std::size_t>(largest - codes[c])) *
                               quotient(arith::int128{1} << 40, sum);
  const arith::int128 whole = quotient(scaled, arith::int128{1} << (40 - bits));
  const arith::int128 rest = scaled - (whole << (40 - bits));
  return whole + (2 * rest >= arith::int128{1} << (40 - bits) ? 1 : 0);
}

void expect_stated(const Codes& table, const Codes& codes, int channels, const TensorFormat& output) {
  const Codes got = results(table, codes, channels, output);
  const int bits = softmax_fraction_bits(output.scale);
  const auto most = static_cast<std::int64_t>(output.format.max_code());
  for (std::size_t at = 0; at < codes.size(); ++at) {
    const auto row = at - at % static_cast<std::size_t>(channels);
    const std::span<const std::int32_t> mine = std::span(codes).subspan(row, static_cast<std::size_t>(channels));
    const auto share = static_cast<std::int64_t>(stated_share(table, mine, at - row, bits));
    ASSERT_EQ(got[at], std::min(share + output.zero_point, most)) << "element " << at;
  }
}

TEST(TableSoftmax, IsAsStatedForAllTriplesOfFourBits) {
  Codes codes;
  for (int i = 0; i < 4096; ++i) codes.insert(codes.end(), {i % 16 - 8, i / 16 % 16 - 8, i / 256 - 8});
  Codes rough(kSoftmaxEntries, 0);
  for (std::size_t k = 0; k < rough.size(); ++k) rough[k] = static_cast<std::int32_t>(k < 7 ? 7 - k : 0);
  const TensorFormat wide{integer_format(16), 0x1p-16, -32768}, coarse{integer_format(2, false), 0.5, 0};
  for (const Codes& table : {softmax_table(0.05), softmax_table(0.7), short_table(), rough}) {
    for (const TensorFormat& output : {kTflite, wide, coarse}) expect_stated(table, codes, 3, output);
  }
}

TEST(TableSoftmax, IsAsStatedForAllPairsOfBytes) {
  Codes codes;
  for (int i = 0; i < 65536; ++i) codes.insert(codes.end(), {i % 256 - 128, i / 256 - 128});
  expect_stated(softmax_table(0.021), codes, 2, kTflite);
}

TEST(TableSoftmax, IsAsStatedForRandomRows) {
  arith::Random random(8);
  for (int i = 0; i < 300; ++i) {
    const int channels = 1 + static_cast<int>(random.below(i % 10 == 0 ? 2000 : 40));
    Codes codes(static_cast<std::size_t>(channels) * 3);
    for (std::int32_t& code : codes) code = static_cast<std::int32_t>(random.below(256)) - 128;
    const int bits = 1 + static_cast<int>(random.below(16));
    expect_stated(softmax_table(std::ldexp(1 + random.uniform(), -static_cast<int>(random.below(12)))), codes, channels,
                  {integer_format(bits, false), std::ldexp(1.0, -bits), 0});
  }
}

// --- accuracy and properties ---

TEST(TableSoftmax, IsWithinItsBoundOfSoftmaxInLongDouble) {
  arith::Random random(5);
  const TensorFormat wide{integer_format(17), 0x1p-8, 0};  // wide enough never to saturate
  double worst = 0;
  for (int i = 0; i < 600; ++i) {
    const int channels = 1 + static_cast<int>(random.below(i % 20 == 0 ? 3000 : 100));
    const double scale = std::ldexp(1 + random.uniform(), -static_cast<int>(random.below(12)));
    const auto spread = 1 + random.below(255);
    Codes codes(static_cast<std::size_t>(channels));
    for (std::int32_t& code : codes) code = static_cast<std::int32_t>(random.below(spread)) - 128;
    const Codes got = results(softmax_table(scale), codes, channels, wide);
    const std::int32_t largest = *std::max_element(codes.begin(), codes.end());
    long double sum = 0;
    for (const std::int32_t code : codes) sum += std::exp(static_cast<long double>(scale) * (code - largest));
    const double bound = 0.5 + 0x1p-16 + 128.0 * channels / 65535;
    std::int64_t total = 0;
    for (std::size_t c = 0; c < codes.size(); ++c) {
      const long double exact = 256 * std::exp(static_cast<long double>(scale) * (codes[c] - largest)) / sum;
      const auto error = static_cast<double>(std::abs(got[c] - exact));
      ASSERT_LE(error, bound) << channels << " channels, scale " << scale;
      worst = std::max(worst, error / bound);
      total += got[c];
    }
    ASSERT_LE(std::abs(total - 256), channels * (0.5 + 0x1p-16));
  }
  EXPECT_GT(worst, 0.9);  // the bound is not idle
}

TEST(TableSoftmax, PermutesWithItsCodesShiftsWithThemAndKeepsTheirOrder) {
  arith::Random random(6);
  for (int i = 0; i < 300; ++i) {
    const auto channels = 2 + static_cast<std::size_t>(random.below(30));
    Codes codes(channels);
    for (std::int32_t& code : codes) code = static_cast<std::int32_t>(random.below(200)) - 100;
    const Codes table = softmax_table(std::ldexp(1 + random.uniform(), -static_cast<int>(random.below(8))));
    const int c = static_cast<int>(channels);
    const Codes got = results(table, codes, c);

    Codes turned = codes, wanted = got, shifted = codes;
    const auto by = static_cast<std::ptrdiff_t>(random.below(channels));
    std::rotate(turned.begin(), turned.begin() + by, turned.end());
    std::rotate(wanted.begin(), wanted.begin() + by, wanted.end());
    std::swap(turned.front(), turned.back());
    std::swap(wanted.front(), wanted.back());
    EXPECT_EQ(results(table, turned, c), wanted);

    const auto more = static_cast<std::int32_t>(random.below(55)) - 28;
    for (std::int32_t& code : shifted) code += more;
    EXPECT_EQ(results(table, shifted, c), got);

    for (std::size_t a = 0; a < channels; ++a) {
      for (std::size_t b = 0; b < channels; ++b) {
        if (codes[a] >= codes[b]) {
          EXPECT_GE(got[a], got[b]);
        }
      }
    }
  }
}

TEST(TableSoftmax, LargestSum) {
  // 65536 channels of 65535 sum to 2^32 - 2^16; r = floor(2^40 / that) = 256, p = (65535 * 256 + 2^23) >> 24.
  const TensorFormat wide{integer_format(16, false), 0x1p-16, 0};
  EXPECT_EQ(results(Codes(kSoftmaxEntries, 65535), Codes(65536, 3), 65536, wide)[65535], 1);
  // The smallest sum: r = 2^40.
  Codes one(kSoftmaxEntries, 0);
  one[0] = 1;
  EXPECT_EQ(results(one, {4, 9, 9, 8}, 4, wide), (Codes{0, 32768, 32768, 0}));
}

TEST(TableSoftmax, ItsRangeIsWhatItsFormatHolds) {
  const auto range = [](const TensorFormat& output) {
    return output_ranges(network_of(short_table(), 2, output)).back();
  };
  EXPECT_EQ(range(kTflite), (Interval{-128, 127}));
  EXPECT_EQ(range({integer_format(16), 0x1p-7, 5}), (Interval{5, 133}));
  EXPECT_EQ(range({arith::parse_format("fixed<8,1>"), 0x1p-7, 0}), (Interval{0, 127}));
}

TEST(TableSoftmax, OutputFormatOfEachKindOfInput) {
  const auto of = [](const char* format) { return softmax_output({arith::parse_format(format), 0.3, 4}); };
  EXPECT_EQ(of("int8"), kTflite);
  EXPECT_EQ(of("int4"), (TensorFormat{integer_format(4), 0x1p-4, -8}));
  EXPECT_EQ(of("uint8"), (TensorFormat{integer_format(8, false), 0x1p-8, 0}));
  EXPECT_EQ(of("fixed<8,3,RND_CONV,SAT>"), (TensorFormat{arith::parse_format("fixed<8,1,RND_CONV,SAT>"), 0x1p-7, 0}));
}

// --- what is refused ---

TEST(TableSoftmax, RefusesWhatItCannotComputeInOneLine) {
  using Edit = std::function<void(IntegerNetwork&)>;
  const auto soft = [](IntegerNetwork& n) -> IntegerLayer& { return n.layers[1]; };
  const std::pair<const char*, Edit> cases[] = {
      {"layer soft (softmax): found inputs of format int9, allowed up to 8 bits: the table has 256 entries",
       [](auto& n) { n.layers[0].output.format = integer_format(9); }},
      {"layer soft (softmax): found 65537 channels, allowed up to 65536",
       [&](auto& n) { n.layers[0].shape.c = soft(n).shape.c = 65537; }},
      {"layer soft (softmax): found output scale 0.003, allowed 2^-1 to 2^-16",
       [&](auto& n) { soft(n).output.scale = 0.003; }},
      {"layer soft (softmax): found output scale 1, allowed 2^-1 to 2^-16", [&](auto& n) { soft(n).output.scale = 1; }},
      {"found 255 exponentials, allowed 256", [&](auto& n) { soft(n).exponentials.pop_back(); }},
      {"found 257 exponentials, allowed 256", [&](auto& n) { soft(n).exponentials.push_back(0); }},
      {"found 0 exponentials, allowed 256", [&](auto& n) { soft(n).exponentials.clear(); }},
      {"found exponential 0 at 0, allowed 1 to 65535", [&](auto& n) { soft(n).exponentials.assign(256, 0); }},
      {"found exponential 65536 at 0, allowed 1 to 65535", [&](auto& n) { soft(n).exponentials[0] = 65536; }},
      {"found exponential 101 at 1, allowed 0 to 100: they may not rise",
       [&](auto& n) { soft(n).exponentials[1] = 101; }},
      {"found exponential 1 at 255, allowed 0 to 0: they may not rise",
       [&](auto& n) { soft(n).exponentials[255] = 1; }},
      {"found exponential -1 at 255, allowed 0 to 0: they may not rise",
       [&](auto& n) { soft(n).exponentials[255] = -1; }},
      {"its inputs give [1, 1, 3]", [&](auto& n) { soft(n).shape.c = 4; }},
      {"has stages", [&](auto& n) { soft(n).stages = {arith::Narrow{integer_format(8)}}; }},
      {"2 inputs", [&](auto& n) { soft(n).inputs = {0, 0}; }},
      {"layer input (input): has exponentials, which this operator does not use",
       [](auto& n) { n.layers[0].exponentials = {1}; }},
  };
  ASSERT_NO_THROW(check(network_of(short_table(), 3)));
  for (const auto& [message, edit] : cases) {
    IntegerNetwork network = network_of(short_table(), 3);
    edit(network);
    try {
      check(network);
      ADD_FAILURE() << "accepted, wanted " << message;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what() << "\nwanted " << message;
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace guardbit::nets
