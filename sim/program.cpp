// Which unit executes what.
#include "sim/program.hpp"

#include "sim/check.hpp"

namespace guardbit::sim {

const char* name(Unit unit) {
  switch (unit) {
    case Unit::DmaRead:
      return "dma_read";
    case Unit::DmaWrite:
      return "dma_write";
    case Unit::Array:
      return "array";
    case Unit::Vector:
      return "vector";
  }
  fail_check(__FILE__, __LINE__, "a unit without a name");
}

namespace {

struct UnitOf {
  Unit operator()(const LoadActivations&) const { return Unit::DmaRead; }
  Unit operator()(const LoadWeights&) const { return Unit::DmaRead; }
  Unit operator()(const Fold&) const { return Unit::Array; }
  Unit operator()(const RequantizeTile&) const { return Unit::Vector; }
  Unit operator()(const Elementwise&) const { return Unit::Vector; }
  Unit operator()(const StoreOutputs&) const { return Unit::DmaWrite; }
  Unit operator()(const SpillSums&) const { return Unit::DmaWrite; }
  Unit operator()(const ReloadSums&) const { return Unit::DmaRead; }
};

}  // namespace

Unit Command::unit() const { return std::visit(UnitOf{}, operation); }

}  // namespace guardbit::sim
