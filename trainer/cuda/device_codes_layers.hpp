// The layers of DeviceCodes.
#pragma once

#include "trainer/cuda/device_codes.hpp"

namespace guardbit::trainer::cuda {

template <class Queue>
DeviceCodes<Queue>::DeviceCodes(Queue& queue, const nets::IntegerNetwork& network, const InputCodes& input,
                                Count batch)
    : queue_(queue), network_(network) {
  for (const nets::IntegerLayer& layer : network.layers) {
    const Count count = batch * layer.shape.count();
    if (count > kLargestIndex)
      throw Error("cuda: layer " + layer.name + ": found " + std::to_string(count) + " elements, allowed at most " +
                  std::to_string(kLargestIndex) + "; lower trainer.batch_size");
    codes_.push_back(queue.allocate(static_cast<std::size_t>(count) * sizeof(Code)));
  }
  const nets::TensorFormat& format = network.layer(0).output;
  input_code_.pixel_scale = input.pixel_scale;
  input_code_.mean = uploaded(input_numbers_[0], input.mean);
  input_code_.deviation = uploaded(input_numbers_[1], input.deviation);
  input_code_.codes = uploaded(input_numbers_[2], input.codes);
  input_code_.reals = uploaded(input_numbers_[3], std::vector<float>(input.reals.begin(), input.reals.end()));
  input_code_.scale = format.scale;
  input_code_.zero_point = static_cast<double>(format.zero_point);
  input_code_.low = static_cast<double>(format.format.min_code());
  input_code_.high = static_cast<double>(format.format.max_code());
}

template <class Queue>
template <class T>
T* DeviceCodes<Queue>::uploaded(Workspace<Queue>& to, const std::vector<T>& values) {
  T* memory = to.template take<T>(queue_, static_cast<Count>(values.size()));
  queue_.stage(memory, values.data(), values.size() * sizeof(T));
  return memory;
}

template <class Queue>
template <class T>
std::vector<T> DeviceCodes<Queue>::downloaded(const T* from, Count count) {
  std::vector<T> values(static_cast<std::size_t>(count));
  queue_.download(values.data(), from, values.size() * sizeof(T));
  return values;
}

template <class Queue>
void DeviceCodes<Queue>::input(const TensorView& x) {
  n_ = x.n;
  queue_.each(count(0), InputToCode{input_code_, Divider(x.shape.c), reals(x), at(0)});
}

template <class Queue>
void DeviceCodes<Queue>::run(int index, bool) {
  const nets::IntegerLayer& layer = network_.layer(index);
  require(layer.output.format.width <= (layer.output.format.is_signed ? 16 : 15), "codes of more than 16 bits");
  switch (layer.op) {
    case nets::IntegerOp::Input: return;
    case nets::IntegerOp::Conv2d:
    case nets::IntegerOp::FullyConnected:
      convolve(layer);
      return requantize(index);
    case nets::IntegerOp::Add: return add(layer, index);
    case nets::IntegerOp::Concat: return concat(layer, index);
    case nets::IntegerOp::MaxPool:
    case nets::IntegerOp::AveragePool: return pool(layer, index);
    case nets::IntegerOp::Requantize: {
      StageNumbers numbers;
      numbers.add(layer.stages);
      queue_.each(count(index), ApplyStages<Code>{stages_(queue_, numbers)[0], Divider(layer.shape.c),
                                                  at(layer.inputs[0]), at(index)});
      return;
    }
    case nets::IntegerOp::Pad: return pad(layer, index);
    case nets::IntegerOp::Flatten:
      return queue_.copy(at(index), at(layer.inputs[0]), static_cast<std::size_t>(count(index)) * sizeof(Code));
    case nets::IntegerOp::Softmax: break;
  }
  require(false, "a layer of codes that cannot be trained");
}

// Exact sums: 8-bit operands where both are, else 16.
template <class Queue>
void DeviceCodes<Queue>::convolve(const nets::IntegerLayer& layer) {
  const nets::ConvShape shape = nets::conv_shape(network_, layer);
  const nets::TensorFormat& input = network_.layer(layer.inputs[0]).output;
  require(layer.weight_format.width <= 16, "weights of more than 16 bits");
  const bool narrow = layer.weight_format.width <= 8 && input.format.width <= 8;
  const std::vector<Code> weight(layer.weight.data.begin(), layer.weight.data.end());
  CodeConv conv;
  conv.geometry = {.images = n_, .h = shape.h, .w = shape.w, .c = shape.c, .p = shape.p, .q = shape.q, .k = shape.k,
                   .r = shape.r, .s = shape.s, .groups = shape.groups, .stride_h = shape.window.stride_h,
                   .stride_w = shape.window.stride_w, .dilation_h = shape.window.dilation_h,
                   .dilation_w = shape.window.dilation_w, .pad_top = shape.window.padding.top,
                   .pad_left = shape.window.padding.left};
  conv.type = !narrow ? CodeType::S16 : input.format.is_signed ? CodeType::S8 : CodeType::U8;
  conv.zero_point = static_cast<std::int32_t>(input.zero_point);
  conv.x = at(layer.inputs[0]);
  conv.weight = uploaded(weights_, weight);
  conv.initial = layer.bias.empty() ? nullptr : uploaded(biases_, layer.bias);
  conv.out = accumulators_.template take<std::int64_t>(queue_, conv.geometry.rows() * shape.k);
  conv_forward_wide_codes(queue_, packed_, conv);
}

template <class Queue>
void DeviceCodes<Queue>::requantize(int index) {
  const nets::IntegerLayer& layer = network_.layer(index);
  StageNumbers numbers;
  numbers.add(layer.stages);
  queue_.each(count(index), ApplyStages<std::int64_t>{
                                stages_(queue_, numbers)[0], Divider(layer.shape.c),
                                accumulators_.template take<std::int64_t>(queue_, count(index)), at(index)});
}

template <class Queue>
void DeviceCodes<Queue>::add(const nets::IntegerLayer& layer, int index) {
  StageNumbers numbers;
  for (const arith::StageList& stages : layer.input_stages) numbers.add(stages);
  numbers.add(layer.stages);
  const std::vector<StageProgram> programs = stages_(queue_, numbers);
  const Divider by_channel(layer.shape.c);
  auto* sum = accumulators_.template take<std::int64_t>(queue_, count(index));
  for (std::size_t i = 0; i < layer.inputs.size(); ++i)
    queue_.each(count(index), AddCodes{programs[i], by_channel, i == 0, at(layer.inputs[i]), sum});
  queue_.each(count(index), ApplyStages<std::int64_t>{programs.back(), by_channel, sum, at(index)});
}

template <class Queue>
void DeviceCodes<Queue>::concat(const nets::IntegerLayer& layer, int index) {
  StageNumbers numbers;
  for (const arith::StageList& stages : layer.input_stages) numbers.add(stages);
  const std::vector<StageProgram> programs = stages_(queue_, numbers);
  Count channel = 0;
  for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
    const int from = layer.inputs[i], channels = network_.layer(from).shape.c;
    queue_.each(count(from), ConcatCodes{programs[i], Divider(channels), channel, layer.shape.c, at(from), at(index)});
    channel += channels;
  }
}

