// Depthwise convolution: which lanes can compute it, and the rows that they are fed with.
#include "arith/depthwise.hpp"

#include <algorithm>
#include <cstdlib>

#include "arith/detail/depthwise_kernel.hpp"
#include "arith/detail/tile_state.hpp"
#include "arith/error.hpp"
#include "arith/narrow.hpp"

namespace guardbit::arith {
namespace {

using detail::kLanes;

constexpr std::int64_t kMaxDepth = 4096;         // of a filter
constexpr std::int64_t kStripValues = 1 << 15;   // operands held at a time, about: 128 KiB
constexpr std::int64_t kMaxStrip = 1 << 16;      // outputs of a row at a time, so that counts fit a lane
constexpr std::int64_t kBound32 = INT32_MAX;
constexpr std::int64_t kBound64 = std::int64_t{1} << 62;
constexpr int kMaxLaneWidth = 48;

std::vector<int> group_ends(const Accumulation& accumulation, int depth) {
  const int fold = accumulation.fold == 0 ? depth : std::min(accumulation.fold, depth);
  const int step = accumulation.accumulator.step == 0 ? fold : std::min(accumulation.accumulator.step, fold);
  std::vector<int> ends;
  for (int begin = 0; begin < depth; begin += fold) {
    const int end = std::min(depth, begin + fold);
    for (int at = begin; at < end; at += step) ends.push_back(std::min(at + step, end));
  }
  return ends;
}

detail::Isa lane_isa(GemmIsa isa) {
  if (isa == GemmIsa::Scalar) return detail::Isa::Baseline;
  return isa == GemmIsa::Avx2 ? detail::Isa::Avx2 : detail::Isa::Avx512;
}

}  // namespace

Depthwise::Depthwise(const std::int32_t* weight, const ConvGeometry& geometry, const CodeRange& codes,
                     std::span<const std::int64_t> initial, const Accumulation& accumulation, GemmIsa isa)
    : geometry_(geometry), accumulation_(accumulation), isa_(isa), zero_point_(codes.zero_point) {
  check_accumulation(accumulation, "depthwise");
  if (!isa_supported(isa)) throw Error("depthwise: this processor lacks the instruction set asked for");
  const std::int64_t depth = std::int64_t{geometry.r} * geometry.s;
  if (geometry.groups != geometry.c || geometry.k % geometry.c != 0 || accumulation.psum || depth > kMaxDepth) return;
  detail::require(initial.empty() || static_cast<int>(initial.size()) == geometry.k);
  ends_ = group_ends(accumulation, static_cast<int>(depth));
  const auto stride = static_cast<std::size_t>(geometry.k + kLanes);
  weights_.resize(static_cast<std::size_t>(depth) * stride);
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const std::size_t channel = i % stride % static_cast<std::size_t>(geometry.k);
    weights_[i] = weight[channel * static_cast<std::size_t>(depth) + i / stride];
  }
  plan(codes, initial);
}

// Bounds for every input. With operands in [x_low, x_high], no sum of some of the products of a channel with positive
// weights P and negative ones -N is above x_high P - x_low N or below x_low P - x_high N.
void Depthwise::plan(const CodeRange& codes, std::span<const std::int64_t> initial) {
  const Format& format = accumulation_.accumulator.format;
  const std::int64_t x_low = std::min<std::int64_t>(0, std::int64_t{codes.low} - codes.zero_point);
  const std::int64_t x_high = std::max<std::int64_t>(0, std::int64_t{codes.high} - codes.zero_point);
  high_ = static_cast<std::int64_t>(format.max_code());
  low_ = format.overflow == Overflow::SAT_SYM && format.is_signed ? -high_
                                                                  : static_cast<std::int64_t>(format.min_code());
  const std::size_t stride = static_cast<std::size_t>(geometry_.k) + kLanes;
  proven_ = true;
  std::int64_t move = 0;   // of a sum
  std::int64_t reach = 0;  // of an exact sum
  for (std::size_t i = 0; i < stride; ++i) {
    const auto channel = i % static_cast<std::size_t>(geometry_.k);
    const std::int64_t exact = initial.empty() ? 0 : initial[channel];
    const Fitted fitted = fit(exact, format);
    exact_.push_back(exact);
    value_.push_back(static_cast<std::int64_t>(fitted.value));
    count_.push_back(fitted.overflowed ? 1 : 0);
    std::int64_t up = 0;
    std::int64_t down = 0;
    for (std::size_t tap = channel; tap < weights_.size(); tap += stride) {
      const std::int64_t w = weights_[tap];
      up += w > 0 ? x_high * w : x_low * w;
      down -= w > 0 ? x_low * w : x_high * w;
    }
    if (exact <= -kBound64 / 2 || exact >= kBound64 / 2) return;  // not available
    proven_ = proven_ && !fitted.overflowed && exact + up <= high_ && exact - down >= low_;
    move = std::max({move, up, down});
    reach = std::max(reach, std::max(exact, -exact) + std::max(up, down));
  }
  const bool plain_wrap = format.overflow == Overflow::WRAP && format.n_bits == 0;
  const bool clamps = format.overflow == Overflow::SAT || format.overflow == Overflow::SAT_SYM;
  available_ = reach < kBound64 && (proven_ || (format.width <= kMaxLaneWidth && (plain_wrap || clamps)));
  const std::int64_t bounds = proven_ || !available_ ? 0 : std::max(-low_, high_);
  wide_lanes_ = std::max(reach, bounds + move) > kBound32;
}

