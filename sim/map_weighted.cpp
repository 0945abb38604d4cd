// Program of a weighted layer, for every dataflow: they differ in the size of a pass (Tiling) and in nothing else.
//
//   for each group, for each block of channels
//     reduction_inner:  for each tile: for each m of the tile: for each k: a pass;  then requantize and store
//     reduction_outer:  for each k: for each tile: for each m of the tile: a pass;  after the last k as above
#include <algorithm>
#include <array>

#include "sim/gemm_view.hpp"
#include "sim/map_layer.hpp"

namespace guardbit::sim {
namespace {

constexpr int kNone = -1;

// Builds the program; each buffer half remembers the command that frees it.
class WeightedMapper {
 public:
  WeightedMapper(const Machine& machine, const nets::IntegerNetwork& network, int layer)
      : machine_(machine),
        network_(network),
        layer_(network.layer(layer)),
        view_(gemm_view(network, layer_)),
        tiling_(choose_tiling(machine, network, layer)),
        outer_(machine.mapping.loop_order == LoopOrder::ReductionOuter),
        sums_stay_(outer_ && tiling_.sums_resident),
        tiles_(cut_tiles()),
        input_slot_(input_elements()),
        output_slot_(tiling_.tile.p * tiling_.tile.q * tiling_.n),
        weight_slot_((tiling_.weights_resident ? view_.depth : tiling_.k) * tiling_.n) {
    program_.layer = layer;
    for (std::vector<int>& half : sums_free_) {
      half.assign(tiles_.size(), kNone);
    }
  }

  LayerProgram build() {
    for (std::int64_t group = 0; group < view_.groups; ++group) {
      rows_loaded_ = 0;
      for (std::int64_t n = 0; n < view_.cols; n += tiling_.n) {
        map_block(group, {n, std::min(n + tiling_.n, view_.cols)});
        ++blocks_;
      }
    }
    return std::move(program_);
  }

 private:
  // One tile in one visit: reduction_outer comes by once for every k.
  struct Visit {
    int group = 0;
    std::size_t tile = 0;
    Box outputs;
    Span n;
    Region input;
    int input_load = kNone;
    std::size_t input_half = 0, sums_half = 0;
    std::int64_t accumulators = 0;
    int sums_ready = kNone;  // the command after which the tile's sums may be written
    [[nodiscard]] std::int64_t pixels() const { return outputs.h.size() * outputs.w.size(); }
  };

  std::vector<Box> cut_tiles() const {
    std::vector<Box> tiles;
    const std::int64_t p_size = view_.output.h, q_size = view_.output.w;
    for (std::int64_t p = 0; p < p_size; p += tiling_.tile.p) {
      for (std::int64_t q = 0; q < q_size; q += tiling_.tile.q) {
        tiles.push_back({{p, std::min(p + tiling_.tile.p, p_size)}, {q, std::min(q + tiling_.tile.q, q_size)}, {0, 1}});
      }
    }
    return tiles;
  }

  std::int64_t input_elements() const {
    if (tiling_.input_resident) {
      return std::int64_t{view_.input.h} * view_.input.w * view_.channels;
    }
    std::int64_t most = 0;
    for (const Box& tile : tiles_) {
      most = std::max(most, input_box(network_, layer_, 0, tile).count());
    }
    return most;
  }

  template <class Each>
  void for_depth(const Each& each) const {
    for (std::int64_t k = 0; k < view_.depth; k += tiling_.k) {
      each(Span{k, std::min(k + tiling_.k, view_.depth)});
    }
  }
  template <class Each>
  void for_pixels(const Visit& visit, const Each& each) const {
    for (std::int64_t m = 0; m < visit.pixels(); m += tiling_.m) {
      each(Span{m, std::min(m + tiling_.m, visit.pixels())});
    }
  }

  void map_block(std::int64_t group, const Span& n) {
    if (outer_) {
      for_depth([&](const Span& k) {
        for (std::size_t tile = 0; tile < tiles_.size(); ++tile) {
          Visit visit = begin_visit(group, n, tile);
          reload(visit, k);
          for_pixels(visit, [&](const Span& m) { add_pass(visit, m, k, tile == 0 && m.begin == 0); });
          k.end == view_.depth ? finish_tile(visit) : spill(visit);
        }
      });
      return;
    }
    for (std::size_t tile = 0; tile < tiles_.size(); ++tile) {
      Visit visit = begin_visit(group, n, tile);
      for_pixels(visit, [&](const Span& m) {
        const bool load = !tiling_.weights_resident || (tile == 0 && m.begin == 0);
        for_depth([&](const Span& k) { add_pass(visit, m, k, load); });
      });
      finish_tile(visit);
    }
  }

  std::size_t half(std::int64_t counter) const { return static_cast<std::size_t>(counter % machine_.buffers()); }

  Visit begin_visit(std::int64_t group, const Span& n, std::size_t tile) {
    Visit visit;
    visit.group = static_cast<int>(group);
    visit.tile = tile;
    visit.n = n;
    visit.outputs = tiles_[tile];
    visit.outputs.c = {group * view_.cols + n.begin, group * view_.cols + n.end};
    visit.input_half = half(tiling_.input_resident ? group : visits_);
    load_input(visit);
    if (sums_stay_) {
      visit.sums_half = half(blocks_);
      const std::int64_t pixel = visit.outputs.h.begin * view_.output.w + visit.outputs.w.begin;
      visit.accumulators = (static_cast<std::int64_t>(visit.sums_half) * view_.pixels() + pixel) * tiling_.n;
    } else {
      visit.sums_half = half(visits_);
      visit.accumulators = static_cast<std::int64_t>(visit.sums_half) * output_slot_;
    }
    visit.sums_ready = sums_free(visit);
    ++visits_;
    return visit;
  }

