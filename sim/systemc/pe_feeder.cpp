#include "sim/systemc/pe_feeder.hpp"

namespace guardbit::sim {

PeFeeder::PeFeeder(sc_core::sc_module_name name, sc_core::sc_event& start, sc_core::sc_event& clock,
                   const PePass& pass)
    : sc_module(name), pass_(pass) {
  SC_HAS_PROCESS(PeFeeder);
  SC_METHOD(step);
  sensitive << start << clock;
  dont_initialize();
}

std::int64_t PeFeeder::streamed(std::int64_t position, int lane) const {
  const std::int64_t index = position - lane;
  return index >= 0 && index < pass_.length ? index : kBubble;
}

void PeWestFeeder::present(std::int64_t position) {
  for (int row = 0; row < pass_.rows; ++row) {
    const std::int64_t index = streamed(position - load_cycles(), row);
    operands[static_cast<std::size_t>(row)].write(
        index == kBubble ? Operand{} : Operand{pass_.west.at(row, index), pass_.first_index + index});
    if (index == kBubble || row >= pass_.used_rows) {
      continue;
    }
    const PassAccess& access = pass_.access_of(position);
    if (pass_.pixels_in_columns) {
      access.read_weight(row, index);
    } else if (pass_.sums_stay) {
      access.read_activation(row, index);
    } else {
      access.read_activation(index, row);
    }
  }
}

// Reads what an edge will find; columns that hold nothing read nothing.
void PeNorthFeeder::read(std::int64_t position, int column, std::int64_t index) const {
  const PassAccess& access = pass_.access_of(position);
  if (column >= pass_.used_columns) {
    return;
  }
  if (position < load_cycles()) {
    const std::int64_t row = pass_.rows - 1 - position;
    if (row < pass_.used_rows) {
      pass_.pixels_in_columns ? access.read_activation(column, row) : access.read_weight(row, column);
    }
  } else if (index != kBubble && pass_.sums_stay) {
    access.read_weight(index, column);
  } else if (index != kBubble && memory_.in_array() && !access.fold->first) {
    access.read_sum(pass_.pixels_in_columns ? memory_.at(column, index) : memory_.at(index, column));
  }
}

void PeNorthFeeder::present(std::int64_t position) {
  for (int column = 0; column < pass_.columns; ++column) {
    auto& operand = operands[static_cast<std::size_t>(column)];
    auto& sum = sums[static_cast<std::size_t>(column)];
    const std::int64_t index = streamed(position - load_cycles(), column);
    operand.write({});
    sum.write({});
    read(position, column, index);
    if (position < load_cycles()) {
      const std::int64_t row = pass_.rows - 1 - position;
      operand.write({pass_.north.at(row, column), row});
    } else if (index != kBubble && pass_.sums_stay) {
      operand.write({pass_.north.at(index, column), pass_.first_index + index});
    } else if (index != kBubble) {
      PartialSum entering = pass_.pixels_in_columns ? memory_.entering(column, index) : memory_.entering(index, column);
      entering.index = index;
      sum.write(entering);
    }
  }
}

}  // namespace guardbit::sim
