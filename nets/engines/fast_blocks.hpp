// A weighted layer in blocks of output rows, threads over blocks: what all kernels of the fast engine share.
#pragma once

#include "arith/gemm.hpp"
#include "arith/parallel.hpp"
#include "nets/engines/fast_ops.hpp"
#include "nets/quantize/conv_shape.hpp"

namespace guardbit::nets::fast {

// Rows first .. first + count - 1 of the [images * P * Q, K] outputs of a run.
struct RowBlock {
  std::int64_t first = 0, count = 0;
  int k = 0;
  std::int64_t output = 0;  // index of output (first, 0) in the whole set of images, as evidence counts it
  std::int64_t* accumulators = nullptr;  // [count, K]

  [[nodiscard]] arith::GemmOut out() const {
    return {.out64 = accumulators, .stride = k, .first_output = output, .row_step = k};
  }
};

// make_compute() gives each thread a function compute(const RowBlock&, arith::AccumulationEvidence&), which fills the
// block's accumulators; blocks of one thread ascend. Then stages, and what the run keeps.
template <class MakeCompute>
void row_blocks(const Context& context, const ConvShape& shape, std::int64_t block_rows,
                const MakeCompute& make_compute, LayerResult& result) {
  const std::int64_t images = context.input().shape[0];
  const std::int64_t rows = images * shape.rows();
  const std::int64_t blocks = (rows + block_rows - 1) / block_rows;
  const int k = shape.k;
  if (context.options.keep_accumulators) result.accumulators = WideTensor({images, shape.p, shape.q, k});
  const arith::Requantizer requantizer(context.layer.stages, k);
  const int parts = arith::part_count(context.options.threads, blocks);
  std::vector<arith::AccumulationEvidence> accumulation(static_cast<std::size_t>(parts));
  std::vector<arith::StageCounts> stages(static_cast<std::size_t>(parts));
  arith::parallel_parts(parts, blocks, [&](int part, std::int64_t first_block, std::int64_t last_block) {
    auto compute = make_compute();
    std::vector<std::int64_t> accumulators(static_cast<std::size_t>(block_rows * k));
    arith::AccumulationEvidence evidence;  // of this thread, so that threads do not share a line of cache
    arith::StageCounts counts;
    for (std::int64_t first = first_block * block_rows; first < std::min(rows, last_block * block_rows);
         first += block_rows) {
      const std::int64_t count = std::min(block_rows, rows - first);
      compute(RowBlock{.first = first,
                       .count = count,
                       .k = k,
                       .output = (context.options.first_image * shape.rows() + first) * k,
                       .accumulators = accumulators.data()},
              evidence);
      if (context.options.keep_accumulators) {
        std::copy_n(accumulators.data(), count * k, result.accumulators.data.data() + first * k);
      }
      requantizer.apply(accumulators.data(), k, result.codes.data.data() + first * k, k, count, 0, k, counts);
    }
    accumulation[static_cast<std::size_t>(part)] = evidence;
    stages[static_cast<std::size_t>(part)] = std::move(counts);
  });
  for (int part = 0; part < parts; ++part) {
    result.accumulation.merge(accumulation[static_cast<std::size_t>(part)]);
    result.stages.merge(stages[static_cast<std::size_t>(part)]);
  }
}

}  // namespace guardbit::nets::fast