template <class Queue>
void DeviceCodes<Queue>::pool(const nets::IntegerLayer& layer, int index) {
  const nets::Shape &in = network_.layer(layer.inputs[0]).shape, &out = layer.shape;
  const PoolWindow window{rows_of(layer.window, in, out), columns_of(layer.window, in, out), in.c};
  const Unflatten position(out.h, out.w, out.c);
  const Code* x = at(layer.inputs[0]);
  if (layer.op == nets::IntegerOp::MaxPool)
    return queue_.each(count(index), MaxPoolCodes{window, position, x, at(index)});
  StageNumbers numbers;
  numbers.add(layer.stages);
  queue_.each(count(index), AveragePoolCodes{window, position, stages_(queue_, numbers)[0], x, at(index)});
}

template <class Queue>
void DeviceCodes<Queue>::pad(const nets::IntegerLayer& layer, int index) {
  const nets::Shape& out = layer.shape;
  queue_.each(count(index), PadCodes{network_.layer(layer.inputs[0]).shape, layer.padding.top, layer.padding.left,
                                     layer.channels_before, Unflatten(out.h, out.w, out.c),
                                     static_cast<Code>(layer.output.zero_point), at(layer.inputs[0]), at(index)});
}

template <class Queue>
void DeviceCodes<Queue>::accumulators_to_real(int index, const std::vector<double>& scales, const TensorView& y) {
  const Count channels = y.shape.c;
  std::vector<double> all(static_cast<std::size_t>(channels), scales[0]);
  if (scales.size() == all.size()) all = scales;
  queue_.each(count(index), ScaleAccumulators{Divider(channels), uploaded(scales_, all),
                                              accumulators_.template take<std::int64_t>(queue_, count(index)),
                                              reals(y)});
}

template <class Queue>
void DeviceCodes<Queue>::dequantize(int index, const TensorView& y) {
  const nets::TensorFormat& format = network_.layer(index).output;
  queue_.each(count(index), DequantizeCodes{format.scale, static_cast<std::int32_t>(format.zero_point), at(index),
                                            reals(y)});
}

template <class Queue>
nets::IntTensor DeviceCodes<Queue>::codes(int index) {
  const nets::Shape& shape = network_.layer(index).shape;
  nets::IntTensor all({n_, shape.h, shape.w, shape.c});
  const std::vector<Code> codes = downloaded(at(index), count(index));
  all.data.assign(codes.begin(), codes.end());
  return all;
}

}  // namespace guardbit::trainer::cuda
