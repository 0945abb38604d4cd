// The border between the program and the CUDA plugin: what is found, what is refused and with which words. Stand-ins
// of the plugin (fake_cuda_plugin.cpp) take the place of a machine with a GPU.
#include "trainer/cuda/plugin.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "arith/error.hpp"

namespace guardbit::trainer {
namespace {

constexpr const char* kVariable = "GUARDBIT_CUDA_PLUGIN";

class CudaPluginTest : public testing::Test {
 protected:
  void SetUp() override { unsetenv(kVariable); }
  void TearDown() override { unsetenv(kVariable); }

  template <class Action>
  static std::string error_of(Action action) {
    try {
      action();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
};

TEST_F(CudaPluginTest, AFileThatIsNotThereIsNamed) {
  EXPECT_EQ(error_of([] { CudaPlugin("/no/such/library.so"); }), "cuda: /no/such/library.so does not exist");
}

TEST_F(CudaPluginTest, AFileThatIsNoLibraryIsRefused) {
  const std::string found = error_of([] { CudaPlugin("CMakeLists.txt"); });
  EXPECT_EQ(found.find("cuda: "), 0U) << found;
  EXPECT_NE(found.find("CMakeLists.txt"), std::string::npos) << found;
  EXPECT_EQ(found.find('\n'), std::string::npos) << found;
}

TEST_F(CudaPluginTest, APluginOfAnotherBuildIsRefused) {
  EXPECT_EQ(error_of([] { CudaPlugin plugin(FAKE_STALE); }),
            std::string("cuda: ") + FAKE_STALE + " is of another build: found interface 0123456789abcdef, allowed " +
                cuda_interface());
}

TEST_F(CudaPluginTest, APluginWithoutItsFunctionsIsRefused) {
  EXPECT_EQ(error_of([] { CudaPlugin plugin(FAKE_INCOMPLETE_FILE); }),
            std::string("cuda: ") + FAKE_INCOMPLETE_FILE + " has no function guardbit_cuda_refusal");
}

TEST_F(CudaPluginTest, TheInterfaceIsAHash) {
  EXPECT_EQ(cuda_interface().size(), 16U);
  EXPECT_EQ(cuda_interface().find_first_not_of("0123456789abcdef"), std::string::npos);
}

TEST_F(CudaPluginTest, ABackEndOfAnotherLibraryWorksAndOutlivesTheHandle) {
  std::unique_ptr<Backend> backend;
  {
    const CudaPlugin plugin{std::filesystem::path(FAKE_WORKING)};
    EXPECT_EQ(plugin.refusal(), "");
    backend = plugin.make(CudaMath::Float32);
  }
  EXPECT_EQ(backend->name(), "cuda_on_host");
  const std::unique_ptr<Memory> memory = backend->allocate(12);
  const TensorView view{memory->address(), Element::Real, 3, {}};
  EXPECT_EQ(download(*backend, view), (std::vector<float>{0, 0, 0}));
  backend->fill(view, 2.5);
  EXPECT_EQ(download(*backend, view), (std::vector<float>{2.5F, 2.5F, 2.5F}));
}

TEST_F(CudaPluginTest, IntegerConvolutionsComeFromThePluginToo) {
  const std::unique_ptr<cuda::CodeConvolver> device =
      CudaPlugin{std::filesystem::path(FAKE_WORKING)}.make_convolver();
  const std::int8_t x[] = {3, -4}, weight[] = {10, 100, 1, 2};
  const std::int64_t initial[] = {7, 0};
  std::int64_t out[2] = {};
  device->forward({.geometry = {.c = 2, .k = 2}, .zero_point = 1, .x = x, .weight = weight, .initial = initial,
                   .out = out});
  EXPECT_EQ(out[0], 7 + 2 * 10 - 5 * 100);
  EXPECT_EQ(out[1], 2 - 5 * 2);
}

TEST_F(CudaPluginTest, ErrorsCrossTheBorder) {
  const CudaPlugin plugin{std::filesystem::path(FAKE_WORKING)};
  EXPECT_EQ(error_of([&] { static_cast<void>(plugin.make(CudaMath::Tf32)); }),
            "cuda: a loop on the host has no short products");
}

TEST_F(CudaPluginTest, TheEnvironmentNamesThePlugin) {
  setenv(kVariable, FAKE_WORKING, 1);
  EXPECT_EQ(cuda_refusal(), "");
  EXPECT_EQ(choose_device("auto"), "cuda");
  EXPECT_EQ(make_backend("cuda")->name(), "cuda_on_host");
  setenv(kVariable, FAKE_STALE, 1);
  EXPECT_NE(cuda_refusal().find("is of another build"), std::string::npos);
  EXPECT_EQ(choose_device("auto"), "cpu");
  EXPECT_EQ(error_of([] { static_cast<void>(make_backend("cuda")); }), cuda_refusal());
  setenv(kVariable, "/no/such/library.so", 1);
  EXPECT_EQ(cuda_refusal(), "cuda: /no/such/library.so does not exist");
}

TEST_F(CudaPluginTest, OtherNamesStayAsTheyAre) {
  EXPECT_EQ(choose_device("cpu"), "cpu");
  EXPECT_EQ(choose_device("cuda"), "cuda");
  EXPECT_EQ(error_of([] { static_cast<void>(make_backend("gpu")); }),
            "trainer.backend: found gpu, allowed cpu, cuda, cuda_tf32, reference");
}

// Of this build: with a GPU it makes a back end, without one it says why, through the whole border.
TEST_F(CudaPluginTest, ThePluginOfThisBuildWorksOrSaysWhyNot) {
  const std::string built = GUARDBIT_BUILT_PLUGIN;
  if (built.empty()) GTEST_SKIP() << "this build has no CUDA plugin (no CUDA toolkit)";
  const CudaPlugin plugin{std::filesystem::path(built)};
  const std::string reason = plugin.refusal();
  if (reason.empty()) {
    EXPECT_EQ(plugin.make(CudaMath::Float32)->name().find("cuda ("), 0U);
    return;
  }
  EXPECT_EQ(reason.find("cuda: "), 0U) << reason;
  EXPECT_EQ(reason.find('\n'), std::string::npos) << reason;
  EXPECT_EQ(error_of([&] { static_cast<void>(plugin.make(CudaMath::Float32)); }), reason);
  EXPECT_EQ(error_of([&] { static_cast<void>(plugin.make_convolver()); }), reason);
  EXPECT_EQ(choose_device("auto"), "cpu");
  std::printf("the plugin says: %s\n", reason.c_str());
}

TEST_F(CudaPluginTest, WithoutAnythingSetThePluginIsFoundBesideTheBuild) {
  const std::string reason = cuda_refusal();
  // Either a GPU can be used, or the machine lacks something, or the build has no plugin: never a broken plugin.
  EXPECT_TRUE(reason.empty() || reason.find("no NVIDIA driver") != std::string::npos ||
              reason.find("no usable device") != std::string::npos ||
              reason.find("compute capability") != std::string::npos ||
              reason.find("neither beside the executable") != std::string::npos)
      << reason;
}

}  // namespace
}  // namespace guardbit::trainer
