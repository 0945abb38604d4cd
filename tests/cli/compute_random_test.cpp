// guardbit compute on random operators against the independent model: every value, every count, any number of threads.
#include <gtest/gtest.h>

#include <random>

#include "tests/cli/compute_place.hpp"

namespace guardbit {
namespace {

using nlohmann::json;
using tests::ComputePlace;
using tests::OracleEvidence;
using tests::OracleFormat;
using tests::Tensor;
using tests::Wide;
using tests::Window2d;

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::int64_t in(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(high - low + 1));
  }
  template <class T>
  const T& of(const std::vector<T>& choices) {
    return choices[static_cast<std::size_t>(in(0, static_cast<std::int64_t>(choices.size()) - 1))];
  }
  Tensor tensor(std::vector<std::int64_t> shape, std::int64_t low, std::int64_t high) {
    Tensor t{std::move(shape), {}};
    for (std::int64_t i = 0; i < t.count(); ++i) t.data.push_back(in(low, high));
    return t;
  }

 private:
  std::mt19937_64 engine_;
};

// One random operator: what the program is told, and what it must answer.
struct Case {
  std::string op, yaml;
  std::vector<std::string> arguments;
  Tensor accumulators, values;  // before and after the stages
  OracleEvidence evidence;
  std::vector<std::int64_t> saturations;
};

struct Setting {
  int operand_bits = 8;
  std::int64_t zero_a = 0, zero_b = 0;
  OracleFormat accumulator;
  std::size_t step = 1;
  [[nodiscard]] std::int64_t high() const { return (std::int64_t{1} << (operand_bits - 1)) - 1; }
  [[nodiscard]] std::int64_t low() const { return -high() - 1; }
};

// `products`: terms are products of two operands, not operands.
Setting random_setting(Random& random, bool products) {
  Setting s;
  s.operand_bits = static_cast<int>(random.of<std::int64_t>({1, 2, 4, 8, 8, 8, 12, 16, 20}));
  s.zero_a = random.in(0, 2) == 0 ? 0 : random.in(s.low(), s.high());
  s.zero_b = random.in(0, 2) == 0 ? random.in(s.low(), s.high()) : 0;
  const int term_bits = products ? 2 * s.operand_bits : s.operand_bits;
  s.accumulator.width = static_cast<int>(random.in(std::max(2, term_bits - 3), term_bits + (products ? 5 : 1)));
  s.accumulator.mode = random.of<std::string>({"SAT", "SAT", "WRAP", "WRAP", "SAT_SYM", "SAT_ZERO"});
  s.step = static_cast<std::size_t>(random.of<std::int64_t>({1, 1, 2, 3, 16, 0}));
  return s;
}