  // The command that ends the last use of the sums' place.
  int& sums_free(const Visit& visit) { return sums_free_[visit.sums_half][sums_stay_ ? visit.tile : 0]; }

  // Loads what is not there yet: sets the region and the load that completes it.
  void load_input(Visit& visit) {
    const std::size_t slot = visit.input_half;
    Region region{static_cast<std::int64_t>(slot) * input_slot_, input_box(network_, layer_, 0, visit.outputs)};
    Span rows = region.box.h;
    if (tiling_.input_resident) {
      const std::int64_t needed = region.box.h.end;
      region.box.h = {0, view_.input.h};
      region.box.w = {0, view_.input.w};
      rows = {std::min(rows_loaded_, needed), needed};
      rows_loaded_ = std::max(rows_loaded_, needed);
    }
    if (rows.size() > 0 && region.box.count() > 0) {
      // A resident region is filled piece by piece: only its first piece waits for the half to be free.
      const bool opens = !tiling_.input_resident || rows.begin == 0;
      last_input_load_ = append(program_, LoadActivations{layer_.inputs[0], region, rows},
                                {opens ? inputs_free_[slot] : kNone});
    }
    visit.input = region;
    visit.input_load = last_input_load_;
  }

  // Weights keep their place until the next load into the same half; those of a resident block lie one after the other.
  void load_weights(const Visit& visit, const Span& k) {
    const bool opens = !tiling_.weights_resident || k.begin == 0;
    weight_half_ = half(tiling_.weights_resident ? blocks_ : weight_loads_);
    ++weight_loads_;
    const bool first_of_block = weights_of_block_ != blocks_;
    weights_of_block_ = blocks_;
    last_weight_load_ = append(program_,
                               LoadWeights{.group = visit.group, .k = k, .n = visit.n,
                                           .address = weight_address(visit, k),
                                           .bias = first_of_block && !layer_.bias.empty()},
                               {opens ? weights_free_[weight_half_] : kNone});
  }
  std::int64_t weight_address(const Visit& visit, const Span& k) const {
    const std::int64_t offset = tiling_.weights_resident ? k.begin * visit.n.size() : 0;
    return static_cast<std::int64_t>(weight_half_) * weight_slot_ + offset;
  }

  void add_pass(Visit& visit, const Span& m, const Span& k, bool load) {
    if (load) {
      load_weights(visit, k);
    }
    const Fold fold{.group = visit.group, .outputs = visit.outputs, .m = m, .k = k, .n = visit.n, .input = visit.input,
                    .weights = weight_address(visit, k),
                    .accumulators = visit.accumulators + m.begin * visit.n.size(),
                    .first = k.begin == 0, .last = k.end == view_.depth};
    const bool in_pes = machine_.array.dataflow == Dataflow::OutputStationary && !fold.last;
    const int command =
        append(program_, fold, {visit.input_load, last_weight_load_, in_pes ? kNone : visit.sums_ready});
    visit.sums_ready = in_pes ? visit.sums_ready : kNone;  // the array works in order
    weights_free_[weight_half_] = inputs_free_[visit.input_half] = last_pass_ = command;
  }

  void reload(Visit& visit, const Span& k) {
    if (sums_stay_ && k.begin > 0) {
      visit.sums_ready = kNone;  // the array itself wrote them last
    } else if (k.begin > 0) {
      visit.sums_ready =
          append(program_, ReloadSums{visit.outputs, visit.accumulators}, {visit.sums_ready, spilled_[visit.tile]});
    }
  }

  void spill(const Visit& visit) {
    if (!sums_stay_) {
      spilled_.resize(tiles_.size());
      sums_free(visit) = spilled_[visit.tile] =
          append(program_, SpillSums{visit.outputs, visit.accumulators}, {last_pass_});
    }
  }

  void finish_tile(const Visit& visit) {
    const std::size_t slot = half(finished_++);
    const std::int64_t address =
        machine_.buffers() * input_slot_ + static_cast<std::int64_t>(slot) * output_slot_;
    const int requantize = append(program_, RequantizeTile{visit.outputs, visit.accumulators, address},
                                  {last_pass_, outputs_free_[slot]});
    sums_free(visit) = requantize;
    outputs_free_[slot] = append(program_, StoreOutputs{visit.outputs, address}, {requantize});
  }

  const Machine& machine_;
  const nets::IntegerNetwork& network_;
  const nets::IntegerLayer& layer_;
  GemmView view_;
  Tiling tiling_;
  bool outer_;
  bool sums_stay_;                                       // reduction_outer without spills
  std::vector<Box> tiles_;                               // h and w only
  std::int64_t input_slot_, output_slot_, weight_slot_;  // elements of one half
  LayerProgram program_;

  std::int64_t visits_ = 0, finished_ = 0, blocks_ = 0, weight_loads_ = 0;
  std::int64_t weights_of_block_ = kNone;  // the last block that weights were loaded for
  std::int64_t rows_loaded_ = 0;           // of a resident input
  int last_input_load_ = kNone, last_weight_load_ = kNone, last_pass_ = kNone;
  std::size_t weight_half_ = 0;
  std::vector<int> spilled_;  // the spill of each tile
  std::array<int, 2> inputs_free_{kNone, kNone}, weights_free_{kNone, kNone}, outputs_free_{kNone, kNone};
  std::array<std::vector<int>, 2> sums_free_;
};

}  // namespace

LayerProgram map_weighted(const Machine& machine, const nets::IntegerNetwork& network, int layer) {
  return WeightedMapper(machine, network, layer).build();
}

}  // namespace guardbit::sim
