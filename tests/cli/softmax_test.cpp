// A network that keeps its softmax, through the executable: quantize, verify on all engines, trace, a damaged table.
#include <gtest/gtest.h>

#include "nets/io/sha256.hpp"
#include "tests/cli/guardbit.hpp"

namespace guardbit {
namespace {

using nlohmann::json;
using tests::Outcome;
using tests::read_text;
using tests::source;
using tests::Workplace;
using tests::write_text;

class Softmax : public testing::Test {
 protected:
  void SetUp() override {
    write_text(place_ / "net.yaml", R"(
model:
  name: tiny
  input: [28, 28, 1]
  layers:
    conv: {type: convolution, channels: 4, kernel: 5, stride: 3, activation: relu}
    fc: {type: fully_connected, channels: 10}
    soft: {type: softmax}
  graph: {from: input, with: [conv, fc, soft], to: output}
)");
  }
  Outcome quantize(std::vector<std::string> more) {
    more.insert(more.begin(), {"quantize", place_ / "net.yaml", "weights=random", "dataset.name=glyphs",
                               "dataset.train_size=200", "dataset.test_size=40", "output=" + (place_ / "int8")});
    return place_.guardbit(more);
  }
  // `guardbit` ends with exit code 2 and this one line.
  void refused(const Outcome& outcome, const std::string& line) {
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(outcome.err, "guardbit: " + line + "\n");
  }
  Workplace place_{"softmax"};
};

TEST_F(Softmax, IsTheSameInAllEngines) {
  ASSERT_EQ(quantize({"keep_softmax=true", "--json", place_ / "q.json"}).code, 0);
  const json last = place_.json("q.json")["layers"].back();
  EXPECT_EQ(last["op"], "softmax");
  EXPECT_EQ(last["output"], (json{{"format", "int8"}, {"scale", 0x1p-8}, {"zero_point", -128}}));
  const Outcome held =
      place_.guardbit({"verify", place_ / "int8", source("sim/configs/edge16.yaml"), "samples=20", "stall_seed=5",
                       "engines=[fast,tile,array,pe]", "--json", place_ / "v.json"});
  EXPECT_EQ(held.code, 0) << held.out << held.err;
  const json row = place_.json("v.json")["layers"].back();
  EXPECT_EQ(row["name"], "soft");
  EXPECT_EQ(row["mismatches"], 0);
  EXPECT_LT(row["max_abs_error"], 0.02);
  // Without a machine's layer to play, there is no package; of other layers of the network there is.
  refused(place_.guardbit({"trace", "write", place_ / "int8", source("sim/configs/edge16.yaml"), "layer=soft", "-o",
                           place_ / "trace"}),
          "layer: found soft, allowed conv, fc");
  EXPECT_EQ(place_.guardbit({"trace", "write", place_ / "int8", source("sim/configs/edge16.yaml"), "layer=fc", "-o",
                             place_ / "trace"}).code, 0);
}

TEST_F(Softmax, IsRemovedUnlessItIsKept) {
  ASSERT_EQ(quantize({"--json", place_ / "q.json"}).code, 0);
  EXPECT_EQ(place_.json("q.json")["layers"].back()["name"], "fc");
}

TEST_F(Softmax, WiderCodesAreRefused) {
  refused(quantize({"keep_softmax=true", "activation_bits=12"}),
          "quantize: node soft: softmax by table: found inputs of 12 bits, allowed up to 8; set activation_bits=8 or "
          "keep_softmax=false");
}

TEST_F(Softmax, ADamagedTableIsBadInput) {
  ASSERT_EQ(quantize({"keep_softmax=true"}).code, 0);
  const std::string weights = place_ / "int8/weights.safetensors", net = place_ / "int8/net.yaml";
  const std::string before = nets::sha256_hex(std::string_view(read_text(weights)));
  std::string bytes = read_text(weights);
  const std::size_t header = static_cast<unsigned char>(bytes[0]) + 256U * static_cast<unsigned char>(bytes[1]);
  const json table = json::parse(bytes.substr(8, header))["soft.exponentials"];
  ASSERT_EQ(table["dtype"], "U16");
  bytes[8 + header + table["data_offsets"][0].get<std::size_t>() + 2 * 255 + 1] = '\x7f';  // high byte of the last
  write_text(weights, bytes);
  std::string text = read_text(net);
  text.replace(text.find(before), before.size(), nets::sha256_hex(std::string_view(bytes)));
  write_text(net, text);
  const Outcome outcome = place_.guardbit({"run", place_ / "int8", "samples=1", "-o", place_ / "out"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.err.rfind("guardbit: layer soft (softmax): found exponential 32", 0), 0U) << outcome.err;
  EXPECT_NE(outcome.err.find(" at 255, allowed 0 to "), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1);
}

}  // namespace
}  // namespace guardbit