// Random stages, written as YAML and applied to `values` in the obvious way.
void add_stages(const ComputePlace& place, Random& random, Case& c) {
  std::string list;
  const std::int64_t channels = c.values.shape.back();
  std::vector<Wide> values(c.values.data.begin(), c.values.data.end());
  const std::int64_t stages = random.in(0, 5);
  for (std::int64_t i = 0; i < stages; ++i) {
    const std::string kind = random.of<std::string>({"add", "subtract", "multiply", "shift_left", "shift_right",
                                                     "saturate", "wrap", "relu", "clamp"});
    std::int64_t changed = 0;
    std::string rest;
    if (kind == "saturate" || kind == "wrap") {
      const OracleFormat format{static_cast<int>(random.in(4, 34)), kind == "wrap" ? "WRAP" : "SAT"};
      rest = "'" + format.text() + "'";
      for (Wide& v : values) changed += format.narrow(v) != std::exchange(v, format.narrow(v));
    } else if (kind == "relu") {
      rest = "true";
      for (Wide& v : values) v = std::max<Wide>(v, 0);
    } else if (kind == "clamp") {
      const std::int64_t low = random.in(-300, 0), high = random.in(0, 300);
      rest = "[" + std::to_string(low) + ", " + std::to_string(high) + "]";
      for (Wide& v : values) v = std::clamp<Wide>(v, low, high);
    } else {
      const bool shift = kind.starts_with("shift");
      // One number, a list along the last axis, or a file whose axes are each repeated or not.
      Tensor parameter{{}, {}};
      const std::int64_t form = random.in(0, 2);
      if (form == 1) parameter.shape = {channels};
      if (form == 2) {
        for (const std::int64_t extent : c.values.shape) parameter.shape.push_back(random.in(0, 1) == 0 ? 1 : extent);
      }
      parameter = random.tensor(parameter.shape, shift ? 0 : -100, shift ? (kind == "shift_left" ? 3 : 12) : 100);
      if (form == 0) rest = std::to_string(parameter.data[0]);
      if (form == 1) {
        for (const std::int64_t v : parameter.data) rest += (rest.empty() ? "[" : ", ") + std::to_string(v);
        rest += "]";
      }
      if (form == 2) {
        rest = "p" + std::to_string(i) + ".npy";
        place.save(rest, parameter);
      }
      const std::string mode = random.of<std::string>({"RND", "RND_INF", "RND_ZERO", "RND_MIN_INF", "RND_CONV", "TRN",
                                                       "TRN_ZERO"});
      if (kind == "shift_right") rest += ", rounding: " + mode;
      for (std::size_t e = 0; e < values.size(); ++e) {
        // Index of the parameter: the coordinates of e, 0 along repeated axes.
        std::size_t at = 0, size = 1, left = e;
        for (std::size_t axis = 0; axis < c.values.shape.size(); ++axis) {
          const auto extent = static_cast<std::size_t>(c.values.shape[c.values.shape.size() - 1 - axis]);
          if (axis < parameter.shape.size() && parameter.shape[parameter.shape.size() - 1 - axis] != 1) {
            at += left % extent * size;
            size *= extent;
          }
          left /= extent;
        }
        const std::int64_t p = parameter.data[at];
        if (kind == "add") values[e] += p;
        if (kind == "subtract") values[e] -= p;
        if (kind == "multiply") values[e] *= p;
        if (kind == "shift_left") values[e] <<= p;
        if (kind == "shift_right") values[e] = tests::oracle_shift_right(values[e], static_cast<int>(p), mode);
      }
    }
    list += "  - {" + kind + ": " + rest + "}\n";
    c.saturations.push_back(changed);
  }
  c.yaml += stages == 0 ? "output: []\n" : "output:\n" + list;
  c.values.data.assign(values.begin(), values.end());
}

std::string yaml_of(const Setting& s) {
  const std::string operand = "int" + std::to_string(s.operand_bits);
  return "operands: {lhs: " + operand + ", rhs: " + operand + ", zero_points: [" + std::to_string(s.zero_a) + ", " +
         std::to_string(s.zero_b) + "]}\naccumulator: {format: '" + s.accumulator.text() +
         "', step: " + std::to_string(s.step) + "}\n";
}

Case random_gemm(const ComputePlace& place, Random& random, const Setting& s) {
  Case c{.op = "gemm", .yaml = yaml_of(s), .arguments = {"--lhs", "a.npy", "--rhs", "b.npy"}, .accumulators = {},
         .values = {}, .evidence = {}, .saturations = {}};
  const std::int64_t m = random.in(1, 9), k = random.in(1, 40), n = random.in(1, 20);
  const Tensor a = random.tensor({m, k}, s.low(), s.high()), b = random.tensor({k, n}, s.low(), s.high());
  const Tensor bias = random.tensor({n}, -300, 300);
  place.save("a.npy", a);
  place.save("b.npy", b);
  const bool biased = random.in(0, 1) == 1;
  if (biased) {
    place.save("bias.npy", bias);
    c.arguments.insert(c.arguments.end(), {"--bias", "bias.npy"});
  }
  c.accumulators.shape = {m, n};
  for (std::int64_t i = 0; i < m * n; ++i) {
    std::vector<Wide> terms;
    for (std::int64_t d = 0; d < k; ++d) {
      terms.push_back(Wide{a.data[static_cast<std::size_t>(i / n * k + d)] - s.zero_a} *
                      (b.data[static_cast<std::size_t>(d * n + i % n)] - s.zero_b));
    }
    const Wide initial = biased ? bias.data[static_cast<std::size_t>(i % n)] : 0;
    c.accumulators.data.push_back(tests::oracle_accumulate(terms, initial, s.accumulator, s.step, i, c.evidence));
  }
  return c;
}

