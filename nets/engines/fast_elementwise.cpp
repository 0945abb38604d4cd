// Element-wise operators. Input stages become a table over all codes where codes are few and channels share them.
#include <algorithm>
#include <span>

#include "arith/parallel.hpp"
#include "nets/engines/fast_ops.hpp"
#include "nets/quantize/softmax_table.hpp"

namespace guardbit::nets::fast {
namespace {

constexpr int kTableBits = 16;
constexpr std::int64_t kBlockPixels = 256;  // rows of C channels requantized at a time

bool same_for_all_channels(const arith::StageList& stages) {
  return std::all_of(stages.begin(), stages.end(), [](const arith::Stage& any) {
    return std::visit(
        [](const auto& stage) {
          if constexpr (requires { stage.value; }) {
            return stage.value.values.size() == 1;
          } else if constexpr (requires { stage.bits; }) {
            return stage.bits.values.size() == 1;
          } else if constexpr (requires { stage.values; }) {
            return stage.values.size() == 1;
          } else {
            return true;
          }
        },
        any);
  });
}

// input_stages[i] of a layer as a function of code and channel.
class Rescale {
 public:
  Rescale(const arith::StageList& stages, const arith::Format& format) : stages_(stages) {
    if (format.width > kTableBits || !same_for_all_channels(stages)) return;
    low_ = static_cast<std::int64_t>(format.min_code());
    for (std::int64_t code = low_; code <= static_cast<std::int64_t>(format.max_code()); ++code) {
      table_.push_back(compute(code, 0));
    }
  }
  std::int64_t operator()(std::int64_t code, std::int64_t channel) const {
    return table_.empty() ? compute(code, channel) : table_[static_cast<std::size_t>(code - low_)];
  }
  // sums += of codes [pixels, channels].
  void add_to(std::span<const std::int32_t> codes, std::int64_t channels, std::int64_t* sums) const {
    if (!table_.empty()) {
      for (const std::int32_t code : codes) *sums++ += table_[static_cast<std::size_t>(code - low_)];
      return;
    }
    for (std::size_t i = 0; i < codes.size(); ++i)
      sums[i] += compute(codes[i], static_cast<std::int64_t>(i) % channels);
  }

 private:
  std::int64_t compute(std::int64_t code, std::int64_t channel) const {
    arith::StageCounts unused;
    unused.changed.resize(stages_.size());
    return arith::apply_stages(stages_, code, channel, unused);
  }
  const arith::StageList& stages_;
  std::vector<std::int64_t> table_;
  std::int64_t low_ = 0;
};

std::vector<Rescale> rescales(const Context& context) {
  std::vector<Rescale> all;
  for (std::size_t i = 0; i < context.layer.inputs.size(); ++i) {
    all.emplace_back(context.layer.input_stages[i], context.input_format(i).format);
  }
  return all;
}

// Runs values through the layer's stages, pixels at a time: fill(first element, count, values) writes them.
template <class Fill>
void requantize_all(const Context& context, LayerResult& result, const Fill& fill) {
  const std::int64_t channels = context.layer.shape.c;
  const std::int64_t pixels = static_cast<std::int64_t>(result.codes.data.size()) / channels;
  const std::int64_t blocks = (pixels + kBlockPixels - 1) / kBlockPixels;
  const arith::Requantizer requantizer(context.layer.stages, channels);
  const int parts = arith::part_count(context.options.threads, blocks);
  std::vector<arith::StageCounts> counts(static_cast<std::size_t>(parts));
  arith::parallel_parts(parts, blocks, [&](int part, std::int64_t first, std::int64_t last) {
    std::vector<std::int64_t> values(static_cast<std::size_t>(kBlockPixels * channels));
    for (std::int64_t block = first; block < last; ++block) {
      const std::int64_t from = block * kBlockPixels;
      const std::int64_t count = std::min(kBlockPixels, pixels - from);
      fill(static_cast<std::size_t>(from * channels), static_cast<std::size_t>(count * channels), values.data());
      requantizer.apply(values.data(), channels, result.codes.data.data() + from * channels, channels, count, 0,
                        channels, counts[static_cast<std::size_t>(part)]);
    }
  });
  for (const arith::StageCounts& count : counts) result.stages.merge(count);
}

}  // namespace

void add(const Context& context, LayerResult& result) {
  const std::vector<Rescale> rescale = rescales(context);
  requantize_all(context, result, [&](std::size_t first, std::size_t count, std::int64_t* values) {
    std::fill_n(values, count, 0);
    for (std::size_t i = 0; i < rescale.size(); ++i) {
      rescale[i].add_to(std::span(context.input(i).data).subspan(first, count), context.layer.shape.c, values);
    }
  });
}

void requantize(const Context& context, LayerResult& result) {
  requantize_all(context, result, [&](std::size_t first, std::size_t count, std::int64_t* values) {
    std::copy_n(context.input().data.begin() + static_cast<std::ptrdiff_t>(first), count, values);
  });
}

void concat(const Context& context, LayerResult& result) {
  const std::vector<Rescale> rescale = rescales(context);
  const std::int64_t channels = context.layer.shape.c;
  const std::int64_t pixels = static_cast<std::int64_t>(result.codes.data.size()) / channels;
  std::int64_t first_channel = 0;
  for (std::size_t i = 0; i < rescale.size(); ++i) {
    const std::int64_t mine = context.input(i).shape[3];
    const std::int32_t* in = context.input(i).data.data();
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
      std::int32_t* out = result.codes.data.data() + pixel * channels + first_channel;
      for (std::int64_t c = 0; c < mine; ++c) out[c] = static_cast<std::int32_t>(rescale[i](*in++, c));
    }
    first_channel += mine;
  }
}

void softmax(const Context& context, LayerResult& result) {
  const TableSoftmax row(context.layer);
  const auto channels = static_cast<std::size_t>(context.layer.shape.c);
  const std::span<const std::int32_t> in = context.input().data;
  const std::span<std::int32_t> out = result.codes.data;
  const auto rows = static_cast<std::int64_t>(in.size() / channels);
  const int parts = arith::part_count(context.options.threads, rows);
  arith::parallel_parts(parts, rows, [&](int, std::int64_t first, std::int64_t last) {
    for (auto at = static_cast<std::size_t>(first); at < static_cast<std::size_t>(last); ++at) {
      row(in.subspan(at * channels, channels), out.subspan(at * channels, channels));
    }
  });
}

void pad(const Context& context, LayerResult& result) {
  const Shape in = context.network.layer(context.layer.inputs[0]).shape;
  const Shape out = context.layer.shape;
  const IntegerLayer& layer = context.layer;
  std::fill(result.codes.data.begin(), result.codes.data.end(), static_cast<std::int32_t>(layer.output.zero_point));
  const std::int32_t* from = context.input().data.data();
  for (std::int64_t n = 0; n < context.input().shape[0]; ++n) {
    for (int y = 0; y < in.h; ++y) {
      for (int x = 0; x < in.w; ++x, from += in.c) {
        const std::int64_t pixel = (n * out.h + y + layer.padding.top) * out.w + x + layer.padding.left;
        std::copy_n(from, in.c, result.codes.data.data() + pixel * out.c + layer.channels_before);
      }
    }
  }
}

}  // namespace guardbit::nets::fast
