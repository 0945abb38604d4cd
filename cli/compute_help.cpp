#include "cli/compute_help.hpp"

namespace guardbit::cli {

#define GUARDBIT_NUMERICS                                                                                       \
  "\n\nThe numerics file:\n"                                                                                    \
  "  operands:    {lhs: int8, rhs: int8, zero_points: [0, 0]}  # value = code - zero_point; `input` and\n"      \
  "                                                            # `weight` are other names of lhs and rhs;\n"    \
  "                                                            # bias: FORMAT checks the bias too\n"            \
  "  accumulator: {format: \"int<34,SAT>\", step: 1, fold: 0}    # without it int64, which loses nothing\n"     \
  "  psum:        {format: \"int<20,WRAP>\", step: 1}            # optional: partial sums of `fold` products\n" \
  GUARDBIT_STAGES

#define GUARDBIT_STAGES                                                                                         \
  "  output:                                                   # stages in hardware order; [] leaves the\n"    \
  "    - {shift_right: 12, rounding: RND_INF}                  # accumulator as it is\n"                        \
  "    - {saturate: int8}\n"                                                                                    \
  "Stages: add, subtract, shift_left, multiply (format), shift_right (rounding), saturate, wrap, relu,\n"       \
  "clamp: [low, high], scale. A parameter is a number, a list along the last axis, or an .npy file that\n"      \
  "broadcasts to the values (looked up beside the numerics file, then in the working directory).\n"             \
  "`numerics.KEY=VALUE` on the command line changes a key of that file.\n\n"                                    \
  "--out holds what leaves the stages, in the smallest NumPy type of the last narrowing's format.\n"            \
  "--json: overflow.{total, count, outputs, transient, harmful, first.{output, index, narrowing}}, saturations\n" \
  "(values changed, per stage), stages, accumulator, shape. count: narrowings of the running sum that changed\n" \
  "it; outputs: outputs with at least one; harmful: the final accumulator differs from the exact sum;\n"        \
  "transient: overflowed on the way and ended exact. Narrowing 0 is that of the initial value."

const std::string_view kGemmUsage = "--numerics FILE --lhs FILE --rhs FILE [--bias FILE] --out FILE [--json FILE]";
const std::string_view kConvUsage = "--numerics FILE --input FILE --weight FILE [--bias FILE] --out FILE [--json FILE]";
const std::string_view kPoolUsage =
    "--numerics FILE --input FILE --pool max|average --kernel H,W --out FILE [--json FILE]";
const std::string_view kPairUsage = "--numerics FILE --lhs FILE --rhs FILE --out FILE [--json FILE]";
const std::string_view kRequantizeUsage = "--numerics FILE --input FILE --out FILE [--json FILE]";

const std::string_view kGemmHelp =
    "lhs [M, K], rhs [K, N], bias [N], out [M, N]. The bias is the initial value of the accumulator; the products\n"
    "follow in the order of k. --accumulators are written as they are before the stages." GUARDBIT_NUMERICS;
const std::string_view kConvHelp =
    "input [N, H, W, C], weight [K, R, S, C/groups], bias [K], out [N, P, Q, K]. The bias is the initial value of the\n"
    "accumulator; the products follow in the order r, s, c. Padding is codes of --pad-value; those products count\n"
    "like all others." GUARDBIT_NUMERICS;
const std::string_view kDepthwiseHelp =
    "input [N, H, W, C], weight [K, R, S, 1] or [1, R, S, K], K a multiple of C, bias [K], out [N, P, Q, K]. Output\n"
    "channel k reads input channel k / (K / C). Products in the order r, s." GUARDBIT_NUMERICS;
const std::string_view kPoolHelp =
    "input [N, H, W, C], out [N, P, Q, C]. Only elements of the input belong to a window, never its padding. average:\n"
    "the accumulator is the sum in the order r, s; divided by the number of elements, ties away from zero, it enters\n"
    "the stages. max: the accumulator is the largest value. The stride is the kernel by default. One operand:\n"
    "`input`, and one zero point." GUARDBIT_NUMERICS;
const std::string_view kAddHelp =
    "lhs and rhs of one shape, or shapes that broadcast as NumPy's. The accumulator takes lhs, then rhs.\n"
    "operands.lhs_stages and operands.rhs_stages (lists like output) are applied to the values before the sum; the\n"
    "JSON has their operand_saturations.{lhs, rhs}." GUARDBIT_NUMERICS;
const std::string_view kMultiplyHelp =
    "lhs and rhs of one shape, or shapes that broadcast as NumPy's. The accumulator takes one product."
    GUARDBIT_NUMERICS;
const std::string_view kRequantizeHelp =
    "input: accumulators of any shape, out: the same shape. The file that made them may be given: of `accumulator`\n"
    "only the format counts (int64 without it), which the input must fit; `operands` and `psum` are let pass.\n\n"
    "The numerics file:\n" GUARDBIT_STAGES;

}  // namespace guardbit::cli