Window2d random_window(Random& random, std::int64_t h, std::int64_t w, std::vector<std::string>& arguments) {
  Window2d v{.kernel_h = random.in(1, 3), .kernel_w = random.in(1, 3), .stride_h = random.in(1, 3),
             .stride_w = random.in(1, 3), .dilation_h = random.in(1, 2), .dilation_w = random.in(1, 2),
             .top = random.in(0, 2), .bottom = random.in(0, 2), .left = random.in(0, 2), .right = random.in(0, 2)};
  while (v.rows(h) == 0) ++v.bottom;
  while (v.columns(w) == 0) ++v.right;
  const auto text = [](std::int64_t a, std::int64_t b) { return std::to_string(a) + "," + std::to_string(b); };
  arguments.insert(arguments.end(), {"--stride", text(v.stride_h, v.stride_w), "--dilation",
                                     text(v.dilation_h, v.dilation_w), "--padding",
                                     text(v.top, v.bottom) + "," + text(v.left, v.right)});
  return v;
}

Case random_conv(const ComputePlace& place, Random& random, const Setting& s, bool depthwise) {
  Case c{.op = depthwise ? "depthwise" : "conv2d", .yaml = yaml_of(s),
         .arguments = {"--input", "a.npy", "--weight", "b.npy"}, .accumulators = {}, .values = {}, .evidence = {},
         .saturations = {}};
  const std::int64_t n = random.in(1, 2), h = random.in(1, 6), w = random.in(1, 6);
  const std::int64_t groups = depthwise ? random.in(1, 5) : random.in(1, 3);
  const std::int64_t group_c = depthwise ? 1 : random.in(1, 4), group_k = random.in(1, 4), k_count = groups * group_k;
  const Window2d v = random_window(random, h, w, c.arguments);
  const Tensor a = random.tensor({n, h, w, groups * group_c}, s.low(), s.high());
  const Tensor b = random.tensor({k_count, v.kernel_h, v.kernel_w, group_c}, s.low(), s.high());
  place.save("a.npy", a);
  place.save("b.npy", b);
  if (!depthwise) c.arguments.insert(c.arguments.end(), {"--groups", std::to_string(groups)});
  std::int64_t pad = s.zero_a;
  if (random.in(0, 1) == 1) {
    pad = random.in(s.low(), s.high());
    c.arguments.insert(c.arguments.end(), {"--pad-value", std::to_string(pad)});
  }
  c.accumulators.shape = {n, v.rows(h), v.columns(w), k_count};
  for (std::int64_t i = 0; i < c.accumulators.count(); ++i) {
    const std::int64_t k = i % k_count, q = i / k_count % v.columns(w), p = i / k_count / v.columns(w) % v.rows(h),
                       image = i / k_count / v.columns(w) / v.rows(h);
    std::vector<Wide> terms;
    for (std::int64_t r = 0; r < v.kernel_h; ++r) {
      for (std::int64_t t = 0; t < v.kernel_w; ++t) {
        for (std::int64_t d = 0; d < group_c; ++d) {
          const auto x = tests::element(a, image, p * v.stride_h - v.top + r * v.dilation_h,
                                        q * v.stride_w - v.left + t * v.dilation_w, k / group_k * group_c + d);
          terms.push_back(Wide{x.value_or(pad) - s.zero_a} * (*tests::element(b, k, r, t, d) - s.zero_b));
        }
      }
    }
    c.accumulators.data.push_back(tests::oracle_accumulate(terms, 0, s.accumulator, s.step, i, c.evidence));
  }
  return c;
}

