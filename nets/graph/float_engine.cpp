// Float inference, image by image.
#include "nets/graph/float_engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <thread>

#include "arith/error.hpp"
#include "nets/graph/detail/float_ops.hpp"
#include "nets/graph/text.hpp"

namespace guardbit::nets {
namespace {

// A network made ready for many images.
class FloatPlan {
 public:
  explicit FloatPlan(const Network& network) : network_(network) {
    check_parameters(network);
    for (const Node& node : network.nodes) nodes_.push_back(detail::prepare(network, node));
  }

  // outputs[i]: where the output of node i goes; outputs[0] holds the input already.
  void run_image(const std::vector<float*>& outputs, std::vector<float>& scratch) const {
    std::vector<const float*> inputs;
    for (std::size_t i = 1; i < nodes_.size(); ++i) {
      const Node& node = network_.nodes[i];
      inputs.clear();
      for (const int input : node.inputs) inputs.push_back(outputs[static_cast<std::size_t>(input)]);
      detail::run_node(network_, node, nodes_[i], inputs, outputs[i], scratch);
    }
  }

 private:
  const Network& network_;
  std::vector<detail::PreparedNode> nodes_;
};

std::int64_t check_input(const Network& network, const FloatTensor& input) {
  const Shape& shape = network.nodes.at(0).shape;
  const bool fits = input.shape.size() == 4 && input.shape[0] >= 0 && input.shape[1] == shape.h &&
                    input.shape[2] == shape.w && input.shape[3] == shape.c &&
                    input.data.size() == static_cast<std::size_t>(input.count());
  if (!fits) {
    throw Error(fmt::format("network {}: its input has shape {}, allowed: [N, {}, {}, {}]", network.name,
                            to_text(input.shape), shape.h, shape.w, shape.c));
  }
  return input.shape[0];
}

FloatTensor batch_tensor(std::int64_t images, const Shape& shape) {
  return FloatTensor({images, shape.h, shape.w, shape.c});
}

// work(first, last) on consecutive shares of the images, one per thread.
template <class Work>
void for_shares(std::int64_t images, int threads, const Work& work) {
  const auto shares = static_cast<int>(std::clamp<std::int64_t>(images, 1, std::max(threads, 1)));
  std::vector<std::thread> workers;
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(shares));
  const auto share = [&](int i) {
    try {
      work(images * i / shares, images * (i + 1) / shares);
    } catch (...) {
      errors[static_cast<std::size_t>(i)] = std::current_exception();
    }
  };
  for (int i = 1; i < shares; ++i) workers.emplace_back(share, i);
  share(0);
  for (std::thread& worker : workers) worker.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace

std::vector<FloatTensor> run_float(const Network& network, const FloatTensor& input, int threads) {
  const std::int64_t images = check_input(network, input);
  const FloatPlan plan(network);
  std::vector<FloatTensor> results;
  for (const Node& node : network.nodes) results.push_back(batch_tensor(images, node.shape));
  results[0].data = input.data;
  for_shares(images, threads, [&](std::int64_t first, std::int64_t last) {
    std::vector<float> scratch;
    std::vector<float*> outputs(network.nodes.size());
    for (std::int64_t image = first; image < last; ++image) {
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        outputs[i] = results[i].data.data() + image * network.nodes[i].shape.count();
      }
      plan.run_image(outputs, scratch);
    }
  });
  return results;
}

FloatTensor run_float_output(const Network& network, const FloatTensor& input, int threads) {
  const std::int64_t images = check_input(network, input);
  const FloatPlan plan(network);
  const std::int64_t in_count = network.nodes[0].shape.count();
  const std::int64_t out_count = network.node(network.output).shape.count();
  FloatTensor result = batch_tensor(images, network.node(network.output).shape);
  for_shares(images, threads, [&](std::int64_t first, std::int64_t last) {
    std::vector<float> scratch;
    std::vector<std::vector<float>> buffers;
    std::vector<float*> outputs;
    for (const Node& node : network.nodes) {
      buffers.emplace_back(static_cast<std::size_t>(node.shape.count()));
      outputs.push_back(buffers.back().data());
    }
    for (std::int64_t image = first; image < last; ++image) {
      std::copy_n(input.data.data() + image * in_count, in_count, outputs[0]);
      plan.run_image(outputs, scratch);
      std::copy_n(outputs[static_cast<std::size_t>(network.output)], out_count,
                  result.data.data() + image * out_count);
    }
  });
  return result;
}

}  // namespace guardbit::nets