// One call of run(): a strip of columns at a time, from the first row to the last, so that neighbouring rows of
// outputs share rows of operands.
template <typename T>
class Depthwise::Job {
 public:
  Job(const Depthwise& owner, const std::int32_t* input, const GemmOut& out, const ConvRows& rows,
      AccumulationEvidence& evidence)
      : o_(owner),
        g_(owner.geometry_),
        input_(input),
        out_(out),
        first_(rows.first),
        last_(rows.count < 0 ? g_.rows() : rows.first + rows.count),
        evidence_(evidence),
        shares_(g_.k == g_.c && g_.stride_w == 1),
        slots_((g_.r - 1) * g_.dilation_h + 1) {
    const Format& format = o_.accumulation_.accumulator.format;
    const Fit fit = o_.proven_ ? Fit::None : format.overflow == Overflow::WRAP ? Fit::Wrap : Fit::Clamp;
    const bool single = static_cast<int>(o_.ends_.size()) == g_.r * g_.s;
    if constexpr (sizeof(T) == 4) {
      kernel_ = detail::depthwise_kernel_32(lane_isa(o_.isa_), fit, single);
    } else {
      kernel_ = detail::depthwise_kernel_64(lane_isa(o_.isa_), fit, single);
    }
    exact_.assign(o_.exact_.begin(), o_.exact_.end());
    value_.assign(o_.value_.begin(), o_.value_.end());
    count_.assign(o_.count_.begin(), o_.count_.end());
    taps_.resize(static_cast<std::size_t>(g_.r) * static_cast<std::size_t>(g_.s));
    row_ = {.taps = taps_.data(), .weights = o_.weights_.data(), .stride = g_.k + kLanes, .channels = g_.k,
            .ends = o_.ends_.data(), .groups = static_cast<int>(o_.ends_.size()),
            .exact = exact_.data(), .value = value_.data(), .count = count_.data()};
    if (!o_.proven_) {  // else they may not fit
      row_.low = static_cast<T>(o_.low_);
      row_.high = static_cast<T>(o_.high_);
      row_.mask = static_cast<T>(o_.high_ - o_.low_);
    }
    size_strips();
  }

  void run() {
    detail::require(first_ >= 0 && last_ >= first_ && last_ <= g_.rows());
    if (first_ == last_) return;
    for (const T start : exact_) evidence_.exact.include(start);
    evidence_.accumulator.total += static_cast<std::uint64_t>((last_ - first_) * g_.k);
    for (int q = 0; q < g_.q; q += strip_) {
      strip_begin_ = q;
      strip_end_ = std::min(g_.q, q + strip_);
      held_.assign(held_.size(), -1);
      for (std::int64_t line = first_ / g_.q; line * g_.q < last_; ++line) {
        const int begin = static_cast<int>(std::max<std::int64_t>(strip_begin_, first_ - line * g_.q));
        const int end = static_cast<int>(std::min<std::int64_t>(strip_end_, last_ - line * g_.q));
        if (begin < end) outputs(line, begin, end);
      }
    }
  }

 private:
  using Totals = detail::DepthwiseTotals<T>;
  using Fit = detail::Fit;

