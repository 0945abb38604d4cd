// A convolution small enough to read, with everything that a trace must carry: zero points, padding, stride, groups,
// bias, per-channel multipliers. Its package, written from a run of the reference engine.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

#include "nets/engines/engine.hpp"
#include "nets/quantize/integer_network.hpp"
#include "traces/make_package.hpp"

namespace guardbit::tests {

inline nets::IntegerNetwork small_network() {
  nets::IntegerNetwork network;
  network.name = "small";
  nets::IntegerLayer input;
  input.name = "input";
  input.shape = {.h = 5, .w = 4, .c = 4};
  input.output = {.format = arith::integer_format(8), .scale = 0.5, .zero_point = -3};
  nets::IntegerLayer conv;
  conv.name = "conv1";
  conv.op = nets::IntegerOp::Conv2d;
  conv.inputs = {0};
  conv.window = {.kernel_h = 3, .kernel_w = 2, .stride_h = 2, .stride_w = 1, .dilation_h = 1, .dilation_w = 1,
                 .padding = {.top = 1, .bottom = 1, .left = 0, .right = 1}};
  conv.groups = 2;
  conv.shape = {.h = 3, .w = 4, .c = 6};
  conv.output = {.format = arith::integer_format(8), .scale = 4.0, .zero_point = 5};
  conv.weight = nets::IntTensor({6, 3, 2, 2});
  for (std::size_t i = 0; i < conv.weight.data.size(); ++i) {
    conv.weight.data[i] = static_cast<std::int32_t>(i * 37 % 255) - 127;
  }
  conv.bias = {0, 100, -100, 2000, -2000, 7};
  conv.weight_scales = {0.1};
  conv.real_multipliers = {0.0125, 0.013, 0.0135, 0.014, 0.05, 0.2};
  conv.stages = arith::tflite_double({.real_multipliers = conv.real_multipliers, .zero_point = 5,
                                      .format = arith::integer_format(8), .activation = arith::Activation::None,
                                      .relu6_code = 0});
  network.layers = {input, conv};
  network.output = 1;
  return network;
}

inline nets::IntTensor small_input() {
  nets::IntTensor codes({2, 5, 4, 4});
  for (std::size_t i = 0; i < codes.data.size(); ++i) codes.data[i] = static_cast<std::int32_t>(i * 53 % 256) - 128;
  return codes;
}

// 14 bits saturating after every product: narrow enough that order and evidence matter.
inline arith::Accumulation small_accumulation() {
  arith::Accumulation accumulation;
  accumulation.accumulator = {.format = arith::integer_format(14, true, arith::Overflow::SAT), .step = 1};
  accumulation.fold = 4;
  return accumulation;
}

inline traces::Package small_package() {
  const nets::IntegerNetwork network = small_network();
  const std::vector<arith::Accumulation> accumulations = nets::uniform(network, small_accumulation());
  const nets::RunResult result = nets::make_reference_engine()->run(
      network, accumulations, small_input(), {.threads = 1, .keep_accumulators = true, .first_image = 7});
  return traces::make_package(network, 1, sim::Machine{}, accumulations[1], result,
                              {.generator_version = "test", .network_sha256 = std::string(64, '0'),
                               .samples = "made up", .first_sample = 7, .seed = 3});
}

// A folder under the system's temporary folder that is removed with the object.
class Scratch {
 public:
  explicit Scratch(const std::string& name)
      : path_(std::filesystem::temp_directory_path() / ("guardbit-test-" + name + "-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace guardbit::tests
