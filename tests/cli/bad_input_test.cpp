// Bad input: exit code 2, exactly one line on standard error that says where, what was found and what is allowed,
// nothing on standard output.
#include <gtest/gtest.h>

#include "tests/cli/guardbit.hpp"

namespace guardbit {
namespace {

using tests::Outcome;
using tests::source;
using tests::Workplace;
using tests::write_text;

class BadInput : public testing::Test {
 protected:
  // `parts` must all stand in the line.
  void refused(const std::vector<std::string>& arguments, const std::vector<std::string>& parts) {
    const Outcome outcome = place_.guardbit(arguments);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << "one line: " << outcome.err;
    EXPECT_EQ(outcome.err.rfind("guardbit: ", 0), 0U) << outcome.err;
    for (const std::string& part : parts) {
      EXPECT_NE(outcome.err.find(part), std::string::npos) << "no '" << part << "' in " << outcome.err;
    }
  }
  Workplace place_{"bad"};
  const std::string cifarnet_ = source("nets/zoo/cifarnet.yaml");
};

TEST_F(BadInput, UnknownCommandsAreNamedWithASuggestion) {
  refused({}, {"found no command"});
  refused({"verfy"}, {"found command verfy", "did you mean verify?", "allowed "});
  refused({"trace"}, {"found nothing", "allowed write, check"});
  refused({"trace", "wriet"}, {"found wriet", "did you mean write?"});
  refused({"config", "chekc"}, {"did you mean check?"});
}

TEST_F(BadInput, UnknownOptionsAreNamedWithASuggestion) {
  refused({"info", cifarnet_, "--jsno", "x.json"}, {"unknown option --jsno", "did you mean --json?", "allowed "});
  refused({"info", cifarnet_, "--json"}, {"--json"});
  refused({"verify", "-q"}, {"unknown option -q"});
  refused({"info", cifarnet_, "--engine", "tile"}, {"unknown option --engine"});
}

TEST_F(BadInput, UnknownTopLevelKeysAreNamedWithASuggestion) {
  refused({"info", cifarnet_, "sampels=3"}, {"command line", "sampels", "did you mean samples?"});
  write_text(place_ / "net.yaml", "_import: " + cifarnet_ + "\nwieghts: none\n");
  refused({"info", place_ / "net.yaml"}, {"net.yaml:2", "wieghts", "did you mean weights?"});
}

TEST_F(BadInput, AWrongKeyInsideASectionIsNamedWithItsLine) {
  write_text(place_ / "net.yaml",
             "model:\n  name: n\n  input: [4, 4, 1]\n  layers:\n    fc: {type: fully_connected, chanels: 3}\n"
             "  graph: {from: input, with: [fc], to: output}\n");
  refused({"info", place_ / "net.yaml"}, {"net.yaml:5", "chanels", "did you mean channels?"});
}

TEST_F(BadInput, ADuplicateKeyIsNamedWithItsLine) {
  write_text(place_ / "net.yaml", "model:\n  name: a\n  name: b\n");
  refused({"info", place_ / "net.yaml"}, {"net.yaml:3", "name"});
}

TEST_F(BadInput, MissingFilesAreNamed) {
  refused({"info", place_ / "none.yaml"}, {"none.yaml"});
  refused({"info", place_ / "none"}, {"none", "no such file or folder", "a run folder"});
  refused({"eval", source("nets/zoo/lenet5.yaml"), "weights=" + (place_ / "none.safetensors"), "dataset.name=glyphs"},
          {"none.safetensors"});
  refused({"info", "."}, {"neither net.yaml nor config.yaml"});
}

TEST_F(BadInput, ATruncatedSafetensorsIsNamed) {
  write_text(place_ / "cut.safetensors", std::string("\x40\0\0\0\0\0\0\0{\"conv1.weight\":{\"dtype\":\"F3", 34));
  refused({"eval", source("nets/zoo/lenet5.yaml"), "weights=" + (place_ / "cut.safetensors"), "dataset.name=glyphs"},
          {"cut.safetensors"});
}

TEST_F(BadInput, MachinesThatCannotBeBuiltAreRefused) {
  const std::string edge = source("sim/configs/edge16.yaml");
  refused({"config", "check", edge, "machine.array.rows=0"}, {"machine.array.rows", "found 0", "allowed 1 to"});
  refused({"config", "check", edge, "machine.numerics.accumulator.format=int<0>"}, {"found int<0>",
      "allowed an integer format"});
  refused({"config", "check", edge, "machine.array.dataflow=weight_stationery"}, {"weight_stationery",
      "weight_stationary"});
  refused({"config", "check", edge, "machine.array.colums=4"}, {"colums", "did you mean columns?"});
  refused({"config", "check", edge, "machine.scratchpads.weight=0"}, {"machine.scratchpads.weight", "found 0"});
  refused({"config", "check", edge, "machine.mapping.loop_order=sideways"},
          {"machine.mapping.loop_order", "found sideways", "allowed reduction_inner, reduction_outer"});
  refused({"config", "check", edge, "machine.array.dataflow=output_stationary",
           "machine.mapping.loop_order=reduction_outer"},
          {"machine.mapping.loop_order", "output_stationary", "allowed reduction_inner"});
  refused({"config", "check", edge, "machine.numerics.accumulator.format=int<15,SAT>"},
          {"machine.numerics.accumulator.format", "found int15", "every product of int8 and int8"});
  refused({"config", "check", edge, "machine.numerics.psum.format=uint<40,WRAP>"},
          {"machine.numerics.psum.format", "uint<40,WRAP>", "every product of int8 and int8"});
}

TEST_F(BadInput, ValuesOutOfRangeAreRefused) {
  refused({"info", cifarnet_, "threads=-2"}, {"threads", "found -2", "allowed 0 to"});
  refused({"info", cifarnet_, "--seed", "-1"}, {"seed", "found -1"});
  refused({"info", cifarnet_, "info.width=0"}, {"info.width", "found 0"});
}

TEST_F(BadInput, CommandsThatNeedABundleSaySo) {
  refused({"verify", cifarnet_}, {"bundle"});
  refused({"simulate", cifarnet_}, {"bundle"});
  refused({"trace", "write", cifarnet_, "layer=conv1"}, {"bundle"});
  refused({"trace", "check"}, {"found no package"});
  refused({"trace", "check", "."}, {"manifest.json"});
}

}  // namespace
}  // namespace guardbit
