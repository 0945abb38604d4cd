// A real matrix product of gemmlowp (test/test_data.cc: 192 x 256 x 1152, a network's layer), through the executable.
//
// The expected bytes come from gemmlowp's own pipeline: clamp(((acc + 74980) * 3401 + 2^20) >> 21, 0, 255), where acc
// sums (a + a_offset) * (b + b_offset). Our zero point is the negative of its offset. A is stored row by row, B and
// C column by column.
#include <gtest/gtest.h>

#include "nets/io/compress.hpp"
#include "tests/cli/compute_place.hpp"

namespace guardbit {
namespace {

using tests::ComputePlace;
using tests::Tensor;

constexpr std::int64_t kM = 192, kN = 256, kK = 1152;

std::int64_t constant(const std::string& text, const std::string& name) {
  const std::string before = "const int " + name + " = ";
  return std::stoll(text.substr(text.find(before) + before.size(), 20));
}

// The numbers between the braces after `name[`.
std::vector<std::int64_t> numbers(const std::string& text, const std::string& name) {
  std::vector<std::int64_t> values;
  std::size_t at = text.find('{', text.find("unsigned char " + name + "["));
  const std::size_t end = text.find('}', at);
  while (at < end) {
    const std::size_t digit = text.find_first_of("0123456789}", at);
    if (digit >= end) break;
    std::size_t length = 0;
    values.push_back(std::stoll(text.substr(digit, 4), &length));
    at = digit + length;
  }
  return values;
}

Tensor transposed(const std::vector<std::int64_t>& stored, std::int64_t rows, std::int64_t columns) {
  Tensor t{{rows, columns}, {}};
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) t.data.push_back(stored[static_cast<std::size_t>(c * rows + r)]);
  }
  return t;
}

TEST(Gemmlowp, TheRealMatrixProductIsExact) {
  const char* data = std::getenv("GUARDBIT_DATA");
  const std::filesystem::path file =
      std::filesystem::path(data != nullptr ? data : "../shared/data") / "gemmlowp" / "test_data.cc";
  if (!nets::find_plain_or_compressed(file)) GTEST_SKIP() << file << " is not there; set GUARDBIT_DATA";
  const nets::Bytes bytes = nets::read_decompressed(file, 1 << 24);
  const std::string text(bytes.begin(), bytes.end());
  ASSERT_EQ(constant(text, "m"), kM);
  ASSERT_EQ(constant(text, "n"), kN);
  ASSERT_EQ(constant(text, "k"), kK);
  const std::vector<std::int64_t> a = numbers(text, "a_data"), b = numbers(text, "b_data");
  const std::vector<std::int64_t> c = numbers(text, "expected_c_data");
  ASSERT_EQ(a.size(), static_cast<std::size_t>(kM * kK));
  ASSERT_EQ(b.size(), static_cast<std::size_t>(kK * kN));
  ASSERT_EQ(c.size(), static_cast<std::size_t>(kM * kN));

  const ComputePlace place("gemmlowp");
  place.save("a.npy", {{kM, kK}, a});
  place.save("b.npy", transposed(b, kK, kN));
  const auto put = [](std::int64_t value) { return std::to_string(value); };
  place.numerics("operands: {lhs: uint8, rhs: uint8, zero_points: [" + put(-constant(text, "a_offset")) + ", " +
                 put(-constant(text, "b_offset")) + "]}\naccumulator: {format: 'int<32,WRAP>', step: 1}\noutput:\n" +
                 "  - {add: " + put(constant(text, "c_offset")) + "}\n  - {multiply: " +
                 put(constant(text, "c_mult_int")) + ", format: 'int<32,WRAP>'}\n  - {shift_right: " +
                 put(constant(text, "c_shift")) + ", rounding: RND}\n  - {saturate: uint8}\n");
  const tests::Outcome outcome =
      place.compute("gemm", {"--lhs", "a.npy", "--rhs", "b.npy", "--accumulators", "acc.npy"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;

  const Tensor y = place.load("y.npy"), expected = transposed(c, kM, kN);
  EXPECT_EQ(place.array("y.npy").dtype, nets::DType::U8);
  ASSERT_EQ(y.shape, expected.shape);
  std::int64_t differences = 0, extremes = 0;
  for (std::size_t i = 0; i < y.data.size(); ++i) {
    differences += y.data[i] != expected.data[i];
    extremes += expected.data[i] == 0 || expected.data[i] == 255;
  }
  std::cout << "gemmlowp: " << y.data.size() << " outputs compared, " << differences << " differences, " << extremes
            << " at 0 or 255\n";
  EXPECT_EQ(differences, 0);
  const nlohmann::json s = place.json("s.json");
  EXPECT_EQ(s["overflow"]["count"], 0);
  EXPECT_EQ(s["saturations"][1], 0) << "the 32-bit product of the pipeline does not wrap on these data";
}

}  // namespace
}  // namespace guardbit