  // A row of operands that outputs of all taps s share holds the pixels under them, else one copy per tap.
  void size_strips() {
    const std::int64_t copies = shares_ ? 1 : g_.s;
    const std::int64_t margin = shares_ ? std::int64_t{g_.s - 1} * g_.dilation_w : 0;
    const std::int64_t held = kStripValues / (slots_ * copies * g_.k) - margin;
    strip_ = static_cast<int>(std::clamp<std::int64_t>(std::min(held, kMaxStrip / g_.k), 1, g_.q));
    section_ = (strip_ + margin) * g_.k + kLanes;
    lines_.resize(static_cast<std::size_t>(slots_ * copies * section_));
    held_.resize(static_cast<std::size_t>(slots_));
    zeros_.resize(static_cast<std::size_t>(section_));
    sums_.resize(static_cast<std::size_t>(std::int64_t{strip_} * g_.k + kLanes));
  }

  // Operands of the pixels x, x + stride, ... of an input row, `count` of them, every channel once per filter.
  void fill(const std::int32_t* from, int x, int stride, std::int64_t count, std::int32_t* to) const {
    const int filters = g_.k / g_.c;
    if (shares_) {  // pixels lie side by side
      const std::int64_t before = std::clamp<std::int64_t>(-x, 0, count) * g_.k;
      const std::int64_t inside = std::clamp<std::int64_t>(g_.w - x, 0, count) * g_.k;
      std::fill_n(to, before, 0);
      const std::int32_t* first = from + std::int64_t{x} * g_.c;
      for (std::int64_t i = before; i < inside; ++i) to[i] = first[i] - o_.zero_point_;
      std::fill(to + std::max(before, inside), to + count * g_.k, 0);
      return;
    }
    for (; count > 0; --count, x += stride, to += g_.k) {
      if (x < 0 || x >= g_.w) {
        std::fill_n(to, g_.k, 0);
        continue;
      }
      const std::int32_t* pixel = from + std::int64_t{x} * g_.c;
      if (filters == 1) {
        for (int c = 0; c < g_.c; ++c) to[c] = pixel[c] - o_.zero_point_;
        continue;
      }
      for (int c = 0; c < g_.c; ++c) std::fill_n(to + std::int64_t{c} * filters, filters, pixel[c] - o_.zero_point_);
    }
  }

  // Row y of an image, held until another one needs its place; rows of one window never do.
  const std::int32_t* line(std::int64_t image, int y) {
    const std::int64_t slot = y % slots_;
    const std::int64_t copies = shares_ ? 1 : g_.s;
    std::int32_t* to = &lines_[static_cast<std::size_t>(slot * copies * section_)];
    std::int64_t& holds = held_[static_cast<std::size_t>(slot)];
    const std::int64_t wanted = image * g_.h + y;
    if (holds == wanted) return to;
    holds = wanted;
    const std::int32_t* from = input_ + wanted * g_.w * g_.c;
    for (int s = 0; s < copies; ++s) {
      const std::int64_t pixels = (section_ - kLanes) / g_.k;
      fill(from, g_.input_x(strip_begin_, s), shares_ ? 1 : g_.stride_w, pixels, to + s * section_);
    }
    return to;
  }

  // Outputs of pixels begin .. end - 1 of output row `line_index` of all images.
  void outputs(std::int64_t line_index, int begin, int end) {
    const std::int64_t image = line_index / g_.p;
    const int p = static_cast<int>(line_index % g_.p);
    const std::int64_t skip = std::int64_t{begin - strip_begin_} * g_.k;
    for (int r = 0; r < g_.r; ++r) {
      const int y = g_.input_y(p, r);
      const bool inside = y >= 0 && y < g_.h;
      const std::int32_t* from = inside ? line(image, y) : nullptr;
      for (int s = 0; s < g_.s; ++s) {
        const std::int64_t shift = shares_ ? std::int64_t{s} * g_.dilation_w * g_.k : s * section_;
        taps_[static_cast<std::size_t>(r * g_.s + s)] = (inside ? from + shift : zeros_.data()) + skip;
      }
    }
    const std::int64_t row = line_index * g_.q + begin - first_;
    const std::int64_t count = std::int64_t{end - begin} * g_.k;
    const bool direct = out_.out64 != nullptr && out_.stride == g_.k;
    std::int64_t* to = direct ? out_.out64 + row * g_.k : sums_.data();
    const std::uint64_t before = evidence_.accumulator.outputs;
    compute(count, to);
    if (evidence_.accumulator.outputs != before) locate(row, count);
    for (std::int64_t i = 0; !direct && i < count; ++i) {
      const std::int64_t at = (row + i / g_.k) * out_.stride + i % g_.k;
      if (out_.out32 != nullptr) out_.out32[at] = static_cast<std::int32_t>(to[i]);
      if (out_.out64 != nullptr) out_.out64[at] = to[i];
    }
  }

