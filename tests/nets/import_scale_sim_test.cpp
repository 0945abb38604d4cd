// SCALE-Sim's files: what is read, one clear line for what is not, and damaged files never anything else.
#include <gtest/gtest.h>

#include "arith/error.hpp"
#include "nets/import/scale_sim.hpp"
#include "tests/traces/mutate.hpp"

namespace guardbit::nets {
namespace {

constexpr const char* kConvolution =
    "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n";
constexpr const char* kConfig =
    "[general]\nrun_name = example\n\n[architecture_presets]\nArrayHeight:    32\nArrayWidth:     16\n"
    "IfmapSramSzkB:   64\nFilterSramSzkB:  128\nOfmapSramSzkB:   256\nIfmapOffset:    0\nBandwidth : 10\n"
    "Dataflow : os\n\n[run_presets]\nInterfaceBandwidth: USER \n";

Topology topology(const std::string& text) { return parse_scale_sim_topology(text, "dir/net.csv"); }
ScaleSimConfig config(const std::string& text) { return parse_scale_sim_config(text, "s.cfg"); }

template <class Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ScaleSimTopology, ConvolutionsAreRead) {
  const Topology found = topology(std::string(kConvolution) +
                                  "Conv1     ,224         ,220        ,11           ,7          ,3       ,96 ,4  ,\n");
  EXPECT_EQ(found.name, "net");
  EXPECT_EQ(found.source, "net.csv");
  ASSERT_EQ(found.layers.size(), 1U);
  EXPECT_EQ(found.layers[0], (TopologyLayer{.name = "Conv1", .input = {224, 220, 3}, .kernel_h = 11, .kernel_w = 7,
                                            .stride_h = 4, .stride_w = 4, .filters = 96, .groups = 1}));
}

TEST(ScaleSimTopology, ProductsAreConvolutionsOfOneTap) {
  // With and without the comma at the end of a line; SCALE-Sim needs it.
  const Topology found = topology("Layer,M,N,K\n1,2048,4096,32\nL2,196,192,384,\n");
  ASSERT_EQ(found.layers.size(), 2U);
  EXPECT_EQ(found.layers[0], (TopologyLayer{.name = "1", .input = {2048, 1, 32}, .filters = 4096}));
  EXPECT_EQ(found.layers[1], (TopologyLayer{.name = "L2", .input = {196, 1, 384}, .filters = 192}));
}

TEST(ScaleSimTopology, ColumnsBehindTheStridesAreReadByTheirTitles) {
  const std::string titles = "Layer name,IFMAP height,IFMAP width,Filter height,Filter width,Channels,Num filter,";
  EXPECT_EQ(topology(titles + "Stride height,Stride width,\na,9,9,3,3,1,2,2,3,\n").layers[0].stride_w, 3);
  EXPECT_EQ(topology(titles + "Strides,Batch Size,\na,9,9,3,3,1,2,2,1,\n").layers[0].stride_w, 2);
  EXPECT_EQ(topology(titles + "Strides,Sparsity,\na,9,9,3,3,1,2,2,4:4,\n").layers[0].stride_w, 2);
  EXPECT_EQ(topology(titles + "Strides,,,Eh,Ew\na,9,9,3,3,1,2,2,,,110,110\nb,9,9,3,3,1,2,1,#dw\n").layers.size(), 2U);
  EXPECT_EQ(error_of([&] { (void)topology(titles + "Strides,Sparsity,\na,9,9,3,3,1,2,2,2:4,\n"); }),
            "dir/net.csv:2: sparsity: found '2:4', allowed 1:1 (dense)");
  EXPECT_EQ(error_of([&] { (void)topology(titles + "Strides,Batch Size,\na,9,9,3,3,1,2,2,8,\n"); }),
            "dir/net.csv:2: batch size: found '8', allowed 1 (simulate more images with samples=N)");
}

TEST(ScaleSimTopology, DepthwiseLayersAreGroups) {
  const TopologyLayer layer = topology(std::string(kConvolution) + "DP_3,14,14,3,3,32,2,1,\n").layers[0];
  EXPECT_EQ(layer.groups, 32);
  EXPECT_EQ(layer.filters, 64);
}

TEST(ScaleSimTopology, LineEndsBlankLinesAndByteOrderMarksDoNotMatter) {
  const Topology plain = topology(std::string(kConvolution) + "a,9,9,3,3,1,2,2,\nb,4,4,1,1,5,6,1,\n");
  const Topology odd = topology("\xEF\xBB\xBFlayer_name,ifmap_height,ifmap width,filter height,FILTER WIDTH,channels,"
                                "num_filter,strides,\r\n,,,,\r\n\r\n\ta,9,9,3,3,1,2,2,\r\nb,4,4,1,1,5,6,1");
  EXPECT_EQ(plain.layers, odd.layers);
}

TEST(ScaleSimTopology, EveryMistakeIsOneLine) {
  const auto row = [](const std::string& line) { return std::string(kConvolution) + "ok,9,9,3,3,1,2,2,\n" + line; };
  const std::pair<std::string, const char*> cases[] = {
      {"", "dir/net.csv:1: found the titles '', allowed 'Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter "
           "Width, Channels, Num Filter, Strides' or 'Layer, M, N, K'"},
      {"a,9,9,3,3,1,2,2,\n", "dir/net.csv:1: found the titles 'a, 9, 9, 3, 3, 1, 2, 2, ', allowed 'Layer name, IFMAP "
                             "Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides' or "
                             "'Layer, M, N, K'"},
      {kConvolution, "dir/net.csv: found no layers, allowed 1 or more"},
      {row("b,9,9,3,3,1,2"), "dir/net.csv:3: strides: found 7 cells, allowed 8 or more"},
      {row("b,9,x,3,3,1,2,1,"), "dir/net.csv:3: IFMAP width: found 'x', allowed 1 to 1048576"},
      {row("b,9,9,3,3,1,2,0,"), "dir/net.csv:3: strides: found '0', allowed 1 to 1048576"},
      {row("b,9,9,3,3,1,-2,1,"), "dir/net.csv:3: num filter: found '-2', allowed 1 to 1048576"},
      {row("b,9,9,3,3,1,2.5,1,"), "dir/net.csv:3: num filter: found '2.5', allowed 1 to 1048576"},
      {row("b,9,9,3,3,99999999999999999999,2,1,"),
       "dir/net.csv:3: channels: found '99999999999999999999', allowed 1 to 1048576"},
      {row("b,9,9,10,3,1,2,1,"), "dir/net.csv:3: found a filter of 10 x 3 over an input of 9 x 9, allowed filters no "
                                 "larger than the input"},
      {row("b,1048576,1048576,3,3,1,2,1,"), "dir/net.csv:3: found an input of 1048576 x 1048576 x 1, allowed fewer than "
                                            "2^31 elements"},
      {row("b,1024,1024,1,1,1,1048576,1,"), "dir/net.csv:3: found an output of 1024 x 1024 x 1048576, allowed fewer "
                                            "than 2^31 elements"},
      {row("b,1024,1024,1024,1024,1,1048576,1,"), "dir/net.csv:3: found 1048576 products per output and 1048576 "
                                                  "filters, allowed fewer than 2^28 products and 2^31 weights"},
      {row(",9,9,3,3,1,2,1,"), "dir/net.csv:3: found a layer name of 0 characters, allowed 1 to 200"},
      {row("a/b,9,9,3,3,1,2,1,"),
       "dir/net.csv:3: found the layer name 'a/b', allowed printable ASCII characters without '/' and '$'"},
      {row("$(a),9,9,3,3,1,2,1,"),
       "dir/net.csv:3: found the layer name '$(a)', allowed printable ASCII characters without '/' and '$'"},
      {"Layer,M,N,K\nx,4,4\n", "dir/net.csv:2: K: found 3 cells, allowed 4 or more"},
      {row("DP,9,9,3,3,1048576,2,1,"),
       "dir/net.csv:3: found 2 filters of 1048576 channels, allowed 1048576 in all"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(error_of([&] { (void)topology(text); }), expected);
}

TEST(ScaleSimConfig, IsRead) {
  const ScaleSimConfig found = config(kConfig);
  EXPECT_EQ(found.run_name, "example");
  EXPECT_EQ(found.array_height, 32);
  EXPECT_EQ(found.array_width, 16);
  EXPECT_EQ(found.ifmap_kib, 64);
  EXPECT_EQ(found.filter_kib, 128);
  EXPECT_EQ(found.ofmap_kib, 256);
  EXPECT_EQ(found.dataflow, "os");
  EXPECT_EQ(found.bandwidth, 10);
  EXPECT_EQ(found.not_taken, std::vector<std::string>{"architecture_presets.IfmapOffset"});
}

TEST(ScaleSimConfig, WithoutABandwidthMemoryIsNeverTheBottleneck) {
  std::string text = kConfig;
  text.replace(text.find("USER"), 4, "CALC");
  EXPECT_EQ(config(text).bandwidth, std::nullopt);
}

TEST(ScaleSimConfig, EveryMistakeIsOneLine) {
  const auto with = [](const std::string& from, const std::string& to) {
    std::string text = kConfig;
    return text.replace(text.find(from), from.size(), to);
  };
  const std::pair<std::string, const char*> cases[] = {
      {"", "s.cfg: found no ArrayHeight, allowed a SCALE-Sim configuration with it"},
      {"ArrayHeight: 3\n", "s.cfg:1: found 'ArrayHeight: 3', allowed a [section] first"},
      {"[general\n", "s.cfg:1: found '[general', allowed [section]"},
      {"[general]\nrun\n", "s.cfg:2: found 'run', allowed KEY: VALUE, KEY = VALUE or [section]"},
      {with("ArrayHeight:    32", "ArrayHeight: 0"), "s.cfg:5: ArrayHeight: found '0', allowed 1 to 1024"},
      {with("ArrayHeight:    32", "ArrayHeight: 32 32"), "s.cfg:5: ArrayHeight: found '32 32', allowed 1 to 1024"},
      {with("ArrayWidth", "arrayheight"), "s.cfg:6: found 'arrayheight', allowed each key once"},
      {with("Dataflow : os", "Dataflow : rs"), "s.cfg:12: Dataflow: found 'rs', allowed ws, os, is"},
      {with("Bandwidth : 10", "Bandwidth : 10,10"), "s.cfg:11: Bandwidth: found '10,10', allowed 1 to 1048576"},
      {with("USER", "AUTO"), "s.cfg:15: InterfaceBandwidth: found 'AUTO', allowed USER, CALC"},
      {with("Dataflow", "SparsitySupport: true\nDataflow"),
       "s.cfg:12: SparsitySupport: found 'true', allowed false: dense layers only"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(error_of([&] { (void)config(text); }), expected);
}

// A damaged file is read or refused in one line; what is read can be simulated.
TEST(ScaleSim, DamagedFilesAreReadOrRefusedInOneLine) {
  const std::string conv = std::string(kConvolution) + "Conv1,224,224,11,11,3,96,4,\nDP2,27,27,5,5,96,1,1,\n";
  const std::string gemm = "Layer,M,N,K,Sparsity,\na,31999,512,84,1:1,\nb,84,1024,4096,4:4,\n";
  tests::Mutator mutator(5);
  int read = 0, refused = 0;
  const auto attempt = [&](const auto& parse) {
    const std::string message = error_of(parse);
    ++(message == "no error" ? read : refused);
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_LT(message.size(), 400U) << message;
  };
  for (int i = 0; i < 20000 && !HasFailure(); ++i) {
    attempt([&] {
      for (const TopologyLayer& layer : topology(mutator.mutate(i % 2 == 0 ? conv : gemm)).layers) {
        EXPECT_EQ(problem_of(layer), "");
      }
    });
    attempt([&] { (void)config(mutator.mutate(kConfig)); });
  }
  EXPECT_GT(read, 4000);
  EXPECT_GT(refused, 5000);
}

}  // namespace
}  // namespace guardbit::nets
