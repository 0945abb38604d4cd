// oneDNN's own time for the weighted layers of a network: forward and both backward passes over a whole batch, every
// tensor in the layout that the primitive likes best, no reorders, no other operator. The first layer has no gradient
// of its input, as in training.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "nets/graph/network.hpp"

namespace guardbit::bench {

class OneDnnConvolutions {
 public:
  /// Primitives are made for the number of OpenMP threads that is set now.
  OneDnnConvolutions(const nets::Network& network, std::int64_t batch) : batch_(batch) {
    bool first = true;
    for (const nets::Node& node : network.nodes) {
      if (node.op != nets::Op::Conv2d && node.op != nets::Op::FullyConnected) continue;
      const auto& conv = std::get<nets::ConvAttributes>(node.attributes);
      const nets::Shape in = network.node(node.inputs[0]).shape;
      if (node.op == nets::Op::Conv2d) add_convolution(conv, in, node.shape, !first);
      else add_product(conv, in.count(), node.shape.c, !first);
      first = false;
    }
  }
  void run() {
    for (Call& call : calls_) call.primitive.execute(stream_, call.arguments);
    stream_.wait();
  }

 private:
  using Desc = dnnl::memory::desc;
  struct Call {
    dnnl::primitive primitive;
    std::unordered_map<int, dnnl::memory> arguments;
  };
  static constexpr auto kFloat = dnnl::memory::data_type::f32;
  static Desc any(const dnnl::memory::dims& dims) { return {dims, kFloat, dnnl::memory::format_tag::any}; }

  dnnl::memory make(const Desc& desc) {
    dnnl::memory memory(desc, engine_);
    auto* numbers = static_cast<float*>(memory.get_data_handle());
    // Not zeros and not tiny: values of the size that training has.
    for (std::size_t i = 0; i < desc.get_size() / sizeof(float); ++i)
      numbers[i] = static_cast<float>(static_cast<int>(i * 2654435761U >> 24U & 255U) - 128) / 256.0F;
    return memory;
  }
  void add(const dnnl::primitive& primitive, std::initializer_list<std::pair<int, Desc>> arguments) {
    Call& call = calls_.emplace_back(Call{primitive, {}});
    for (const auto& [name, desc] : arguments)
      if (desc.get_size() != 0) call.arguments.emplace(name, make(desc));
  }

  void add_convolution(const nets::ConvAttributes& conv, const nets::Shape& in, const nets::Shape& out, bool data) {
    namespace d = dnnl;
    const nets::Window& w = conv.window;
    const d::memory::dim g = conv.groups, oc = out.c, ic = in.c;
    const Desc x = any({batch_, ic, in.h, in.w}), y = any({batch_, oc, out.h, out.w});
    const Desc weights = g == 1 ? any({oc, ic, w.kernel_h, w.kernel_w})
                                : any({g, oc / g, ic / g, w.kernel_h, w.kernel_w});
    const Desc bias = conv.bias ? any({oc}) : Desc();
    const d::memory::dims stride{w.stride_h, w.stride_w}, dilation{w.dilation_h - 1, w.dilation_w - 1};
    const d::memory::dims before{w.padding.top, w.padding.left}, after{w.padding.bottom, w.padding.right};
    const auto direct = d::algorithm::convolution_direct;
    const d::convolution_forward::primitive_desc forward(
        {d::prop_kind::forward_training, direct, x, weights, bias, y, stride, dilation, before, after}, engine_);
    add(d::convolution_forward(forward), {{DNNL_ARG_SRC, forward.src_desc()},
                                          {DNNL_ARG_WEIGHTS, forward.weights_desc()},
                                          {DNNL_ARG_BIAS, forward.bias_desc()},
                                          {DNNL_ARG_DST, forward.dst_desc()}});
    const d::convolution_backward_weights::primitive_desc backward(
        {direct, x, weights, bias, y, stride, dilation, before, after}, engine_, forward);
    add(d::convolution_backward_weights(backward), {{DNNL_ARG_SRC, backward.src_desc()},
                                                    {DNNL_ARG_DIFF_DST, backward.diff_dst_desc()},
                                                    {DNNL_ARG_DIFF_WEIGHTS, backward.diff_weights_desc()},
                                                    {DNNL_ARG_DIFF_BIAS, backward.diff_bias_desc()}});
    if (!data) return;
    const d::convolution_backward_data::primitive_desc input(
        {direct, x, weights, y, stride, dilation, before, after}, engine_, forward);
    add(d::convolution_backward_data(input), {{DNNL_ARG_DIFF_SRC, input.diff_src_desc()},
                                              {DNNL_ARG_WEIGHTS, input.weights_desc()},
                                              {DNNL_ARG_DIFF_DST, input.diff_dst_desc()}});
  }

  void add_product(const nets::ConvAttributes& conv, std::int64_t ic, std::int64_t oc, bool data) {
    namespace d = dnnl;
    const Desc x = any({batch_, ic}), y = any({batch_, oc}), weights = any({oc, ic});
    const Desc bias = conv.bias ? any({oc}) : Desc();
    const d::inner_product_forward::primitive_desc forward({d::prop_kind::forward_training, x, weights, bias, y},
                                                           engine_);
    add(d::inner_product_forward(forward), {{DNNL_ARG_SRC, forward.src_desc()},
                                            {DNNL_ARG_WEIGHTS, forward.weights_desc()},
                                            {DNNL_ARG_BIAS, forward.bias_desc()},
                                            {DNNL_ARG_DST, forward.dst_desc()}});
    const d::inner_product_backward_weights::primitive_desc backward({x, weights, bias, y}, engine_, forward);
    add(d::inner_product_backward_weights(backward), {{DNNL_ARG_SRC, backward.src_desc()},
                                                      {DNNL_ARG_DIFF_DST, backward.diff_dst_desc()},
                                                      {DNNL_ARG_DIFF_WEIGHTS, backward.diff_weights_desc()},
                                                      {DNNL_ARG_DIFF_BIAS, backward.diff_bias_desc()}});
    if (!data) return;
    const d::inner_product_backward_data::primitive_desc input({x, weights, y}, engine_, forward);
    add(d::inner_product_backward_data(input), {{DNNL_ARG_DIFF_SRC, input.diff_src_desc()},
                                                {DNNL_ARG_WEIGHTS, input.weights_desc()},
                                                {DNNL_ARG_DIFF_DST, input.diff_dst_desc()}});
  }

  std::int64_t batch_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  std::vector<Call> calls_;
};

}  // namespace guardbit::bench
