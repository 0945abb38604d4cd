// Changes of colour and standardization of loaded images on all back ends, against literal numbers.
#include <gtest/gtest.h>

#include "tests/trainer/device.hpp"

namespace guardbit::trainer {
namespace {

class LoadedImages : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { GUARDBIT_SKIP_WITHOUT(GetParam()); }
  void expect_near(const TensorView& view, const std::vector<double>& expected, double tolerance) {
    const std::vector<double> found = device_.read(view);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], tolerance) << "element " << i;
  }
  Device device_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(All, LoadedImages,
                         testing::Values("reference", "cpu", "cuda_on_host", "cuda_scattered", "cuda"),
                         [](const auto& name) { return std::string(name.param); });

// Expected numbers from a Python script on colorsys and fractions of its own.
TEST_P(LoadedImages, ColoursChangeAsInTensorFlow) {
  const TensorView images = device_.make(1, {2, 2, 3}, Element::Byte), labels = device_.labels({7});
  const std::uint8_t bytes[] = {200, 100, 50, 0, 0, 0, 30, 60, 240, 255, 250, 245};
  device_->copy_in(images, bytes);
  std::vector<SampleTransform> t(7);
  t[0].colour = {.wanted = true, .brightness = -0.1};
  t[1].colour = {.wanted = true, .brightness = 0.05, .saturation = 1.4};
  t[2].colour = {.wanted = true, .hue = 0.2};
  t[3].colour = {.wanted = true, .hue = -0.3};
  t[4].colour = {.wanted = true, .saturation = 0.5, .contrast = 1.5};
  t[5].colour = {.wanted = true, .brightness = -0.1, .saturation = 1.3, .hue = 0.15, .contrast = 0.6};
  t[6].colour = {.wanted = false, .brightness = 1};  // not looked at
  const TensorView x = device_.make(7, {2, 2, 3}), y = device_.make(7, {}, Element::Int32);
  device_->load_batch(images, labels, t, {.scale = 1 / 255.0, .mean = {0.5, 0.25, 0}, .std = {0.5, 0.25, 2}}, x, y);
  expect_near(x, {0.3686275, 0.1686275, 0.04803922, -1, -1, 0, -0.9647059, -0.4588235, 0.4205882, 0.8, 2.521569,
                  0.4303922,
                  0.6686275, 0.1411765, 0.005392157, -0.9, -0.8, 0.025, -1, -0.4336134, 0.4955882, 1, 3, 0.497549,
                  -0.05882353, 2.137255, 0.09803922, -1, -1, 0, 0.8823529, -0.5294118, 0.4470588, 0.945098, 3,
                  0.4803922,
                  0.01960784, -0.2156863, 0.3921569, -1, -1, 0, -0.7647059, 2.764706, 0.08235294, 0.9764706, 2.843137,
                  0.5,
                  0.7745098, 1.446078, 0.2169118, -1, -1, 0, 0.009803922, 1.446078, 0.5, 1, 3, 0.5,
                  0.01779645, 1.236078, 0.0795098, -0.7317722, -0.6462745, 0.0495098, 0.1524967, -0.4062745, 0.3318627,
                  0.4437572, 1.753725, 0.3342157,
                  0.5686275, 0.5686275, 0.09803922, -1, -1, 0, -0.7647059, -0.05882353, 0.4705882, 1, 2.921569,
                  0.4803922},
              2e-6);
  EXPECT_EQ(device_.read_int(y), std::vector<std::int32_t>(7, 7));
}

TEST_P(LoadedImages, GreenHasItsPartOfTheCircle) {
  const TensorView images = device_.make(1, {1, 1, 3}, Element::Byte), labels = device_.labels({0});
  const std::uint8_t bytes[] = {20, 200, 90};
  device_->copy_in(images, bytes);
  SampleTransform t;
  t.colour = {.wanted = true, .saturation = 0.5, .hue = 0.2};
  const TensorView x = device_.make(1, {1, 1, 3}), y = device_.make(1, {}, Element::Int32);
  device_->load_batch(images, labels, {&t, 1}, {}, x, y);
  expect_near(x, {0.4313725, 0.5764706, 0.7843137}, 1e-6);
}

TEST_P(LoadedImages, EachIsStandardizedByItself) {
  const TensorView images = device_.make(2, {2, 2, 3}, Element::Byte), labels = device_.labels({7, 8});
  std::vector<std::uint8_t> bytes = {200, 100, 50, 0, 0, 0, 30, 60, 240, 255, 250, 245};
  bytes.insert(bytes.end(), {11, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 9});  // hardly deviates: 1 / sqrt(12) instead
  device_->copy_in(images, bytes.data());
  std::vector<SampleTransform> t(3);
  t[1].colour = {.wanted = true, .brightness = -0.1, .saturation = 1.3, .hue = 0.15, .contrast = 0.6};
  t[2].sample = 1;
  const TensorView x = device_.make(3, {2, 2, 3}), y = device_.make(3, {}, Element::Int32);
  nets::Preprocess preprocess;
  preprocess.standardize = true;
  device_->load_batch(images, labels, t, preprocess, x, y);
  const double step = 0.01358471;  // sqrt(12) / 255
  expect_near(x, {0.7714709, -0.1829261, -0.6601246, -1.137323, -1.137323, -1.137323, -0.851004, -0.5646849, 1.15323,
                  1.296389, 1.248669, 1.20095,
                  0.314982, 0.4886076, -0.897033, -0.9833089, -1.141558, -1.104879, 0.5482898, -0.9337118, 0.8513194,
                  1.052768, 0.9369031, 0.8676211,
                  step, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -step}, 3e-6);
}

}  // namespace
}  // namespace guardbit::trainer
