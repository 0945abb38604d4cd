// Typed reading: values, defaults, exact texts of errors, keys nobody read.
#include "config_support.hpp"
#include "nets/config/section.hpp"

namespace guardbit::nets {
namespace {

const char* kMachine =
    "machine:\n"
    "  _default: {anything: 1}\n"
    "  array:\n"
    "    rows: 0\n"
    "    columns: 16\n"
    "    dataflow: weight_stationary\n"
    "  scratchpad: 64KiB\n"
    "  clock_ns: 1.5\n"
    "  banks: $(machine.array.columns)\n"
    "  big: $(machine.array.rows)\n";

Section machine() { return Section::parse(kMachine, "machine.yaml").section("machine"); }

TEST(Section, ReadsTypedValues) {
  const Section section = machine();
  EXPECT_EQ(section.section("array").integer("columns", 1, 4096), 16);
  EXPECT_EQ(section.bytes("scratchpad", 1, 1 << 30), 65536);
  EXPECT_EQ(section.number("clock_ns", 0, 10), 1.5);
  EXPECT_EQ(section.integer("banks", 1, 64), 16);
  EXPECT_EQ(section.section("array").choice("dataflow", {"output_stationary", "weight_stationary"}),
            "weight_stationary");
  EXPECT_EQ(section.section("array").one_of<int>("dataflow", {{"output_stationary", 1}, {"weight_stationary", 2}}), 2);
}

TEST(Section, AbsentAndNullKeysTakeTheDefault) {
  const Section section = Section::parse("a: null\nb: $(a)");
  EXPECT_EQ(section.integer("a", 1, 2, 2), 2);
  EXPECT_EQ(section.integer("b", 1, 2, 2), 2);
  EXPECT_EQ(section.text("c", "x"), "x");
  EXPECT_EQ(section.boolean("d", true), true);
  EXPECT_EQ(section.one_of<int>("e", {{"x", 1}}, 7), 7);
  EXPECT_FALSE(section.has("a"));
  EXPECT_FALSE(section.has("z"));
  EXPECT_TRUE(section.raw("z").is_null());
  EXPECT_TRUE(section.section_or_empty("s").is_empty());
  EXPECT_EQ(section.section_or_empty("s").path("t"), "s.t");
  EXPECT_TRUE(section.sections("l").empty());
}

TEST(Section, RangeErrorsSayWhereWhatAndWhatIsAllowed) {
  const Section section = machine();
  EXPECT_EQ(error_of([&] { section.section("array").integer("rows", 1, 4096); }),
            "machine.yaml:4: machine.array.rows: found 0, allowed 1 to 4096");
  EXPECT_EQ(error_of([&] { section.section("array").integer("dataflow", 1, 4096); }),
            "machine.yaml:6: machine.array.dataflow: found weight_stationary, allowed an integer, 1 to 4096");
  EXPECT_EQ(error_of([&] { section.integer("clock_ns", 1, INT64_MAX); }),
            "machine.yaml:8: machine.clock_ns: found 1.5, allowed an integer, 1 or more");
  EXPECT_EQ(error_of([&] { section.number("clock_ns", 2, 3.5); }),
            "machine.yaml:8: machine.clock_ns: found 1.5, allowed 2 to 3.5");
  EXPECT_EQ(error_of([&] { section.integer("array", 1, 2); }),
            "machine.yaml:4: machine.array: found a map, allowed an integer, 1 to 2");
  EXPECT_EQ(error_of([&] {
              section.section("array").choice("dataflow", {"a", "b"});
            }),
            "machine.yaml:6: machine.array.dataflow: found weight_stationary, allowed a, b");
  // The mistake stands where the reference leads.
  EXPECT_EQ(error_of([&] { section.integer("big", 1, 2); }), "machine.yaml:4: machine.big: found 0, allowed 1 to 2");
  EXPECT_EQ(error_of([&] { section.fail("clock_ns", "1.5", "whole numbers"); }),
            "machine.yaml:8: machine.clock_ns: found 1.5, allowed whole numbers");
  EXPECT_EQ(error_of([&] { section.section("clock_ns"); }),
            "machine.yaml:8: machine.clock_ns: found 1.5, allowed a map");
}

TEST(Section, MissingKeysSayWhatIsAllowed) {
  EXPECT_EQ(error_of([] { machine().section("array").integer("lanes", 1, 8); }),
            "machine.yaml:4: machine.array.lanes: missing, allowed an integer, 1 to 8");
  EXPECT_EQ(error_of([] { machine().section("dram"); }), "machine.yaml:2: machine.dram: missing, allowed a map");
  EXPECT_EQ(error_of([] { Section::parse("", "x.yaml").text("a", {}, "a file name"); }),
            "x.yaml:1: a: missing, allowed a file name");
}

TEST(Section, AMisspeltRequiredKeyIsNamed) {
  const Section section = Section::parse("a: {colums: 3}", "m.yaml").section("a");
  EXPECT_EQ(error_of([&] { section.integer("columns", 1, 8); }),
            "m.yaml:1: a.colums: unknown key, did you mean columns?");
}

TEST(Section, DoneRejectsKeysNobodyRead) {
  const Section root = Section::parse("net:\n  stirde: 2\n  pad: 1\n  _t: 1\n", "net.yaml");
  const Section net = root.section("net");
  net.integer("stride", 1, 4, 1);
  net.integer("pad", 0, 4, 0);
  EXPECT_EQ(error_of([&] { net.done(); }),
            "net.yaml:2: net.stirde: unknown key, did you mean stride? allowed: pad, stride");
  EXPECT_EQ(error_of([&] { root.done(); }), error_of([&] { net.done(); }));  // the parent checks its sections too
  net.ignore("stirde");
  EXPECT_EQ(error_of([&] { root.done(); }), "no error");
}

TEST(Section, DoneWithoutASimilarKeyListsWhatIsAllowed) {
  const Section root = Section::parse("zzz: 2", "net.yaml");
  EXPECT_EQ(error_of([&] { root.done(); }), "net.yaml:1: zzz: unknown key, allowed: no keys here");
  root.has("first");
  EXPECT_EQ(error_of([&] { root.done(); }), "net.yaml:1: zzz: unknown key, allowed: first");
}

TEST(Section, SectionsOpenedTwiceShareWhatWasRead) {
  const Section root = Section::parse("a: {x: 1, y: 2}");
  root.section("a").integer("x", 0, 9);
  root.section("a").integer("y", 0, 9);
  EXPECT_EQ(error_of([&] { root.done(); }), "no error");
}

TEST(Section, ListsOfMaps) {
  const Section root =
      Section::parse("layers:\n- {name: a}\n- {name: b, stirde: 1}\n- $(base)\nbase: {name: c}", "net.yaml");
  const auto layers = root.sections("layers");
  ASSERT_EQ(layers.size(), 3u);
  EXPECT_EQ(layers[2].text("name"), "c");
  EXPECT_EQ(layers[1].path(), "layers.1");
  layers[0].text("name");
  layers[1].text("name");
  root.ignore("base");
  EXPECT_EQ(error_of([&] { root.done(); }), "net.yaml:3: layers.1.stirde: unknown key, allowed: name");
}

TEST(Section, ListsAndPairs) {
  const Section s = Section::parse("{p: 3, q: [1, 2], r: [1, 2, 3], t: [a, 1], u: [1, 9], n: [1, 0.5]}", "x.yaml");
  EXPECT_EQ(s.pair("p", 1, 8), (std::array<std::int64_t, 2>{3, 3}));
  EXPECT_EQ(s.pair("q", 1, 8), (std::array<std::int64_t, 2>{1, 2}));
  EXPECT_EQ(error_of([&] { s.pair("r", 1, 8); }), "x.yaml:1: r: found a list of 3, allowed one integer or two, 1 to 8");
  EXPECT_EQ(s.integers("r", 1, 8), (std::vector<std::int64_t>{1, 2, 3}));
  EXPECT_EQ(s.integers("p", 1, 8), (std::vector<std::int64_t>{3}));
  EXPECT_EQ(error_of([&] { s.integers("u", 1, 8); }), "x.yaml:1: u: found 9, allowed 1 to 8");
  EXPECT_EQ(s.texts("t"), (std::vector<std::string>{"a", "1"}));
  EXPECT_EQ(s.numbers("n", 0, 1), (std::vector<double>{1, 0.5}));
}

TEST(Section, ByteSizes) {
  const Section s =
      Section::parse("{a: 512, b: 64KiB, c: 2 MiB, d: 1.5KiB, e: 64kb, f: 9999999999GiB, g: -1, h: 3B}", "x.yaml");
  EXPECT_EQ(s.bytes("a", 0, INT64_MAX), 512);
  EXPECT_EQ(s.bytes("b", 0, INT64_MAX), 65536);
  EXPECT_EQ(s.bytes("c", 0, INT64_MAX), 2097152);
  EXPECT_EQ(s.bytes("h", 0, INT64_MAX), 3);
  for (const char* key : {"d", "e", "f", "g"}) {
    EXPECT_NE(error_of([&] { s.bytes(key, 0, INT64_MAX); }).find("allowed a size such as"), std::string::npos) << key;
  }
  EXPECT_EQ(error_of([&] { s.bytes("b", 0, 1024); }), "x.yaml:1: b: found 64KiB, allowed 0 to 1024 bytes");
}

TEST(Section, RawReadsEverythingBelow) {
  const Section root = Section::parse("{a: {b: $(c)}, c: 1, _t: 1}");
  EXPECT_EQ(root.raw(), parse_yaml("{a: {b: 1}, c: 1}"));
  EXPECT_EQ(error_of([&] { root.done(); }), "no error");
}

TEST(Section, UnreadBrokenReferencesDoNotMatter) {
  const Section root = Section::parse("{a: 1, b: $(nowhere), m: {c: $(nowhere), d: 2}}");
  EXPECT_EQ(root.integer("a", 0, 9), 1);
  EXPECT_EQ(root.section("m").integer("d", 0, 9), 2);
}

}  // namespace
}  // namespace guardbit::nets
