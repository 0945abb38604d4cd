// The whole CIFAR-10 training set, and how hard the glyphs are for a linear classifier.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "io_support.hpp"
#include "nets/data/dataset.hpp"

namespace guardbit::nets {
namespace {

TEST(RealData, Cifar10TrainingSet) {
  const char* data = std::getenv("GUARDBIT_DATA");
  const std::filesystem::path path = std::filesystem::path(data != nullptr ? data : "../shared/data") / "cifar10";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there; set GUARDBIT_DATA";
  DatasetSpec spec;
  spec.name = "cifar10";
  spec.path = path;
  const Dataset train = load_dataset(spec, Split::Train);
  EXPECT_EQ(train.count(), 50000);
  EXPECT_EQ(std::vector<int>(train.labels.begin(), train.labels.begin() + 5), (std::vector<int>{6, 9, 9, 4, 1}));
  // The first training image (a frog) begins with red 59, green 62, blue 63.
  EXPECT_EQ(Bytes(train.images.begin(), train.images.begin() + 3), (Bytes{59, 62, 63}));
  for (int label = 0; label < 10; ++label) EXPECT_EQ(std::count(train.labels.begin(), train.labels.end(), label), 5000);
}

/// Softmax regression by stochastic gradient descent, one image at a time.
class Linear {
 public:
  explicit Linear(std::size_t inputs) : inputs_(inputs), weights_(10 * (inputs + 1)) {}

  std::vector<float> scores(const float* x) const {
    std::vector<float> z(10);
    for (std::size_t k = 0; k < 10; ++k) {
      const float* w = weights_.data() + k * (inputs_ + 1);
      float sum = w[inputs_];
      for (std::size_t i = 0; i < inputs_; ++i) sum += w[i] * x[i];
      z[k] = sum;
    }
    return z;
  }
  int predict(const float* x) const {
    const std::vector<float> z = scores(x);
    return static_cast<int>(std::max_element(z.begin(), z.end()) - z.begin());
  }
  void learn(const float* x, int label, float rate) {
    std::vector<float> z = scores(x);
    const float top = *std::max_element(z.begin(), z.end());
    float sum = 0;
    for (float& value : z) sum += value = std::exp(value - top);
    for (std::size_t k = 0; k < 10; ++k) {
      const float step = rate * (z[k] / sum - (static_cast<int>(k) == label ? 1.0f : 0.0f));
      float* w = weights_.data() + k * (inputs_ + 1);
      for (std::size_t i = 0; i < inputs_; ++i) w[i] -= step * x[i];
      w[inputs_] -= step;
    }
  }

 private:
  std::size_t inputs_;
  std::vector<float> weights_;
};

TEST(Glyphs, ALinearClassifierStaysUnder93Percent) {
  DatasetSpec spec;
  spec.name = "glyphs";
  const Dataset train = load_dataset(spec, Split::Train);
  const Dataset test = load_dataset(spec, Split::Test);
  const Preprocess preprocess{1.0 / 255.0, {0.13}, {0.3}};
  const auto x = train.to_float(preprocess, 0, train.count());
  const auto y = test.to_float(preprocess, 0, test.count());
  Linear linear(784);
  for (int epoch = 0; epoch < 8; ++epoch) {
    for (std::size_t n = 0; n < train.labels.size(); ++n) {
      linear.learn(&x[n * 784], train.labels[n], 0.002f / static_cast<float>(1 + epoch));
    }
  }
  int right = 0;
  for (std::size_t n = 0; n < test.labels.size(); ++n) right += linear.predict(&y[n * 784]) == test.labels[n] ? 1 : 0;
  const double percent = 100.0 * right / static_cast<double>(test.count());
  RecordProperty("percent", std::to_string(percent));
  std::printf("linear classifier: %.2f %%\n", percent);
  EXPECT_LT(percent, 93.0);
  EXPECT_GT(percent, 40.0);  // far above chance: the classifier did learn
}

}  // namespace
}  // namespace guardbit::nets
