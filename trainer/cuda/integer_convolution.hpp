// The launches of an exact integer convolution on a Queue.
#pragma once

#include <string>
#include <utility>

#include "arith/error.hpp"
#include "trainer/cuda/bodies_codes.hpp"
#include "trainer/cuda/queue.hpp"
#include "trainer/cuda/workspace.hpp"

namespace guardbit::trainer::cuda {

/// What a convolution of codes packs its operands into.
template <class Queue>
struct ConvolutionMemory {
  Workspace<Queue> codes, filters, base;
};

namespace detail {

/// Sums of one tap of 8-bit codes stay below 2^31: at most 2^14 per channel.
inline constexpr int kMostChannels = 131071;

inline Count numbered_codes(Count count) {
  if (count < 0 || count > kLargestIndex - ConvCodes<CodeType::S8>::kPixels)
    throw Error("cuda: found a convolution of " + std::to_string(count) + " numbers, allowed at most " +
                std::to_string(kLargestIndex - ConvCodes<CodeType::S8>::kPixels) + "; take fewer images at a time");
  return count;
}

template <CodeType type, class Code, class Weight, class Queue>
void convolve(Queue& queue, ConvolutionMemory<Queue>& memory, const CodeConv& conv) {
  const arith::ConvGeometry& g = conv.geometry;
  constexpr int kPerWord = Packing<type>::kPerWord;
  const int words = (g.group_c() + kPerWord - 1) / kPerWord, taps = g.r * g.s;
  const Count code_words = numbered_codes(g.images * g.h * g.w * g.groups * words);
  const Count filter_words = numbered_codes(Count{taps} * words * g.k), pixels = numbered_codes(g.rows());
  const Count blocks = (pixels + ConvCodes<type>::kPixels - 1) / ConvCodes<type>::kPixels;
  Word* codes = memory.codes.template take<Word>(queue, code_words);
  Word* filters = memory.filters.template take<Word>(queue, filter_words);
  auto* base = memory.base.template take<std::int64_t>(queue, g.k);
  const int zero_point = conv.zero_point - moved_down(type);
  const auto* weight = static_cast<const Weight*>(conv.weight);
  Word outside = 0;
  for (int j = 0; j < kPerWord; ++j) outside |= placed<type>(zero_point, j);
  queue.each(code_words, PackCodes<type, Code>{g.c, g.group_c(), Divider(words), Divider(g.groups),
                                               static_cast<const Code*>(conv.x), codes});
  queue.each(filter_words, PackFilters<type, Weight>{taps, g.group_c(), Divider(g.k), Divider(words), weight,
                                                     filters});
  queue.each(g.k, FilterBase<Weight>{g.depth(), zero_point, weight, conv.initial, base});
  queue.each(numbered_codes(blocks * g.k),
             ConvCodes<type>{{g.r, g.stride_h, g.dilation_h, g.pad_top, g.h, g.p},
                             {g.s, g.stride_w, g.dilation_w, g.pad_left, g.w, g.q}, g.groups, g.group_k(), words,
                             pixels, Divider(g.k), Divider(g.q), Divider(g.p), outside, codes, filters, base,
                             conv.out});
}

inline void require_fit(const arith::ConvGeometry& g) {
  require(g.groups >= 1 && g.c % g.groups == 0 && g.k % g.groups == 0, "convolution of codes: groups do not fit");
  if (g.group_c() > kMostChannels)
    throw Error("cuda: found " + std::to_string(g.group_c()) + " channels in a group, allowed at most " +
                std::to_string(kMostChannels));
}

}  // namespace detail

/// All pointers of `conv` are of the queue's device; codes and weights lie there as their types say. Error when it has
/// more channels or numbers than fit.
template <class Queue>
void conv_forward_codes(Queue& queue, ConvolutionMemory<Queue>& memory, const CodeConv& conv) {
  using std::int8_t, std::uint8_t, std::int16_t;
  detail::require_fit(conv.geometry);
  switch (conv.type) {
    case CodeType::S8: return detail::convolve<CodeType::S8, int8_t, int8_t>(queue, memory, conv);
    case CodeType::U8: return detail::convolve<CodeType::U8, uint8_t, int8_t>(queue, memory, conv);
    case CodeType::S16: return detail::convolve<CodeType::S16, int16_t, int16_t>(queue, memory, conv);
  }
  require(false, "convolution of codes: unknown type");
}

/// The same with all codes and weights in 16 bits, whatever their type.
template <class Queue>
void conv_forward_wide_codes(Queue& queue, ConvolutionMemory<Queue>& memory, const CodeConv& conv) {
  using std::int16_t;
  detail::require_fit(conv.geometry);
  switch (conv.type) {
    case CodeType::S8: return detail::convolve<CodeType::S8, int16_t, int16_t>(queue, memory, conv);
    case CodeType::U8: return detail::convolve<CodeType::U8, int16_t, int16_t>(queue, memory, conv);
    case CodeType::S16: return detail::convolve<CodeType::S16, int16_t, int16_t>(queue, memory, conv);
  }
  require(false, "convolution of codes: unknown type");
}

template <class Queue>
class QueueConvolver final : public CodeConvolver {
 public:
  explicit QueueConvolver(Queue queue) : queue_(std::move(queue)) {}
  void forward(const CodeConv& conv) override;

 private:
  Queue queue_;
  ConvolutionMemory<Queue> memory_;
};

template <class Queue>
void QueueConvolver<Queue>::forward(const CodeConv& host) {
  const arith::ConvGeometry& g = host.geometry;
  const std::size_t code_bytes = host.type == CodeType::S16 ? 2 : 1;
  const auto copied = [&](const void* from, Count count, std::size_t element) {
    auto memory = queue_.allocate(static_cast<std::size_t>(count) * element);
    queue_.stage(memory->address(), from, static_cast<std::size_t>(count) * element);
    return memory;
  };
  const auto x = copied(host.x, g.images * g.h * g.w * g.c, code_bytes);
  const auto weight = copied(host.weight, g.k * g.depth(), code_bytes);
  const Count outputs = g.rows() * g.k;
  const auto out = queue_.allocate(static_cast<std::size_t>(outputs) * sizeof(std::int64_t));
  std::unique_ptr<Memory> initial;
  if (host.initial != nullptr) initial = copied(host.initial, g.k, sizeof(std::int64_t));
  CodeConv conv = host;
  conv.x = x->address();
  conv.weight = weight->address();
  conv.initial = initial ? static_cast<const std::int64_t*>(initial->address()) : nullptr;
  conv.out = static_cast<std::int64_t*>(out->address());
  conv_forward_codes(queue_, memory_, conv);
  queue_.download(host.out, conv.out, static_cast<std::size_t>(outputs) * sizeof(std::int64_t));
}

}  // namespace guardbit::trainer::cuda
