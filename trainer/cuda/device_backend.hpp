// DeviceBackend: the operators of a back end with its own memory, as launches of bodies on a Queue (queue.hpp).
//
// * Convolution without groups is a matrix product over patches, which are written to a workspace of bounded size for
//   as many images at a time as fit; 1x1 convolutions read the tensor itself. With groups: direct loops.
// * Sums over pixels are in double and in an order given by the shape; no atomic operations.
// * The scalars of the step lie in device memory (begin_step), never in an argument of a launch. A step is therefore
//   recorded (repeat): run once, so that all memory it needs is there, recorded in its second run, then replayed. A
//   workspace that grows makes recordings invalid, since they have its address; they start again. The environment
//   variable GUARDBIT_CUDA_RECORD=0 turns this off.
#pragma once

#include <utility>

#include "arith/error.hpp"
#include "trainer/backend_overrides.hpp"
#include "trainer/cuda/bodies_conv.hpp"
#include "trainer/cuda/bodies_elementwise.hpp"
#include "trainer/cuda/bodies_images.hpp"
#include "trainer/cuda/bodies_load.hpp"
#include "trainer/cuda/bodies_loss.hpp"
#include "trainer/cuda/bodies_norm.hpp"
#include "trainer/cuda/bodies_pool.hpp"
#include "trainer/cuda/bodies_update.hpp"
#include "trainer/cuda/device_codes.hpp"
#include "trainer/cuda/queue.hpp"
#include "trainer/cuda/workspace.hpp"
#include "trainer/step_recorder.hpp"

namespace guardbit::trainer::cuda {

template <class Queue>
class DeviceBackend final : public Backend, public StepRecorder {
 public:
  /// Convolutions use at most `workspace_bytes` for patches, or what one image needs. The size decides the order of
  /// additions in weight gradients.
  explicit DeviceBackend(Queue queue, Count workspace_bytes = kWorkspaceBytes);

  [[nodiscard]] std::string name() const override { return queue_.name(); }
  [[nodiscard]] std::size_t element_bytes(Element element) const override;
  [[nodiscard]] std::unique_ptr<Memory> allocate(std::size_t bytes) override { return queue_.allocate(bytes); }
  void copy_in(const TensorView& to, const void* from) override;
  void copy_out(void* to, const TensorView& from) override;
  void begin_step(const StepScalars& scalars) override;
  GUARDBIT_BACKEND_OPERATORS
  [[nodiscard]] std::unique_ptr<CodeOperators> make_code_operators(const nets::IntegerNetwork& network,
                                                                   const InputCodes& input, Count batch) override;

  void guard(const TensorView& metrics) override {
    require(!metrics || metrics.element == Element::Float64, "guard: metrics are Float64");
    guard_ = data<double>(metrics);
  }
  void restore(const TensorView& x, const TensorView& y) override;
  void repeat(std::unique_ptr<Recording>& recording, const std::function<void()>& calls) override;

 private:
  static constexpr Count kWorkspaceBytes = Count{256} << 20;

  /// What `repeat` keeps: how often workspaces had grown when all of them were large enough, and the calls.
  struct Repeated final : Recording {
    explicit Repeated(std::uint64_t growths_then) : growths(growths_then) {}
    std::uint64_t growths;
    typename Queue::Recorded calls;
    bool is_recorded = false;
  };
  /// How often a workspace has moved: a recording of what used it before is of no use then.
  [[nodiscard]] std::uint64_t growths() const {
    std::uint64_t sum = 0;
    for (const Workspace<Queue>* one : {&columns_, &sums_[0], &sums_[1], &factors_, &transforms_, &statistics_, &table_,
                                        &image_sums_})
      sum += one->growths();
    return sum;
  }

  template <class T = float>
  [[nodiscard]] static T* data(const TensorView& view) {
    return static_cast<T*>(view.data);
  }
  /// A count of bodies that number their elements with Dividers. Error when there are too many.
  [[nodiscard]] static Count numbered(Count count);
  [[nodiscard]] static Unflatten positions(const TensorView& view) {
    return Unflatten(view.shape.h, view.shape.w, view.shape.c);
  }
  [[nodiscard]] const StepScalars* step() const { return static_cast<const StepScalars*>(step_->address()); }

  /// A launch that is held back by the guard.
  template <class Body>
  void guarded_each(Count n, const Body& body, When when = When::Finite) {
    queue_.each(n, Guarded<Body>{guard_, when, body});
  }

  /// Sums of Term over all elements of each channel, down to the last few.
  template <int N, class Term>
  [[nodiscard]] Partial sum_channels(const Term& term, Count pixels, Count channels);
  /// Partial sums [pieces, width] in sums_[0], down to at most kFold pieces.
  [[nodiscard]] Partial fold(Count pieces, Count width);
  void set_table(const nets::Preprocess& preprocess, int channels);
  void finish_images(std::span<const SampleTransform> transforms, const SampleTransform* changes,
                     const nets::Preprocess& preprocess, const TensorView& x);
  void change_colour(const SampleTransform* changes, const nets::Preprocess& preprocess, Count n, const TensorView& x);
  void standardize(Count n, const TensorView& x);

  // Convolution.
  void require_fit(const nets::ConvAttributes& conv, const TensorView& x, const TensorView& weight,
                   const TensorView& y) const;
  [[nodiscard]] static bool reads_pixels(const nets::ConvAttributes& conv);
  [[nodiscard]] Count images_at_once(const nets::ConvAttributes& conv, const nets::Shape& in,
                                     const nets::Shape& out) const;
  [[nodiscard]] const float* patches(const nets::ConvAttributes& conv, const TensorView& x, const nets::Shape& out,
                                     Count first, Count count);
  void grouped_backward_weights(const nets::ConvAttributes& conv, const TensorView& x, const TensorView& dy,
                                const TensorView& dweight);

  Queue queue_;
  Count workspace_bytes_;
  std::unique_ptr<Memory> step_;
  Workspace<Queue> columns_, sums_[2], factors_, transforms_, statistics_, table_, image_sums_;
  nets::Preprocess table_of_;
  int table_channels_ = 0;  // 0: no table yet
  const double* guard_ = nullptr;  // on the device: a loss; null: no guard
  bool records_;                   // false: repeat() calls
};

}  // namespace guardbit::trainer::cuda

#include "trainer/cuda/device_backend_conv.hpp"
#include "trainer/cuda/device_backend_images.hpp"
#include "trainer/cuda/device_backend_norm.hpp"
#include "trainer/cuda/device_backend_others.hpp"
#include "trainer/cuda/device_backend_update.hpp"
