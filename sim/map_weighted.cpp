// Weight-stationary program of a weighted layer: groups, then n folds, then tiles of pixels, then k folds.
#include <algorithm>
#include <array>

#include "sim/gemm_view.hpp"
#include "sim/map_layer.hpp"

namespace guardbit::sim {
namespace {

constexpr int kNone = -1;

// Builds the program; each buffer half remembers the command that frees it.
class WeightStationaryMapper {
 public:
  WeightStationaryMapper(const Machine& machine, const nets::IntegerNetwork& network, int layer)
      : machine_(machine),
        network_(network),
        layer_(network.layer(layer)),
        view_(gemm_view(network, layer_)),
        tiling_(choose_tiling(machine, network, layer)),
        columns_(std::min<std::int64_t>(machine.array.columns, view_.cols)),
        input_slot_(input_elements()),
        output_slot_(tiling_.tile.p * tiling_.tile.q * columns_),
        weight_slot_((tiling_.weights_resident ? view_.depth
                                               : std::min<std::int64_t>(machine.array.rows, view_.depth)) *
                     columns_) {
    program_.layer = layer;
  }

  LayerProgram build() {
    for (std::int64_t group = 0; group < view_.groups; ++group) {
      rows_loaded_ = 0;
      for (std::int64_t n = 0; n < view_.cols; n += columns_) {
        map_columns(group, {n, std::min(n + columns_, view_.cols)});
      }
    }
    return std::move(program_);
  }

 private:
  std::int64_t input_elements() const {
    if (tiling_.input_resident) {
      return std::int64_t{view_.input.h} * view_.input.w * view_.channels;
    }
    std::int64_t most = 0;
    for_tiles([&](const Span& p, const Span& q) {
      most = std::max(most, input_box(network_, layer_, 0, {p, q, {0, 1}}).count());
    });
    return most;
  }

  template <class Visit>
  void for_tiles(const Visit& visit) const {
    const std::int64_t p_size = view_.output.h, q_size = view_.output.w;
    for (std::int64_t p = 0; p < p_size; p += tiling_.tile.p) {
      for (std::int64_t q = 0; q < q_size; q += tiling_.tile.q) {
        visit(Span{p, std::min(p + tiling_.tile.p, p_size)}, Span{q, std::min(q + tiling_.tile.q, q_size)});
      }
    }
  }

  void map_columns(std::int64_t group, const Span& n) {
    const std::int64_t first_channel = group * view_.cols;
    bool first_tile = true;
    for_tiles([&](const Span& p, const Span& q) {
      map_tile(group, n, {p, q, {first_channel + n.begin, first_channel + n.end}}, first_tile);
      first_tile = false;
    });
    ++column_folds_;
  }

  std::size_t half(std::int64_t counter) const { return static_cast<std::size_t>(counter % machine_.buffers()); }

  void map_tile(std::int64_t group, const Span& n, const Box& outputs, bool first_tile) {
    const std::size_t input_half = half(tiling_.input_resident ? group : tiles_);
    const std::size_t tile_half = half(tiles_);
    const auto [input, input_load] = load_input(outputs, input_half);
    const std::int64_t accumulators = static_cast<std::int64_t>(tile_half) * output_slot_;
    for (std::int64_t k = 0; k < view_.depth; k += machine_.array.rows) {
      const Span fold_k{k, std::min<std::int64_t>(k + machine_.array.rows, view_.depth)};
      const std::size_t weight_half = half(tiling_.weights_resident ? column_folds_ : folds_);
      const auto [weights, weight_load] = load_weights(group, fold_k, n, weight_half, first_tile);
      Fold fold{.group = static_cast<int>(group), .outputs = outputs, .k = fold_k, .n = n, .input = input,
                .weights = weights, .accumulators = accumulators, .first = k == 0, .last = fold_k.end == view_.depth};
      std::vector<int> after{input_load, weight_load};
      if (fold.first) {
        after.push_back(accumulators_free_[tile_half]);
      }
      const int command = append(program_, fold, after);
      weights_free_[weight_half] = command;
      inputs_free_[input_half] = command;
      ++folds_;
    }
    finish_tile(outputs, tile_half, accumulators);
    ++tiles_;
  }

  // Loads what is not there yet; returns the region and the load that completes it.
  std::pair<Region, int> load_input(const Box& outputs, std::size_t slot) {
    Region region{static_cast<std::int64_t>(slot) * input_slot_, input_box(network_, layer_, 0, outputs)};
    Span rows = region.box.h;
    if (tiling_.input_resident) {
      const std::int64_t needed = region.box.h.end;
      region.box.h = {0, view_.input.h};
      region.box.w = {0, view_.input.w};
      rows = {std::min(rows_loaded_, needed), needed};
      rows_loaded_ = rows.end = std::max(rows_loaded_, needed);
    }
    if (rows.size() > 0 && region.box.count() > 0) {
      // A resident region is filled piece by piece: only its first piece waits for the half to be free.
      const bool opens = !tiling_.input_resident || rows.begin == 0;
      last_input_load_ = append(program_, LoadActivations{layer_.inputs[0], region, rows},
                                {opens ? inputs_free_[slot] : kNone});
    }
    return {region, last_input_load_};
  }

  std::pair<std::int64_t, int> load_weights(std::int64_t group, const Span& k, const Span& n, std::size_t slot,
                                            bool first_tile) {
    const std::int64_t offset = tiling_.weights_resident ? k.begin * n.size() : 0;
    const std::int64_t address = static_cast<std::int64_t>(slot) * weight_slot_ + offset;
    if (first_tile || !tiling_.weights_resident) {
      const bool opens = !tiling_.weights_resident || k.begin == 0;
      last_weight_load_ = append(program_,
                                 LoadWeights{.group = static_cast<int>(group), .k = k, .n = n, .address = address,
                                             .bias = first_tile && k.begin == 0 && !layer_.bias.empty()},
                                 {opens ? weights_free_[slot] : kNone});
    }
    return {address, last_weight_load_};
  }

  void finish_tile(const Box& outputs, std::size_t slot, std::int64_t accumulators) {
    const std::int64_t address =
        machine_.buffers() * input_slot_ + static_cast<std::int64_t>(slot) * output_slot_;
    const int last_fold = static_cast<int>(program_.commands.size()) - 1;
    const int requantize =
        append(program_, RequantizeTile{outputs, accumulators, address}, {last_fold, outputs_free_[slot]});
    accumulators_free_[slot] = requantize;
    outputs_free_[slot] = append(program_, StoreOutputs{outputs, address}, {requantize});
  }

  const Machine& machine_;
  const nets::IntegerNetwork& network_;
  const nets::IntegerLayer& layer_;
  GemmView view_;
  Tiling tiling_;
  std::int64_t columns_;
  std::int64_t input_slot_, output_slot_, weight_slot_;  // elements of one half
  LayerProgram program_;

  std::int64_t tiles_ = 0, folds_ = 0, column_folds_ = 0;
  std::int64_t rows_loaded_ = 0;  // of a resident input
  int last_input_load_ = kNone, last_weight_load_ = kNone;
  std::array<int, 2> inputs_free_{kNone, kNone}, weights_free_{kNone, kNone};
  std::array<int, 2> accumulators_free_{kNone, kNone}, outputs_free_{kNone, kNone};
};

}  // namespace

LayerProgram map_weighted(const Machine& machine, const nets::IntegerNetwork& network, int layer) {
  return WeightStationaryMapper(machine, network, layer).build();
}

}  // namespace guardbit::sim
