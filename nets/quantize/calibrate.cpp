// Statistics of float activations.
#include "nets/quantize/calibrate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "arith/error.hpp"
#include "arith/parallel.hpp"
#include "nets/graph/float_engine.hpp"
#include "nets/quantize/affine.hpp"

namespace guardbit::nets {
namespace {

constexpr std::size_t kBins = 1 << 16;
constexpr std::int64_t kBatch = 16;  // images run at a time
constexpr int kFractions = 100;      // candidates of the least-square-error search: 1.00, 0.99, ...
constexpr double kSmallestFraction = 0.2;

// Mean square error, times the count, of representing the bins in `format`.
template <class Bins>
double square_error(const Bins& bins, const TensorFormat& format) {
  const double low = dequantize(static_cast<std::int64_t>(format.format.min_code()), format);
  const double high = dequantize(static_cast<std::int64_t>(format.format.max_code()), format);
  double sum = 0;
  for (const auto& bin : bins) {
    double error = 0;
    if (bin.value < low || bin.value > high) {
      const double clipped = bin.value < low ? low - bin.value : bin.value - high;
      error = clipped * clipped;
    } else if (bin.width * 4 > format.scale) {
      error = format.scale * format.scale / 12;  // values of a wide bin are spread over a whole step
    } else {
      const double rounding = bin.value - format.scale * std::round(bin.value / format.scale);
      error = rounding * rounding;
    }
    sum += error * static_cast<double>(bin.count);
  }
  return sum;
}

}  // namespace

TensorStatistics::TensorStatistics(int point_width) : histogram_(kBins) {
  if (point_width > 0) points_.emplace(point_width);
}

void TensorStatistics::observe(std::span<const float> values, const std::string& where) {
  for (const float v : values) {
    if (!std::isfinite(v)) throw Error(fmt::format("{}: found the value {}, allowed finite values", where, v));
    if (count_ == 0) min_ = max_ = v;
    ++count_;
    min_ = std::min<double>(min_, v);
    max_ = std::max<double>(max_, v);
    ++histogram_[std::bit_cast<std::uint32_t>(v) >> 16];
  }
  if (points_) points_->observe(values);
}

std::vector<TensorStatistics::Bin> TensorStatistics::bins() const {
  std::vector<Bin> result;
  const auto add = [&](std::size_t index) {
    if (histogram_[index] == 0) return;
    const auto low = static_cast<std::uint32_t>(index) << 16;
    const double edge = std::bit_cast<float>(low);
    const double far = index % 0x8000 == 0x7f7f ? edge : std::bit_cast<float>(low + 0x10000);  // the last has no next
    const double value = index % 0x8000 == 0 ? 0.0 : (edge + far) / 2;
    result.push_back({std::clamp(value, min_, max_), std::abs(far - edge), histogram_[index]});
  };
  for (std::size_t index = kBins - 1; index >= kBins / 2; --index) add(index);  // negative, largest magnitude first
  for (std::size_t index = 0; index < kBins / 2; ++index) add(index);
  return result;
}

RealRange TensorStatistics::percentile(double percent) const {
  const std::vector<Bin> all = bins();
  const double cut = static_cast<double>(count_) * (100.0 - percent) / 100.0;  // values allowed outside, at each end
  RealRange range = min_max();
  double outside = 0;
  for (auto bin = all.begin(); bin != all.end(); ++bin) {
    range.low = bin == all.begin() ? min_ : bin->value;
    if ((outside += static_cast<double>(bin->count)) > cut) break;
  }
  outside = 0;
  for (auto bin = all.rbegin(); bin != all.rend(); ++bin) {
    range.high = bin == all.rbegin() ? max_ : bin->value;
    if ((outside += static_cast<double>(bin->count)) > cut) break;
  }
  return range;
}

RealRange TensorStatistics::least_square_error(int bits) const {
  const std::vector<Bin> all = bins();
  RealRange best = min_max();
  double least = square_error(all, affine_format(best.low, best.high, bits));
  for (int i = 1; i < kFractions; ++i) {
    const double fraction = 1.0 - (1.0 - kSmallestFraction) * i / kFractions;
    const RealRange candidate{min_ * fraction, max_ * fraction};
    const double error = square_error(all, affine_format(candidate.low, candidate.high, bits));
    if (error < least) {
      least = error;
      best = candidate;
    }
  }
  return best;
}

std::vector<TensorStatistics> calibrate(const Network& network, const FloatTensor& images, int point_width,
                                        int threads) {
  if (images.shape.size() != 4 || images.shape[0] < 1) {
    throw Error(fmt::format("calibration: images of shape [{}], allowed [N, H, W, C] with N at least 1",
                            fmt::join(images.shape, ", ")));
  }
  std::vector<TensorStatistics> statistics(network.nodes.size(), TensorStatistics(point_width));
  const std::int64_t total = images.shape[0];
  const std::int64_t size = images.count() / total;
  for (std::int64_t first = 0; first < total; first += kBatch) {
    const std::int64_t count = std::min(kBatch, total - first);
    FloatTensor batch({count, images.shape[1], images.shape[2], images.shape[3]});
    std::copy_n(images.data.begin() + first * size, count * size, batch.data.begin());
    const std::vector<FloatTensor> outputs = run_float(network, batch, threads);
    const auto nodes = static_cast<std::int64_t>(outputs.size());
    arith::parallel_parts(arith::part_count(threads, nodes), nodes, [&](int, std::int64_t begin, std::int64_t end) {
      for (std::int64_t node = begin; node < end; ++node) {
        const auto i = static_cast<std::size_t>(node);
        statistics[i].observe(outputs[i].data, fmt::format("calibration: node {}", network.nodes[i].name));
      }
    });
  }
  return statistics;
}

}  // namespace guardbit::nets
