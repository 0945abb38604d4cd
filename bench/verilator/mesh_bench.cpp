// How fast a Verilator-compiled 16x16 weight-stationary mesh (mesh.sv) simulates the convolutions of CifarNet, and that
// it computes the same: every sum and the number of overflows are compared with arith::gemm, exit code 1 if one differs.
//
//   mesh_bench [PERCENT] > result.json     PERCENT of each layer's pixels, 100 by default
//
// Operands are random int8. A fold is loaded (16 cycles), its pixels stream through, the sums come back at the top for
// the next 16 products: the same cycles as the simulator's, counted. Times are CPU times of the thread; the bench's own
// share (operands to the edges) is part of it, as gathering is part of the simulator's.
#include <time.h>
#include <verilated.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "Vmesh_sat16.h"
#include "Vmesh_sat16___024root.h"
#include "Vmesh_wrap20.h"
#include "Vmesh_wrap20___024root.h"
#include "arith/gemm.hpp"
#include "arith/philox.hpp"

namespace {

using namespace guardbit;

constexpr int kSide = 16;

struct Product {
  int pixels, depth, columns;
};
// P * Q, R * S * C, K of CifarNet's layers with weights.
constexpr Product kLayers[] = {{900, 27, 64},    {900, 576, 64},   {225, 576, 128},  {225, 1152, 128}, {225, 1152, 128},
                               {64, 1152, 192}, {64, 1728, 192}, {64, 1728, 192}, {1, 192, 10}};

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

struct Operands {
  std::vector<std::int8_t> x;         // [pixels, depth]
  std::vector<std::int32_t> weights;  // [depth, columns]
};

Operands random_operands(const Product& p, std::uint64_t stream) {
  arith::Random random(1, stream);
  Operands o;
  // Products of 32 x 16 sums: a 16-bit accumulator overflows now and then, a 20-bit one in the deepest layers.
  for (int i = 0; i < p.pixels * p.depth; ++i) o.x.push_back(static_cast<std::int8_t>(random.below(256)));
  for (int i = 0; i < p.depth * p.columns; ++i) o.weights.push_back(static_cast<std::int32_t>(random.below(255)) - 127);
  return o;
}

struct Run {
  std::uint64_t macs = 0, cycles = 0, overflows = 0, wrong = 0;
  double seconds = 0;
};

template <class Model>
class Mesh {
 public:
  Mesh() : model_(&context_) {}

  // sums: [pixels, columns], 0 at first.
  void fold(const Operands& o, const Product& p, int k0, int n0, std::vector<std::int32_t>& sums) {
    const int depth = std::min(kSide, p.depth - k0), columns = std::min(kSide, p.columns - n0);
    model_.load = 1;
    std::fill_n(&model_.x_left[0], kSide, 0);
    std::fill_n(&model_.sum_top[0], kSide, 0);
    for (int row = kSide - 1; row >= 0; --row) {  // the bottom row's weights enter first
      for (int c = 0; c < kSide; ++c) {
        const bool used = row < depth && c < columns;
        model_.weight_top[c] = used ? static_cast<IData>(o.weights[std::size_t((k0 + row) * p.columns + n0 + c)]) : 0;
      }
      clock();
    }
    model_.load = 0;
    // The operand of pixel m enters row r in cycle m + r, its sum leaves column c at the end of cycle m + c + 15.
    for (int t = 0; t < p.pixels + 2 * kSide - 1; ++t) {
      for (int c = 0; c < columns; ++c) {
        const int m = t - c - kSide;
        if (m >= 0 && m < p.pixels) sums[std::size_t(m * p.columns + n0 + c)] = static_cast<std::int32_t>(model_.sum_bottom[c]);
      }
      for (int r = 0; r < kSide; ++r) {
        const int m = t - r;
        const bool used = m >= 0 && m < p.pixels && r < depth;
        model_.x_left[r] = used ? static_cast<IData>(o.x[std::size_t(m * p.depth + k0 + r)]) : 0;
      }
      for (int c = 0; c < kSide; ++c) {
        const int m = t - c;
        const bool used = m >= 0 && m < p.pixels && c < columns;
        model_.sum_top[c] = used ? static_cast<IData>(sums[std::size_t(m * p.columns + n0 + c)]) : 0;
      }
      clock();
    }
  }