Case random_pool(const ComputePlace& place, Random& random, const Setting& s) {
  const bool average = random.in(0, 1) == 1;
  Case c{.op = "pool",
         .yaml = "operands: {input: int" + std::to_string(s.operand_bits) + ", zero_points: " +
                 std::to_string(s.zero_a) + "}\naccumulator: {format: '" + s.accumulator.text() + "', step: " +
                 std::to_string(s.step) + "}\n",
         .arguments = {"--input", "a.npy", "--pool", average ? "average" : "max"}, .accumulators = {}, .values = {},
         .evidence = {}, .saturations = {}};
  const std::int64_t n = random.in(1, 2), h = random.in(3, 7), w = random.in(3, 7), channels = random.in(1, 4);
  Window2d v{.kernel_h = random.in(1, 3), .kernel_w = random.in(1, 3), .stride_h = random.in(1, 2),
             .stride_w = random.in(1, 2)};
  v.top = random.in(0, v.kernel_h - 1);
  v.right = random.in(0, v.kernel_w - 1);
  const auto text = [](std::int64_t a, std::int64_t b) { return std::to_string(a) + "," + std::to_string(b); };
  c.arguments.insert(c.arguments.end(),
                     {"--kernel", text(v.kernel_h, v.kernel_w), "--stride", text(v.stride_h, v.stride_w), "--padding",
                      text(v.top, 0) + "," + text(0, v.right)});
  const Tensor a = random.tensor({n, h, w, channels}, s.low(), s.high());
  place.save("a.npy", a);
  c.accumulators.shape = {n, v.rows(h), v.columns(w), channels};
  c.values.shape = c.accumulators.shape;
  for (std::int64_t i = 0; i < c.accumulators.count(); ++i) {
    const std::int64_t channel = i % channels, q = i / channels % v.columns(w),
                       p = i / channels / v.columns(w) % v.rows(h), image = i / channels / v.columns(w) / v.rows(h);
    std::vector<Wide> terms;
    for (std::int64_t r = 0; r < v.kernel_h; ++r) {
      for (std::int64_t t = 0; t < v.kernel_w; ++t) {
        const auto x = tests::element(a, image, p * v.stride_h - v.top + r, q * v.stride_w - v.left + t, channel);
        if (x) terms.push_back(*x - s.zero_a);
      }
    }
    const auto taps = static_cast<std::int64_t>(terms.size());
    if (!average) terms = {*std::max_element(terms.begin(), terms.end())};
    const std::int64_t sum = tests::oracle_accumulate(terms, 0, s.accumulator, s.step, i, c.evidence);
    c.accumulators.data.push_back(sum);
    const std::int64_t magnitude = (2 * std::abs(sum) + taps) / (2 * taps);  // half away from zero
    c.values.data.push_back(!average ? sum : sum < 0 ? -magnitude : magnitude);
  }
  return c;
}

Case random_pair(const ComputePlace& place, Random& random, const Setting& s, bool add) {
  Case c{.op = add ? "add" : "multiply", .yaml = yaml_of(s), .arguments = {"--lhs", "a.npy", "--rhs", "b.npy"},
         .accumulators = {}, .values = {}, .evidence = {}, .saturations = {}};
  const std::int64_t rows = random.in(1, 5), columns = random.in(1, 9);
  const bool column = random.in(0, 1) == 1;  // rhs [rows, 1]
  const Tensor a = random.tensor({rows, columns}, s.low(), s.high());
  const Tensor b = random.tensor({rows, column ? 1 : columns}, s.low(), s.high());
  place.save("a.npy", a);
  place.save("b.npy", b);
  c.accumulators.shape = {rows, columns};
  for (std::int64_t i = 0; i < rows * columns; ++i) {
    const Wide x = a.data[static_cast<std::size_t>(i)] - s.zero_a;
    const Wide y = b.data[static_cast<std::size_t>(column ? i / columns : i)] - s.zero_b;
    c.accumulators.data.push_back(tests::oracle_accumulate(
        add ? std::vector<Wide>{x, y} : std::vector<Wide>{x * y}, 0, s.accumulator, s.step, i, c.evidence));
  }
  return c;
}

