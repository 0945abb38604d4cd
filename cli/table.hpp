// A table for the terminal: a title row, a rule, aligned columns, and rules where asked for.
#pragma once

#include <string>
#include <vector>

namespace guardbit::cli {

enum class Align : unsigned char { Left, Right };

struct Column {
  std::string title;
  Align align = Align::Right;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns);
  // Missing cells at the end are empty; more cells than columns is a bug.
  void row(std::vector<std::string> cells);
  void rule();
  [[nodiscard]] std::string text() const;  // ends with a line break

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;  // an empty row is a rule
};

}  // namespace guardbit::cli
