// The numbers of one operator, as YAML (`guardbit compute --numerics FILE`):
//
//   operands:    {lhs: int8, rhs: int8, zero_points: [0, 0]}  # `input` and `weight` are other names of lhs and rhs;
//                                                             # also bias: FORMAT; of add: lhs_stages, rhs_stages
//   accumulator: {format: "int<34,SAT>", step: 1, fold: 0}    # absent: int64, in which nothing is lost
//   psum:        {format: "int<20,WRAP>", step: 1}            # optional, as arith/accumulate.hpp says
//   output:      [stages]                                     # absent or []: the accumulator as it is
//
// A stage parameter is a number, a list along the last axis, or the name of an .npy file that broadcasts to the values
// the stages work on.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "arith/accumulate.hpp"
#include "arith/stages.hpp"
#include "nets/config/section.hpp"

namespace guardbit::nets::compute {

struct OperandSpec {
  arith::Format format = arith::integer_format(8);
  std::int64_t zero_point = 0;
};

class Numerics {
 public:
  // `folder` is where the names of .npy files are looked up first, then the working directory.
  Numerics(Value root, std::filesystem::path folder);

  // Formats of `count` operands, 1 (lhs) or 2 (lhs, rhs), and the optional one of the bias.
  void read_operands(int count);
  // As above, but an absent or unfitting `operands` is let pass: requantize has no operands.
  void ignore_operands();
  [[nodiscard]] const OperandSpec& lhs() const { return operands_[0]; }
  [[nodiscard]] const OperandSpec& rhs() const { return operands_[1]; }
  [[nodiscard]] const std::optional<arith::Format>& bias() const { return bias_; }
  [[nodiscard]] arith::Accumulation accumulation() const;

  // Lists of stages for values of this shape.
  [[nodiscard]] arith::StageList output(const std::vector<std::int64_t>& shape) const;
  [[nodiscard]] arith::StageList operand_stages(std::string_view key, const std::vector<std::int64_t>& shape) const;

  // Every key has been read; Error for one that means nothing.
  void done() const { root_.done(); }

 private:
  [[nodiscard]] arith::StageList stages(const Section& section, const Section& twin, std::string_view key,
                                        const std::vector<std::int64_t>& shape) const;
  Value tree_;
  Section root_;
  std::filesystem::path folder_;
  std::vector<OperandSpec> operands_{2};
  std::optional<arith::Format> bias_;
};

}  // namespace guardbit::nets::compute