  void reset() {
    model_.reset = 1;
    clock();
    model_.reset = 0;
    cycles_ = 0;
  }
  [[nodiscard]] std::uint64_t cycles() const { return cycles_; }
  [[nodiscard]] std::uint64_t overflows() const {
    std::uint64_t sum = 0;
    for (int r = 0; r < kSide; ++r) {
      for (int c = 0; c < kSide; ++c) sum += model_.rootp->mesh__DOT__overflows[r][c];
    }
    return sum;
  }

 private:
  void clock() {
    model_.clk = 0;
    model_.eval();
    model_.clk = 1;
    model_.eval();
    ++cycles_;
  }

  VerilatedContext context_;
  Model model_;
  std::uint64_t cycles_ = 0;
};

template <class Model, int Width>
Run run(arith::Overflow mode, int percent) {
  Mesh<Model> mesh;
  Run total;
  std::uint64_t stream = 0;
  for (Product p : kLayers) {
    p.pixels = std::max(1, p.pixels * percent / 100);
    const Operands o = random_operands(p, stream++);
    std::vector<std::int32_t> sums(std::size_t(p.pixels) * std::size_t(p.columns));
    mesh.reset();
    const double begin = cpu_seconds();
    for (int n = 0; n < p.columns; n += kSide) {
      for (int k = 0; k < p.depth; k += kSide) mesh.fold(o, p, k, n, sums);
    }
    total.seconds += cpu_seconds() - begin;
    total.cycles += mesh.cycles();
    total.macs += std::uint64_t(p.pixels) * std::uint64_t(p.depth) * std::uint64_t(p.columns);

    std::vector<std::int32_t> expected(sums.size());
    arith::AccumulationEvidence evidence;
    arith::gemm(arith::GemmLhs::of(o.x.data(), p.depth, 0), p.pixels,
                arith::PackedWeights(o.weights.data(), p.columns, p.depth, p.columns), {},
                {.accumulator = {arith::integer_format(Width, true, mode), 1}, .psum = {}, .fold = kSide},
                {.out32 = expected.data(), .stride = p.columns, .row_step = p.columns}, evidence);
    for (std::size_t i = 0; i < sums.size(); ++i) total.wrong += sums[i] != expected[i] ? 1 : 0;
    total.wrong += mesh.overflows() != evidence.accumulator.count ? 1 : 0;
    total.overflows += evidence.accumulator.count;
  }
  return total;
}

void print(const char* name, const Run& run, const char* separator) {
  std::printf("  \"%s\": {\"macs\": %llu, \"cycles\": %llu, \"overflows\": %llu, \"wrong\": %llu, \"cpu_s\": %.3f, "
              "\"gmacs_per_second\": %.4f}%s\n",
              name, static_cast<unsigned long long>(run.macs), static_cast<unsigned long long>(run.cycles),
              static_cast<unsigned long long>(run.overflows), static_cast<unsigned long long>(run.wrong), run.seconds,
              static_cast<double>(run.macs) / run.seconds * 1e-9, separator);
}

}  // namespace

int main(int argc, char** argv) {
  const int percent = argc > 1 ? std::clamp(std::atoi(argv[1]), 1, 100) : 100;
  const Run saturating = run<Vmesh_sat16, 16>(arith::Overflow::SAT, percent);
  const Run wrapping = run<Vmesh_wrap20, 20>(arith::Overflow::WRAP, percent);
  std::printf("{\n");
  print("int<16,SAT>", saturating, ",");
  print("int<20,WRAP>", wrapping, "");
  std::printf("}\n");
  return saturating.wrong + wrapping.wrong == 0 ? 0 : 1;
}
