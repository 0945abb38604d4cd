#include "cli/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

namespace guardbit::cli {

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::row(std::vector<std::string> cells) {
  assert(cells.size() <= columns_.size());
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

void Table::rule() { rows_.emplace_back(); }

std::string Table::text() const {
  std::vector<std::size_t> widths;
  std::vector<std::string> titles;
  for (const Column& column : columns_) {
    titles.push_back(column.title);
    widths.push_back(column.title.size());
  }
  for (const auto& cells : rows_) {
    for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
  }
  std::size_t total = columns_.empty() ? 0 : 2 * (columns_.size() - 1);
  for (const std::size_t width : widths) total += width;

  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) text += "  ";
      text += columns_[i].align == Align::Left ? fmt::format("{:<{}}", cells[i], widths[i])
                                               : fmt::format("{:>{}}", cells[i], widths[i]);
    }
    while (!text.empty() && text.back() == ' ') text.pop_back();
    return text + '\n';
  };
  const std::string rule_line = std::string(total, '-') + '\n';
  std::string text = line(titles) + rule_line;
  for (const auto& cells : rows_) text += cells.empty() ? rule_line : line(cells);
  return text;
}

}  // namespace guardbit::cli
