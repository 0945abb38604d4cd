// The images of a batch on back ends in host memory: bytes of the data set, changed, as real inputs of the network.
#pragma once

#include "trainer/host_backend.hpp"

namespace guardbit::trainer {

template <class Real>
class SampleLoader {
 public:
  SampleLoader(const nets::Preprocess& preprocess, int channels);
  /// images Byte [N, H, W, C] -> to [H, W, C].
  void load(const TensorView& images, const SampleTransform& transform, Real* to) const;

 private:
  void change_colour(const ColourChange& change, const nets::Shape& shape, Real* image) const;

  nets::Preprocess preprocess_;
  std::vector<Real> table_;  // [C, 256]: inputs of the network
  std::vector<Real> unit_;   // [C, 256]: pixels in [0, 1]
};

}  // namespace guardbit::trainer
