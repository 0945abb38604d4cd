// Merging of files, imports and overrides.
#include "config_support.hpp"
#include "nets/config/config.hpp"

namespace guardbit::nets {
namespace {

Value merged(const std::string& base, const std::string& over) {
  Value value = parse_yaml(base, "base.yaml");
  merge(value, parse_yaml(over, "over.yaml"));
  return value;
}

TEST(Merge, MapsMergeAndTheRestReplaces) {
  EXPECT_EQ(merged("{a: {x: 1, y: 2}, b: [1, 2]}", "{a: {y: 3, z: 4}, b: [9]}"),
            parse_yaml("{a: {x: 1, y: 3, z: 4}, b: [9]}"));
  EXPECT_EQ(merged("a: {x: 1}", "a: null"), parse_yaml("a: null"));
  EXPECT_EQ(merged("a: {x: 1}", "a: 3"), parse_yaml("a: 3"));
  EXPECT_EQ(merged("a: 3", "a: {x: 1}"), parse_yaml("a: {x: 1}"));
  EXPECT_EQ(merged("a: [1, 2]", "a: []"), parse_yaml("a: []"));
}

TEST(Merge, ValuesKeepTheMarkOfTheFileThatSetThem) {
  const Value value = merged("a:\n  x: 1\n  y: 2", "\n\n\na: {y: 3}");
  EXPECT_EQ(value.at("a.x")->mark().text(), "base.yaml:2");
  EXPECT_EQ(value.at("a.y")->mark().text(), "over.yaml:4");
}

TEST(Merge, DigitsIndexLists) {
  EXPECT_EQ(merged("l: [{a: 1}, {a: 2}]", "l.1.a: 5"), parse_yaml("l: [{a: 1}, {a: 5}]"));
  EXPECT_EQ(merged("l: [7, 8]", "l.0: 1"), parse_yaml("l: [1, 8]"));
  EXPECT_EQ(error_of([] { merged("l: [7, 8]", "l.2: 1"); }),
            "over.yaml:1: found index 2, allowed 0 to 1 (the list at base.yaml:1)");
  EXPECT_EQ(error_of([] { merged("l: [7, 8]", "l.99999999999999999999: 1"); }),
            "over.yaml:1: found index 99999999999999999999, allowed 0 to 1 (the list at base.yaml:1)");
}

TEST(Merge, MapsWithOtherKeysReplaceLists) {
  EXPECT_EQ(merged("l: [7, 8]", "l: {}"), parse_yaml("l: {}"));
  EXPECT_EQ(merged("l: [7, 8]", "l: {0: 1, x: 2}"), parse_yaml("l: {0: 1, x: 2}"));
  EXPECT_EQ(merged("l: [7, 8]", "l: {x: 2, 0: 1}"), parse_yaml("l: {x: 2, 0: 1}"));
}

TEST(Override, SplitsAtTheFirstEquals) {
  const Value value = parse_override("a.b=x=y");
  EXPECT_EQ(value.at("a.b")->text(), "x=y");
  EXPECT_EQ(value.at("a.b")->mark().text(), "command line");
}

TEST(Override, ValuesAreYaml) {
  EXPECT_EQ(parse_override("a=[1, 2]"), parse_yaml("a: [1, 2]"));
  EXPECT_EQ(parse_override("a={b.c: 1}"), parse_yaml("a: {b: {c: 1}}"));
  EXPECT_EQ(parse_override("a="), parse_yaml("a: null"));
  EXPECT_EQ(parse_override("a=int<16,SAT>").at("a")->text(), "int<16,SAT>");
  EXPECT_EQ(parse_override("a\\.b=1").entries()[0].first, "a.b");
}

TEST(Override, MistakesNameTheKey) {
  EXPECT_EQ(error_of([] { parse_override("=3"); }), "command line: found '=3', allowed key.path=value");
  EXPECT_EQ(error_of([] { parse_override("a..b=3"); }), "command line: found 'a..b=3', allowed key.path=value");
  EXPECT_EQ(error_of([] { parse_override("a=!eval 3"); }),
            "command line: a: found tag !eval, which would run code from a configuration, allowed !arith");
}

TEST(Override, PathsThatHoldAnEqualsSignAreFiles) {
  EXPECT_TRUE(is_override("network=nets/zoo/lenet5.yaml"));
  EXPECT_FALSE(is_override("out/a=b/net.yaml"));
  EXPECT_FALSE(is_override("net.yaml"));
}

TEST(MergeAt, SetsBelowAPath) {
  Value value = parse_yaml("a: {x: 1}");
  merge_at(value, "a.b.c", Value(5));
  EXPECT_EQ(value, parse_yaml("a: {x: 1, b: {c: 5}}"));
}

TEST(Paths, SplitAndJoinAreInverse) {
  const std::vector<std::string> path{"a", "b.c", "d\\e", "\\."};
  EXPECT_EQ(split_path(join_path(path)), path);
}

TEST(Paths, ABackslashAtTheEndStandsForItself) {
  const std::string_view text = "a\\.b";
  EXPECT_EQ(split_path(text.substr(0, 2)), (std::vector<std::string>{"a\\"}));  // whatever stands behind the view
  EXPECT_EQ(split_path("a\\b"), (std::vector<std::string>{"a\\b"}));
}

class ConfigFiles : public InFolder {};

TEST_F(ConfigFiles, TokensMergeLeftToRight) {
  write("a.yaml", "x: 1\ny: 1\nz: 1\n");
  write("b.yaml", "y: 2\nz: 2\n");
  const std::vector<std::string> tokens{"a.yaml", "z=3", "b.yaml", "y=4"};
  EXPECT_EQ(load_config(tokens), parse_yaml("{x: 1, y: 4, z: 2}"));
  EXPECT_EQ(load_config(tokens).mark().text(), "a.yaml:1");  // where a missing key is missing
}

TEST_F(ConfigFiles, ImportsComeBeforeTheFilesOwnKeys) {
  write("net.yaml", "x: own\n_import: [lib/a.yaml, lib/b.yaml]\n");
  write("lib/a.yaml", "x: a\ny: a\nz: a\n");
  write("lib/b.yaml", "_import: c.yaml\nz: b\n");
  write("lib/c.yaml", "y: c\nz: c\n");
  const Value value = load_yaml("net.yaml");
  EXPECT_EQ(value, parse_yaml("{x: own, y: c, z: b}"));
  EXPECT_EQ(value.at("y")->mark().text(), "lib/c.yaml:1");
}

TEST_F(ConfigFiles, ImportMistakes) {
  write("a.yaml", "_import: lib/b.yaml\n");
  write("lib/b.yaml", "_import: ../a.yaml\n");
  EXPECT_EQ(error_of([] { load_yaml("a.yaml"); }), "a.yaml: imports itself: a.yaml -> b.yaml -> a.yaml");
  write("c.yaml", "x: 1\n_import: none.yaml\n");
  EXPECT_EQ(error_of([] { load_yaml("c.yaml"); }), "c.yaml:2: _import: found none.yaml, which is not a file");
  write("d.yaml", "_import: {a: 1}\n");
  EXPECT_EQ(error_of([] { load_yaml("d.yaml"); }),
            "d.yaml:1: _import: found a map, allowed a file name or a list of them");
  EXPECT_EQ(error_of([] { load_yaml("none.yaml"); }), "none.yaml: cannot open: No such file or directory");
  EXPECT_EQ(error_of([] { load_yaml("lib"); }), "lib: found a folder, allowed a file");
  write("e.yaml", "- 1\n");
  EXPECT_EQ(error_of([] { load_yaml("e.yaml"); }), "e.yaml:1: found a list, allowed a map");
}

TEST_F(ConfigFiles, TheSameFileMayBeImportedTwice) {
  write("a.yaml", "_import: [b.yaml, c.yaml]\n");
  write("b.yaml", "_import: c.yaml\nx: 1\n");
  write("c.yaml", "x: 2\n");
  EXPECT_EQ(load_yaml("a.yaml"), parse_yaml("x: 2"));
  write("c.yaml", "_import: d.yaml\nx: 2\n");  // a file that imports, too
  write("d.yaml", "y: 1\n");
  EXPECT_EQ(load_yaml("a.yaml"), parse_yaml("{y: 1, x: 2}"));
}

TEST_F(ConfigFiles, ALinkToAFileIsThatFile) {
  write("a.yaml", "_import: link.yaml\n");
  std::filesystem::create_symlink("a.yaml", "link.yaml");
  EXPECT_EQ(error_of([] { load_yaml("a.yaml"); }), "link.yaml: imports itself: a.yaml -> a.yaml");
}

}  // namespace
}  // namespace guardbit::nets
