// What `simulate` says: rows of all layers and their totals, for the terminal and for scripts.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cli/layer_report.hpp"
#include "cli/table.hpp"

namespace guardbit::cli {

class SimulateReport {
 public:
  // Numbers are divided by `images`.
  SimulateReport(const sim::Machine& machine, std::int64_t images);

  // Layers `first` and up of a network.
  void add(const nets::IntegerNetwork& network, std::size_t first, const Tally& tally);

  [[nodiscard]] const std::optional<nets::LayerCost>& cost() const { return totals_.cost(); }
  [[nodiscard]] nlohmann::json layers() const { return layers_; }
  [[nodiscard]] nlohmann::json totals() const;
  // Costs and cycles by cause, as tables. Once, at the end.
  [[nodiscard]] std::string text();

 private:
  void add_cells(const std::string& name, const std::string& op, const nets::LayerCost& cost,
                 const std::vector<std::string>& overflow);

  sim::Machine machine_;
  std::int64_t images_;
  LayerTotals totals_;
  nlohmann::json layers_ = nlohmann::json::array();
  Table costs_, times_;
};

}  // namespace guardbit::cli