  void compute(std::int64_t count, std::int64_t* to) {
    const std::int64_t whole = count / kLanes;
    if (whole != 0) part(row_, whole, to, kLanes);
    const int rest = static_cast<int>(count % kLanes);
    if (rest == 0) return;
    // The last few outputs, in lanes of which the others are not looked at.
    const std::int64_t at = whole * kLanes;
    const std::int64_t channel = at % g_.k;
    std::vector<const std::int32_t*> taps = taps_;
    for (const std::int32_t*& tap : taps) tap += at;
    detail::DepthwiseRow<T> row = row_;
    row.taps = taps.data();
    row.weights += channel;
    row.exact += channel;
    row.value += channel;
    row.count += channel;
    std::int64_t sums[kLanes];
    part(row, 1, sums, rest);
    std::copy_n(sums, rest, to + at);
  }

  void part(const detail::DepthwiseRow<T>& row, std::int64_t blocks, std::int64_t* to, int lanes) {
    Totals totals{};
    std::fill_n(totals.low, kLanes, exact_[0]);
    std::fill_n(totals.high, kLanes, exact_[0]);
    kernel_(row, blocks, to, totals);
    OverflowCounts& counts = evidence_.accumulator;
    for (int i = 0; i < lanes; ++i) {
      evidence_.exact.include(totals.low[i]);
      evidence_.exact.include(totals.high[i]);
      counts.count += static_cast<std::uint64_t>(totals.count[i]);
      counts.outputs += static_cast<std::uint64_t>(totals.outputs[i]);
      counts.transient += static_cast<std::uint64_t>(totals.transient[i]);
      counts.harmful += static_cast<std::uint64_t>(totals.harmful[i]);
    }
  }

  // The first overflow of these outputs, if it is the first of all, by the definition.
  void locate(std::int64_t row, std::int64_t count) {
    std::vector<std::int64_t> products(taps_.size());
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t index = out_.first_output + (row + i / g_.k) * out_.row_step + i % g_.k;
      auto& first = evidence_.accumulator.first;
      if (first && first->output < index) return;
      const std::int64_t channel = i % g_.k;
      for (std::size_t tap = 0; tap < taps_.size(); ++tap) {
        const std::int64_t weight = row_.weights[static_cast<std::int64_t>(tap) * row_.stride + channel];
        products[tap] = taps_[tap][i] * weight;
      }
      AccumulationEvidence one;
      (void)accumulate(products, exact_[static_cast<std::size_t>(channel)], o_.accumulation_, index, one);
      if (!one.accumulator.first) continue;
      first = one.accumulator.first;
      return;
    }
    std::abort();  // the kernel and the definition would disagree
  }

  const Depthwise& o_;
  const ConvGeometry& g_;
  const std::int32_t* input_;
  const GemmOut& out_;
  std::int64_t first_, last_;  // output rows
  AccumulationEvidence& evidence_;
  bool shares_;         // taps s of a row of operands lie in one copy of it
  std::int64_t slots_;  // rows of operands held
  detail::DepthwiseKernel<T> kernel_ = nullptr;
  detail::DepthwiseRow<T> row_;
  std::vector<T> exact_, value_, count_;
  std::vector<const std::int32_t*> taps_;
  int strip_ = 1, strip_begin_ = 0, strip_end_ = 0;
  std::int64_t section_ = 0;
  std::vector<std::int32_t> lines_, zeros_;  // [slots][copies][section], [section]
  std::vector<std::int64_t> held_;           // [slots]: image and row, or -1
  std::vector<std::int64_t> sums_;
};

void Depthwise::run(const std::int32_t* input, const GemmOut& out, AccumulationEvidence& evidence,
                    const ConvRows& rows) const {
  detail::require(available_ && (out.out32 == nullptr) != (out.out64 == nullptr));
  if (wide_lanes_) {
    Job<std::int64_t>(*this, input, out, rows, evidence).run();
  } else {
    Job<std::int32_t>(*this, input, out, rows, evidence).run();
  }
}

}  // namespace guardbit::arith
