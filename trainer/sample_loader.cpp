#include "trainer/sample_loader.hpp"

#include "trainer/colour.hpp"

namespace guardbit::trainer {

namespace {

double of_channel(const std::vector<double>& values, int c) {
  return values[values.size() == 1 ? 0 : static_cast<std::size_t>(c)];
}

template <class Real>
void standardize(const nets::Shape& shape, Real* image) {
  const int row = shape.w * shape.c;
  const auto count = static_cast<double>(shape.count());
  double total = 0, squares = 0;
  for (int y = 0; y < shape.h; ++y) total += colour::sum(image + std::int64_t{y} * row, row, 1);
  const double mean = total / count;
  for (int y = 0; y < shape.h; ++y) squares += colour::squares(image + std::int64_t{y} * row, row, mean);
  for (std::int64_t i = 0; i < shape.count(); ++i) image[i] = colour::standardized(image[i], mean, squares, count);
}

}  // namespace

template <class Real>
SampleLoader<Real>::SampleLoader(const nets::Preprocess& preprocess, int channels)
    : preprocess_(preprocess), table_(preprocess_table<Real>(preprocess, channels)) {
  for (int i = 0; i < 256 * channels; ++i) unit_.push_back(static_cast<Real>(i % 256 / 255.0));
}

template <class Real>
void SampleLoader<Real>::load(const TensorView& images, const SampleTransform& transform, Real* to) const {
  load_sample<Real>(images, transform, transform.colour.wanted ? unit_ : table_, to);
  if (transform.colour.wanted) change_colour(transform.colour, images.shape, to);
  if (preprocess_.standardize) standardize(images.shape, to);
}

template <class Real>
void SampleLoader<Real>::change_colour(const ColourChange& change, const nets::Shape& shape, Real* image) const {
  const std::int64_t pixels = std::int64_t{shape.h} * shape.w;
  for (std::int64_t i = 0; i < pixels; ++i) colour::begin_pixel(change, shape.c, image + i * shape.c);
  for (int c = 0; c < shape.c; ++c) {
    double total = 0;
    for (int y = 0; y < shape.h; ++y)
      total += colour::sum(image + std::int64_t{y} * shape.w * shape.c + c, shape.w, shape.c);
    const double mean = total / static_cast<double>(pixels);
    for (std::int64_t i = 0; i < pixels; ++i) {
      Real& value = image[i * shape.c + c];
      value = colour::finish(change, mean, value, preprocess_.scale, of_channel(preprocess_.mean, c),
                             of_channel(preprocess_.std, c));
    }
  }
}

template class SampleLoader<float>;
template class SampleLoader<double>;

}  // namespace guardbit::trainer