// `again`: also with three threads, for the same bytes.
void compare(const ComputePlace& place, Case& c, bool again, const std::string& what) {
  place.numerics(c.yaml);
  c.arguments.insert(c.arguments.end(), {"--accumulators", "acc.npy", "--threads", "1"});
  const tests::Outcome outcome = place.compute(c.op, c.arguments);
  ASSERT_EQ(outcome.code, 0) << what << outcome.err << c.yaml;
  EXPECT_EQ(place.load("acc.npy").shape, c.accumulators.shape) << what;
  EXPECT_EQ(place.load("acc.npy").data, c.accumulators.data) << what << c.yaml;
  EXPECT_EQ(place.load("y.npy").data, c.values.data) << what << c.yaml;
  const json s = place.json("s.json");
  const json expected{{"total", c.accumulators.count()}, {"count", c.evidence.count}, {"outputs", c.evidence.outputs},
                      {"transient", c.evidence.transient}, {"harmful", c.evidence.harmful}};
  json found = s["overflow"];
  const json first = found["first"];
  found.erase("first");
  EXPECT_EQ(found, expected) << what << c.yaml;
  EXPECT_EQ(first.is_null(), c.evidence.first_output < 0) << what;
  if (!first.is_null()) {
    EXPECT_EQ(first["output"], c.evidence.first_output) << what;
    EXPECT_EQ(first["narrowing"], c.evidence.first_narrowing) << what;
  }
  EXPECT_EQ(s["saturations"], json(c.saturations)) << what << c.yaml;

  if (!again) return;
  const std::string y = tests::read_text(place / "y.npy"), acc = tests::read_text(place / "acc.npy"),
                    report = tests::read_text(place / "s.json");
  c.arguments.back() = "3";
  ASSERT_EQ(place.compute(c.op, c.arguments).code, 0);
  EXPECT_EQ(tests::read_text(place / "y.npy"), y) << what << "three threads";
  EXPECT_EQ(tests::read_text(place / "acc.npy"), acc) << what << "three threads";
  EXPECT_EQ(tests::read_text(place / "s.json"), report) << what << "three threads";
}

void run(const std::string& op, int cases) {
  const ComputePlace place("random-" + op);
  std::int64_t overflows = 0, narrowed = 0;
  for (int seed = 1; seed <= cases && !testing::Test::HasFatalFailure(); ++seed) {
    Random random(static_cast<std::uint64_t>(seed) * 7919);
    const Setting s = random_setting(random, op != "pool" && op != "add");
    Case c = op == "gemm"        ? random_gemm(place, random, s)
             : op == "conv2d"    ? random_conv(place, random, s, false)
             : op == "depthwise" ? random_conv(place, random, s, true)
             : op == "pool"      ? random_pool(place, random, s)
                                 : random_pair(place, random, s, op == "add");
    if (c.values.shape.empty()) c.values = c.accumulators;
    add_stages(place, random, c);
    compare(place, c, seed % 4 == 0, op + " seed " + std::to_string(seed) + "\n");
    overflows += c.evidence.outputs;
    for (const std::int64_t changed : c.saturations) narrowed += changed;
  }
  EXPECT_GT(overflows, 0) << "a test that never overflows tests nothing";
  EXPECT_GT(narrowed, 0);
}

TEST(ComputeRandom, Gemm) { run("gemm", 40); }
TEST(ComputeRandom, Conv2d) { run("conv2d", 40); }
TEST(ComputeRandom, Depthwise) { run("depthwise", 24); }
TEST(ComputeRandom, Pool) { run("pool", 24); }
TEST(ComputeRandom, Add) { run("add", 16); }
TEST(ComputeRandom, Multiply) { run("multiply", 16); }

}  // namespace
}  // namespace guardbit
