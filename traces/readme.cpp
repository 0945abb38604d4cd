#include "traces/readme.hpp"

#include <fmt/format.h>

#include "arith/stage_text.hpp"

namespace guardbit::traces {
namespace {

std::string accumulation_text(const arith::Accumulation& a) {
  std::string text = fmt::format("acc = narrow(bias); after every {} products: acc = narrow(acc + their exact sum), {}",
                                 a.accumulator.step == 0 ? std::string("fold of") : fmt::format("{}",
                                     a.accumulator.step),
                                 arith::to_string(a.accumulator.format));
  if (a.psum) {
    text = fmt::format("partial sum p of a fold: {} every {} products; acc = narrow(acc + p), {}",
                       arith::to_string(a.psum->format), a.psum->step, arith::to_string(a.accumulator.format));
  }
  if (a.fold > 0) text += fmt::format("; folds of {} products", a.fold);
  return text;
}

}  // namespace

std::string readme_text(const Manifest& m) {
  std::string text = fmt::format(
      "Golden trace of layer {} ({}) of network {}, written by guardbit {}.\n\n"
      "Everything is in manifest.json; this file repeats what a bench needs.\n\n"
      "Files (two's complement hex, one word per line, last axis fastest):\n",
      m.layer, m.op, m.network, m.generator_version);
  for (const Stream& stream : m.streams) {
    text += fmt::format("  {:<15} {:>9} words of {:>2} bits {:<8}  {} = [{}]\n", hex_file(stream.role),
                        stream.words.words(stream.elements()), stream.words.elem_bits * stream.words.elems_per_word,
                        stream.words.is_signed ? "signed" : "unsigned", axes(stream.role),
                        fmt::join(stream.shape, ", "));
  }
  const nets::Padding& pad = m.window.padding;
  text += fmt::format(
      "  npy/*.npy holds the same tensors for Python.\n\n"
      "Arithmetic of one output:\n"
      "  1. products (x - {}) * w over r, s, c ascending; taps in the padding contribute 0\n"
      "     stride {}, {}; dilation {}, {}; padding top {}, bottom {}, left {}, right {}; groups {}\n"
      "  2. {}\n"
      "  3. requantize: {}\n\n"
      "Load in SystemVerilog:\n"
      "  reg [{}:0] act [0:{}];\n"
      "  initial $readmemh(\"stim/act.hex\", act);\n"
      "Check the word counts: $readmemh only prints a message when a file is missing or short.\n"
      "Write the device's outputs with $writememh and compare: guardbit trace check PACKAGE DUMP.hex\n",
      m.activation.zero_point, m.window.stride_h, m.window.stride_w, m.window.dilation_h, m.window.dilation_w, pad.top,
      pad.bottom, pad.left, pad.right, m.groups, accumulation_text(m.accumulation), arith::to_string(m.stages),
      m.stream(Role::Activation).words.elem_bits - 1, m.stream(Role::Activation).elements() - 1);
  return text;
}

}  // namespace guardbit::traces
