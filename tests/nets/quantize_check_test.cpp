// check(network): what is rejected, and that the message names layer and reason.
#include <gtest/gtest.h>

#include <functional>

#include "arith/error.hpp"
#include "nets/quantize/integer_network.hpp"

namespace guardbit::nets {
namespace {

using arith::integer_format;

IntegerNetwork valid() {
  IntegerNetwork network;
  network.name = "net";
  IntegerLayer input;
  input.name = "input";
  input.shape = {4, 4, 2};
  IntegerLayer conv;
  conv.name = "conv";
  conv.op = IntegerOp::Conv2d;
  conv.inputs = {0};
  conv.shape = {2, 2, 3};
  conv.window.kernel_h = 3;
  conv.window.kernel_w = 3;
  conv.weight = IntTensor({3, 3, 3, 2});
  conv.stages = {arith::Narrow{integer_format(8)}};
  IntegerLayer pool;
  pool.name = "pool";
  pool.op = IntegerOp::MaxPool;
  pool.inputs = {1};
  pool.shape = {1, 1, 3};
  pool.window.kernel_h = 2;
  pool.window.kernel_w = 2;
  IntegerLayer add;
  add.name = "add";
  add.op = IntegerOp::Add;
  add.inputs = {2, 2};
  add.shape = {1, 1, 3};
  add.input_stages = {{}, {}};
  add.stages = {arith::Narrow{integer_format(8)}};
  network.layers = {input, conv, pool, add};
  network.output = 3;
  return network;
}

TEST(Check, AcceptsAValidNetwork) { EXPECT_NO_THROW(check(valid())); }

TEST(Check, RejectsWhatNoEngineCouldRun) {
  using Edit = std::function<void(IntegerNetwork&)>;
  const std::pair<const char*, Edit> cases[] = {
      {"output 4", [](auto& n) { n.output = 4; }},
      {"no layers", [](auto& n) { n.layers.clear(); }},
      {"used twice", [](auto& n) { n.layers[1].name = "input"; }},
      {"not an earlier layer", [](auto& n) { n.layers[1].inputs = {1}; }},
      {"0 inputs", [](auto& n) { n.layers[1].inputs = {}; }},
      {"only it, is the input",
       [](auto& n) {
         n.layers[2].op = IntegerOp::Input;
         n.layers[2].inputs = {};
       }},
      {"its inputs give [2, 2, 3]", [](auto& n) { n.layers[1].shape.h = 3; }},
      {"allowed 1 to", [](auto& n) { n.layers[1].shape.c = 0; }},
      {"stride 0", [](auto& n) { n.layers[1].window.stride_h = 0; }},
      {"padding -1", [](auto& n) { n.layers[1].window.padding.top = -1; }},
      {"reaches 7", [](auto& n) { n.layers[1].window.dilation_h = 3; }},
      {"wholly in the padding", [](auto& n) { n.layers[2].window.padding.left = 2; }},
      {"2 groups do not divide", [](auto& n) { n.layers[1].groups = 2; }},
      {"weight of shape [3, 3, 3, 1]",
       [](auto& n) {
         n.layers[1].weight = IntTensor({3, 3, 3, 1});
       }},
      {"weight 128", [](auto& n) { n.layers[1].weight.data[5] = 128; }},
      {"bias has 2 entries",
       [](auto& n) {
         n.layers[1].bias = {1, 2};
       }},
      {"allowed magnitudes",
       [](auto& n) {
         n.layers[1].bias = {1, INT64_MAX, 0};
       }},
      {"weight_scales has 2",
       [](auto& n) {
         n.layers[1].weight_scales = {1, 2};
       }},
      {"zero point 200", [](auto& n) { n.layers[0].output.zero_point = 200; }},
      {"scale 0", [](auto& n) { n.layers[0].output.scale = 0; }},
      {"output format float", [](auto& n) { n.layers[0].output.format.kind = arith::Kind::Float; }},
      {"allowed integer and fixed formats of 1 to 16", [](auto& n) { n.layers[0].output.format = integer_format(17); }},
      {"may leave the output format", [](auto& n) { n.layers[1].stages.clear(); }},
      {"may leave the output format", [](auto& n) { n.layers[2].output.format = integer_format(7); }},
      {"does not use", [](auto& n) { n.layers[2].stages = {arith::Relu{}}; }},
      {"stage", [](auto& n) { n.layers[1].stages.insert(n.layers[1].stages.begin(), arith::ShiftRight{64}); }},
      {"stage",
       [](auto& n) {
         n.layers[1].stages.insert(n.layers[1].stages.begin(),
                                   arith::Add{arith::Parameter(std::vector<std::int64_t>{1, 2})});
       }},
      {"1 lists of input stages for 2", [](auto& n) { n.layers[3].input_stages.pop_back(); }},
      {"do not go together",
       [](auto& n) {
         n.layers[3].inputs = {2, 1};
       }},
  };
  for (const auto& [message, edit] : cases) {
    IntegerNetwork network = valid();
    edit(network);
    try {
      check(network);
      ADD_FAILURE() << "accepted: " << message;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what() << " lacks " << message;
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
}

TEST(IntegerNetwork, ShapesAndMacs) {
  const IntegerNetwork network = valid();
  EXPECT_EQ(gemm_shape(network, network.layers[1]), (GemmShape{4, 18, 3, 1}));
  EXPECT_EQ(macs(network, network.layers[1]), 216);
  EXPECT_EQ(macs(network, network.layers[2]), 0);
}

TEST(QuantizeInput, RoundsHalfToEvenAndSaturates) {
  IntegerNetwork network = valid();
  network.layers = {network.layers[0]};
  network.layers[0].shape = {1, 1, 2};
  network.layers[0].output = {integer_format(8), 0.5, -1};
  network.output = 0;
  network.preprocess = {.scale = 0.25, .mean = {0.0, 10.0}, .std = {1.0, 2.0}};
  // channel 0: p / 4 / 0.5 - 1: 5 -> 2.5 -> 2 - 1; 255 -> 127.5 -> 128 - 1. channel 1: (p / 4 - 10) / 2 / 0.5 - 1.
  const std::vector<std::uint8_t> pixels{5, 0, 255, 46};
  EXPECT_EQ(quantize_input(network, pixels.data(), 2).data, (std::vector<std::int32_t>{1, -11, 127, 1}));
}

// A network of one pooling along W.
IntegerNetwork pooling(int size, const Window& window, int outputs) {
  IntegerNetwork network = valid();
  network.layers.resize(2);
  network.output = 1;
  network.layers[0].shape = {1, size, 1};
  IntegerLayer pool;
  pool.name = "pool";
  pool.op = IntegerOp::MaxPool;
  pool.inputs = {0};
  pool.shape = {1, outputs, 1};
  pool.window = window;
  network.layers[1] = pool;
  return network;
}

TEST(Check, WindowsMustTouchTheImageTapByTap) {
  int accepted = 0, refused = 0;
  for (int code = 0; code < 4 * 4 * 3 * 3 * 5 * 5; ++code) {
    int rest = code;
    const auto next = [&](int count) {
      const int digit = rest % count;
      rest /= count;
      return digit;
    };
    const int size = 1 + next(4);
    Window w;
    w.kernel_w = 1 + next(4), w.stride_w = 1 + next(3), w.dilation_w = 1 + next(3);
    w.padding.left = next(5), w.padding.right = next(5);
    const int room = size + w.padding.left + w.padding.right - w.dilation_w * (w.kernel_w - 1) - 1;
    if (room < 0) continue;
    const int outputs = room / w.stride_w + 1;
    bool all_touch = true;
    for (int o = 0; o < outputs; ++o) {
      bool touches = false;
      for (int tap = 0; tap < w.kernel_w; ++tap) {
        const int at = o * w.stride_w - w.padding.left + tap * w.dilation_w;
        touches = touches || (at >= 0 && at < size);
      }
      all_touch = all_touch && touches;
    }
    ++(all_touch ? accepted : refused);
    if (all_touch) {
      EXPECT_NO_THROW(check(pooling(size, w, outputs))) << code;
    } else {
      EXPECT_THROW(check(pooling(size, w, outputs)), Error) << code;
    }
  }
  EXPECT_GT(accepted, 500);
  EXPECT_GT(refused, 500);
}

TEST(Check, HostileWindowsCostNoTime) {  // 2^19 windows; tap by tap this would be 4 * 10^11 steps
  Window w;
  w.kernel_w = 1 << 20;
  w.padding.left = (1 << 20) - 1;
  EXPECT_NO_THROW(check(pooling(1 << 19, w, 1 << 19)));
}

}  // namespace
}  // namespace guardbit::nets
