#include "cli/verify_batch.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/engines.hpp"
#include "cli/progress.hpp"
#include "cli/workers.hpp"
#include "nets/graph/float_engine.hpp"

namespace guardbit::cli {
namespace {

// The network an engine runs: the true one, or a broken copy of it.
nets::IntegerNetwork device(const VerifyPlan& plan, const std::string& engine) {
  nets::IntegerNetwork network = plan.network;
  for (const Injection& injection : plan.injections) {
    if (injection.engine == engine) network = nets::inject(network, injection.fault, injection.layer);
  }
  return network;
}

nets::RunResult run(const VerifyPlan& plan, const std::string& engine, const nets::IntTensor& input,
                    const nets::RunOptions& options) {
  const auto made = make_engine(engine, plan.machine, {.stall_seed = plan.stall_seed});
  return made->run(device(plan, engine), plan.accumulations, input, options);
}

template <class T>
std::int64_t count_right(const nets::Tensor<T>& scores, const nets::Dataset& data, std::int64_t begin) {
  const std::int64_t images = scores.shape.at(0), classes = scores.count() / images;
  std::int64_t right = 0;
  for (std::int64_t n = 0; n < images; ++n) {
    const int best = arg_max(scores.data.data() + n * classes, classes);
    right += best == data.labels[static_cast<std::size_t>(begin + n)] ? 1 : 0;
  }
  return right;
}

void compare_with_float(const VerifyPlan& plan, const nets::RunResult& reference, std::int64_t begin,
                        std::int64_t count, Tally& tally) {
  const nets::FloatTensor input = real_input(plan.samples.data, plan.folded.preprocess, begin, count);
  const std::vector<nets::FloatTensor> real = nets::run_float(plan.folded, input);
  for (std::size_t i = 0; i < plan.network.layers.size(); ++i) {
    const nets::IntegerLayer& layer = plan.network.layers[i];
    if (layer.float_node < 0) continue;
    tally.layers[i].error.observe(real.at(static_cast<std::size_t>(layer.float_node)), reference.layers[i].codes,
                                  layer.output);
  }
  tally.float_top1 = count_right(real.at(static_cast<std::size_t>(plan.folded.output)), plan.samples.data, begin);
}

// Cycles and everything else that the simulators count must agree; compare_evidence compares total cycles.
std::vector<std::string> compare_costs(const nets::IntegerNetwork& network, const nets::RunResult& expected,
                                       const nets::RunResult& actual) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const auto& a = expected.layers[i].cost;
    const auto& b = actual.layers[i].cost;
    if (!a || !b || *a == *b) continue;
    lines.push_back(fmt::format("layer {}: cost: expected {} cycles, actual {} cycles{}", network.layers[i].name,
                                a->cycles, b->cycles, a->cycles == b->cycles ? "; another count differs" : ""));
  }
  return lines;
}

}  // namespace

int batches(const VerifyPlan& plan) {
  return static_cast<int>((plan.samples.count() + kVerifyBatch - 1) / kVerifyBatch);
}

Tally verify_batch(const VerifyPlan& plan, int batch) {
  const std::int64_t begin = batch * kVerifyBatch;
  const std::int64_t count = std::min(kVerifyBatch, plan.samples.count() - begin);
  const nets::IntTensor input =
      nets::quantize_input(plan.network, plan.samples.data.image(begin).data(), count);
  const nets::RunOptions options{.threads = 1, .keep_accumulators = false, .first_image = plan.samples.first + begin};
  const nets::RunResult reference = run(plan, "reference", input, options);

  Tally tally;
  tally.samples = count;
  tally.layers.resize(plan.network.layers.size());
  for (std::size_t i = 0; i < tally.layers.size(); ++i) tally.layers[i].add(reference.layers[i]);
  compare_with_float(plan, reference, begin, count, tally);
  tally.integer_top1 =
      count_right(reference.layers.at(static_cast<std::size_t>(plan.network.output)).codes, plan.samples.data, begin);

  std::optional<nets::RunResult> simulated;  // of the first simulator, whose costs the others must repeat
  for (const std::string& name : plan.engines) {
    EngineTally& engine = tally.engines.emplace_back();
    engine.name = name;
    if (name == kTrainer) {  // it has no machine, and nothing overflows in it: codes are all there is to compare
      engine.layers = nets::compare_codes(plan.network, reference,
                                          plan.trained->training.forward(plan.trained->data, begin, count),
                                          options.first_image);
      continue;
    }
    nets::RunResult result = run(plan, name, input, options);
    engine.layers = nets::compare_codes(plan.network, reference, result, options.first_image);
    engine.add_evidence(nets::compare_evidence(plan.network, reference, result));
    if (!needs_machine(name)) continue;
    if (simulated) {
      engine.add_evidence(compare_costs(plan.network, *simulated, result));
    } else {
      for (std::size_t i = 0; i < tally.layers.size(); ++i) tally.layers[i].cost = result.layers[i].cost;
      simulated = std::move(result);
    }
  }
  return tally;
}

Tally verify_all(const VerifyPlan& plan, int workers) {
  Tally total;
  Progress progress("verify: images", static_cast<std::uint64_t>(plan.samples.count()));
  run_in_workers(
      batches(plan), workers, [&](int batch) { return to_json(verify_batch(plan, batch)); },
      [&](int, const nlohmann::json& result) {
        total.merge(tally_from_json(result));
        progress.at(static_cast<std::uint64_t>(total.samples));
      });
  return total;
}

}  // namespace guardbit::cli
