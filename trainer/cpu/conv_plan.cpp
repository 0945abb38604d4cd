#include "trainer/cpu/conv_plan.hpp"

#include "trainer/cpu/thread_pool.hpp"
#include "trainer/host_backend.hpp"

namespace guardbit::trainer {

namespace {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;

constexpr auto kFloat = memory::data_type::f32;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

struct Descriptors {
  memory::desc x, y, weights_any, weights_plain, bias;
  memory::dims stride, dilation, before, after;
};

Descriptors describe(const ConvKey& k) {
  const nets::Window& w = k.conv.window;
  const memory::dim g = k.conv.groups;
  Descriptors d;
  d.x = memory::desc({k.images, k.in.c, k.in.h, k.in.w}, kFloat, memory::format_tag::nhwc);
  d.y = memory::desc({k.images, k.out.c, k.out.h, k.out.w}, kFloat, memory::format_tag::nhwc);
  d.bias = memory::desc({k.out.c}, kFloat, memory::format_tag::a);
  if (g == 1) {
    const memory::dims dims{k.out.c, k.in.c, w.kernel_h, w.kernel_w};
    d.weights_any = memory::desc(dims, kFloat, memory::format_tag::any);
    d.weights_plain = memory::desc(dims, kFloat, memory::format_tag::ohwi);
  } else {
    const memory::dims dims{g, k.out.c / g, k.in.c / g, w.kernel_h, w.kernel_w};
    d.weights_any = memory::desc(dims, kFloat, memory::format_tag::any);
    const memory::dim i = k.in.c / g, s = w.kernel_w * i, r = w.kernel_h * s;
    d.weights_plain = memory::desc(dims, kFloat, memory::dims{k.out.c / g * r, r, 1, s, i});
  }
  d.stride = {w.stride_h, w.stride_w};
  d.dilation = {w.dilation_h - 1, w.dilation_w - 1};
  d.before = {w.padding.top, w.padding.left};
  d.after = {w.padding.bottom, w.padding.right};
  return d;
}

memory at(const memory::desc& desc) { return {desc, engine(), DNNL_MEMORY_NONE}; }

}  // namespace

ConvPlan::ConvPlan(const ConvKey& key, int workers, int pieces) : key_(key) {
  const SingleThreadedOpenMp limit;  // the primitive decides now how many threads it would use
  const Descriptors d = describe(key);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const auto direct = algorithm::convolution_direct;
  const memory::desc bias = key.bias ? d.bias : memory::desc();
  const dnnl::convolution_forward::primitive_desc forward_desc(
      {prop_kind::forward_training, direct, d.x, d.weights_any, bias, d.y, d.stride, d.dilation, d.before, d.after},
      attributes, engine());
  memory::desc scratch;
  switch (key.pass) {
    case ConvPass::Forward:
      primitive_ = dnnl::convolution_forward(forward_desc);
      weights_desc_ = forward_desc.weights_desc();
      scratch = forward_desc.scratchpad_desc();
      break;
    case ConvPass::BackwardData: {
      const dnnl::convolution_backward_data::primitive_desc desc(
          {direct, d.x, d.weights_any, d.y, d.stride, d.dilation, d.before, d.after}, attributes, engine(),
          forward_desc);
      primitive_ = dnnl::convolution_backward_data(desc);
      weights_desc_ = desc.weights_desc();
      scratch = desc.scratchpad_desc();
      break;
    }
    case ConvPass::BackwardWeights: {
      const dnnl::convolution_backward_weights::primitive_desc desc(
          {direct, d.x, d.weights_any, bias, d.y, d.stride, d.dilation, d.before, d.after}, attributes, engine(),
          forward_desc);
      primitive_ = dnnl::convolution_backward_weights(desc);
      weights_desc_ = desc.diff_weights_desc();
      scratch = desc.scratchpad_desc();
      break;
    }
  }
  plain_desc_ = d.weights_plain;
  plain_ = at(plain_desc_);
  const bool backward_weights = key.pass == ConvPass::BackwardWeights;
  needs_reorder_ = weights_desc_ != plain_desc_;
  for (int i = 0; i < (backward_weights ? pieces : 1); ++i) {
    weights_.emplace_back(weights_desc_, engine());
    if (backward_weights && key.bias) bias_gradient_.emplace_back(d.bias, engine());
  }
  if (needs_reorder_)
    reorder_ = backward_weights ? dnnl::reorder(weights_.front(), plain_) : dnnl::reorder(plain_, weights_.front());
  for (int i = 0; i < workers; ++i)
    workers_.push_back({at(d.x), at(d.y), at(d.bias), memory(scratch, engine()), dnnl::stream(engine())});
}

void ConvPlan::execute(Worker& worker, std::initializer_list<dnnl_exec_arg_t> arguments) {
  dnnl_exec_arg_t all[6];
  int count = 0;
  for (const dnnl_exec_arg_t& argument : arguments)
    if (argument.memory != nullptr) all[count++] = argument;
  all[count++] = {DNNL_ARG_SCRATCHPAD, worker.scratch.get()};
  check(dnnl_primitive_execute(primitive_.get(), worker.stream.get(), count, all) == dnnl_success, "oneDNN failed");
}

void ConvPlan::set_weights(float* weights) {
  const SingleThreadedOpenMp limit;
  plain_.set_data_handle(weights);
  if (needs_reorder_) reorder_.execute(workers_.front().stream, plain_, weights_.front());
  else std::copy_n(weights, gradient_count(), gradient(0));
}

void ConvPlan::forward(int worker, float* x, float* bias, float* y) {
  Worker& w = workers_[static_cast<std::size_t>(worker)];
  w.x.set_data_handle(x);
  w.y.set_data_handle(y);
  if (key_.bias) w.bias.set_data_handle(bias);
  execute(w, {{DNNL_ARG_SRC, w.x.get()}, {DNNL_ARG_WEIGHTS, weights_.front().get()},
              {DNNL_ARG_BIAS, key_.bias ? w.bias.get() : nullptr}, {DNNL_ARG_DST, w.y.get()}});
}

void ConvPlan::backward_data(int worker, float* dy, float* dx) {
  Worker& w = workers_[static_cast<std::size_t>(worker)];
  w.x.set_data_handle(dx);
  w.y.set_data_handle(dy);
  execute(w, {{DNNL_ARG_DIFF_SRC, w.x.get()}, {DNNL_ARG_WEIGHTS, weights_.front().get()},
              {DNNL_ARG_DIFF_DST, w.y.get()}});
}

void ConvPlan::backward_weights(int worker, int piece, float* x, float* dy) {
  Worker& w = workers_[static_cast<std::size_t>(worker)];
  const auto i = static_cast<std::size_t>(piece);
  w.x.set_data_handle(x);
  w.y.set_data_handle(dy);
  execute(w, {{DNNL_ARG_SRC, w.x.get()}, {DNNL_ARG_DIFF_DST, w.y.get()},
              {DNNL_ARG_DIFF_WEIGHTS, weights_[i].get()},
              {DNNL_ARG_DIFF_BIAS, key_.bias ? bias_gradient_[i].get() : nullptr}});
}

std::int64_t ConvPlan::gradient_count() const {
  return static_cast<std::int64_t>(weights_desc_.get_size() / sizeof(float));
}
float* ConvPlan::gradient(int piece) {
  return static_cast<float*>(weights_[static_cast<std::size_t>(piece)].get_data_handle());
}
float* ConvPlan::bias_gradient(int piece) {
  return static_cast<float*>(bias_gradient_[static_cast<std::size_t>(piece)].get_data_handle());
}
void ConvPlan::get_gradient(float* dweights) {
  const SingleThreadedOpenMp limit;
  plain_.set_data_handle(dweights);
  if (needs_reorder_) reorder_.execute(workers_.front().stream, weights_.front(), plain_);
  else std::copy_n(gradient(0), gradient_count(), dweights);
}

ConvPlan& ConvPlans::get(const ConvKey& key, int pieces) {
  for (ConvPlan& plan : plans_)
    if (plan.key() == key) return plan;
  return plans_.emplace_back(key, workers_, pieces);
}

}  // namespace guardbit::trainer
