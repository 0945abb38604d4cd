// Value change dumps, IEEE 1364-2005 clause 18: what GTKWave, Surfer and simulators read. No date, no paths: the same
// changes give the same bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace guardbit::traces {

class VcdWriter {
 public:
  using Variable = std::size_t;

  // timescale: "1 ps".
  explicit VcdWriter(std::string_view timescale, std::string_view comment);

  // Declarations come first. Names have no blanks.
  void open_scope(std::string_view name);
  void close_scope();
  [[nodiscard]] Variable add(std::string_view name, int width, std::int64_t initial = 0);  // 1 to 64 bits

  // Values from `time` on, in two's complement; times never go back. Of several changes at one time the last counts.
  void at(std::uint64_t time);
  void set(Variable variable, std::int64_t value);

  // Ends the last time, which stands in the file even if nothing changed at it. The whole file.
  [[nodiscard]] std::string finish();

 private:
  struct State {
    int width = 1;
    std::int64_t written = 0, value = 0;
    bool touched = false;
  };
  void end_declarations();
  void flush();
  void print_time();
  void write_change(std::string& out, Variable variable) const;

  std::string header_, body_;
  std::vector<State> states_;
  std::vector<Variable> touched_;
  int open_scopes_ = 0;
  bool declared_ = false;
  std::uint64_t time_ = 0, printed_time_ = 0;
};

}  // namespace guardbit::traces
