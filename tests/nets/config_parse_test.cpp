// YAML text to trees: kinds of scalars, duplicates, dot paths, anchors, forbidden tags.
#include <cmath>

#include "config_support.hpp"
#include "nets/config/config.hpp"

namespace guardbit::nets {
namespace {

std::string parse_error(const std::string& yaml) {
  return error_of([&] { parse_yaml(yaml, "net.yaml"); });
}

Kind kind_of(const std::string& text) { return Value::plain(text).kind(); }

TEST(PlainScalar, KindsFollowTheCoreSchema) {
  EXPECT_EQ(kind_of("12"), Kind::Integer);
  EXPECT_EQ(Value::plain("-0x1F").integer(), -31);
  EXPECT_EQ(Value::plain("0b101").integer(), 5);
  EXPECT_EQ(Value::plain("-9223372036854775808").integer(), INT64_MIN);
  EXPECT_EQ(kind_of("9223372036854775808"), Kind::Number);  // one beyond int64: not an integer anyone could read
  EXPECT_EQ(Value::plain("-1.5e-3").number(), -0.0015);
  EXPECT_EQ(Value::plain("-.inf").number(), -HUGE_VAL);
  EXPECT_TRUE(std::isnan(Value::plain(".nan").number()));
  EXPECT_EQ(Value::plain("True").boolean(), true);
  EXPECT_EQ(kind_of("~"), Kind::Null);
}

TEST(PlainScalar, AmbiguousFormsStayText) {
  for (const char* text :
       {"010", "007", "yes", "off", "1_000", "0x", "1e", "+", ".", "1.2.3", "1e999", "0x1p3", "inf", "-"}) {
    EXPECT_EQ(kind_of(text), Kind::Text) << text;
  }
}

TEST(ParseYaml, QuotedNumbersAreText) {
  const Value value = parse_yaml("{a: '12', b: 12, c: !!str 12, d: \"true\"}");
  EXPECT_EQ(value.find("a")->kind(), Kind::Text);
  EXPECT_EQ(value.find("b")->kind(), Kind::Integer);
  EXPECT_EQ(value.find("c")->kind(), Kind::Text);
  EXPECT_EQ(value.find("d")->kind(), Kind::Text);
}

TEST(ParseYaml, EveryValueKnowsItsLine) {
  const Value value = parse_yaml("a: 1\nb:\n  - x\n  - {c: 3}\n", "net.yaml");
  EXPECT_EQ(value.at("a")->mark().text(), "net.yaml:1");
  EXPECT_EQ(value.at("b.0")->mark().text(), "net.yaml:3");
  EXPECT_EQ(value.at("b.1.c")->mark().text(), "net.yaml:4");
}

TEST(ParseYaml, DuplicateKeysAreErrors) {
  EXPECT_EQ(parse_error("model:\n  name: a\n  x: 1\n  name: b\n"),
            "net.yaml:4: model.name: duplicate key, first at net.yaml:2");
  EXPECT_EQ(parse_error("- {a: 1, a: 1}"), "net.yaml:1: 0.a: duplicate key, first at net.yaml:1");
  EXPECT_EQ(parse_error("a: {x: 1}\na: {y: 2}"), "net.yaml:2: a: duplicate key, first at net.yaml:1");
}

TEST(ParseYaml, DotPathsAreMaps) {
  EXPECT_EQ(parse_yaml("a.b: 1\na.c: 2"), parse_yaml("a: {b: 1, c: 2}"));
  EXPECT_EQ(parse_yaml("a.b: 1\na: {c: 2}"), parse_yaml("a: {b: 1, c: 2}"));
  EXPECT_EQ(parse_yaml("a: {c: 2}\na.b: 1"), parse_yaml("a: {c: 2, b: 1}"));
  EXPECT_EQ(parse_yaml("'a\\.b': 1").entries()[0].first, "a.b");
  EXPECT_EQ(parse_yaml("a\\.b.c: 1").entries()[0].first, "a.b");
}

TEST(ParseYaml, DotPathsThatMeetOnOneValueAreDuplicates) {
  EXPECT_EQ(parse_error("a: {b: 1}\na.b: 2"), "net.yaml:2: a.b: duplicate key, first at net.yaml:1");
  EXPECT_EQ(parse_error("a.b: 2\na: {b: 1}"), "net.yaml:2: a.b: duplicate key, first at net.yaml:1");
  EXPECT_EQ(parse_error("a: 1\na.b: 2"), "net.yaml:2: a.b: duplicate key, first at net.yaml:1");
  EXPECT_EQ(parse_error("a.b: 2\na: 1"), "net.yaml:2: a: duplicate key, first at net.yaml:1");
  EXPECT_EQ(parse_error("a.b.c: 2\na.b: 1"), "net.yaml:2: a.b: duplicate key, first at net.yaml:1");
  EXPECT_EQ(parse_error("a..b: 2"),
            "net.yaml:1: found key 'a..b' with an empty part, allowed names separated by single dots");
}

TEST(ParseYaml, AnchorsAndMerges) {
  const Value value = parse_yaml(
      "base: &base {type: conv, stride: 1, kernel: {size: 3, pad: 1}}\n"
      "other: &other {stride: 9, groups: 4}\n"
      "a: *base\n"
      "b: {<<: *base, stride: 2}\n"
      "c: {<<: [*base, *other]}\n"
      "d: {stride: 3, <<: *base, kernel.size: 5}\n"
      "e: {<<: *base, kernel: {size: 7}}\n");
  EXPECT_EQ(*value.find("a"), *value.find("base"));
  EXPECT_EQ(*value.find("b"), parse_yaml("{type: conv, stride: 2, kernel: {size: 3, pad: 1}}"));
  EXPECT_EQ(*value.find("c"), parse_yaml("{type: conv, stride: 1, kernel: {size: 3, pad: 1}, groups: 4}"));
  EXPECT_EQ(*value.find("d"), parse_yaml("{type: conv, stride: 3, kernel: {size: 5, pad: 1}}"));
  EXPECT_EQ(*value.find("e"), parse_yaml("{type: conv, stride: 1, kernel: {size: 7}}"));  // a key replaces
  EXPECT_EQ(parse_error("a: {<<: 3}"), "net.yaml:1: found << of an integer, allowed a map or a list of maps");
}

TEST(ParseYaml, TagsThatRunCodeAreRejected) {
  EXPECT_EQ(parse_error("a: 1\nb: !eval 1+1"),
            "net.yaml:2: found tag !eval, which would run code from a configuration, allowed !arith");
  EXPECT_EQ(parse_error("b: !exec ls"),
            "net.yaml:1: found tag !exec, which would run code from a configuration, allowed !arith");
  EXPECT_EQ(parse_error("b: !foo {a: 1}"), "net.yaml:1: found tag !foo, allowed !arith");
}

TEST(ParseYaml, BrokenTextIsAnErrorWithItsPlace) {
  EXPECT_EQ(parse_error("a: 1\nb: [1, 2"), "net.yaml:2: not YAML: end of sequence flow not found");
  EXPECT_EQ(parse_error("a: *x"), "net.yaml:1: not YAML: the referenced anchor is not defined");
  EXPECT_EQ(parse_error("a: &x [*x]"), "net.yaml:1: found an alias inside its own anchor");
  EXPECT_EQ(parse_error("a: 1\n---\nb: 1"), "net.yaml:2: found a second YAML document, allowed one per file");
  EXPECT_EQ(parse_error("[1]: 2"), "net.yaml:1: found a list or map as a key, allowed text");
  EXPECT_EQ(parse_error("a: {_import: x.yaml}"),
            "net.yaml:1: found _import inside a._import, allowed at the top of a file only");
  EXPECT_EQ(parse_error("a: {_import.x: y.yaml}"),
            "net.yaml:1: found _import inside a._import.x, allowed at the top of a file only");
}

TEST(ParseYaml, QuotesMustEnd) {
  EXPECT_EQ(parse_error("b: 1\na: \"x\nc: 2\n"), "net.yaml:2: not YAML: a quote that does not end");
  EXPECT_EQ(parse_error("a: 'x\n\n"), "net.yaml:1: not YAML: a quote that does not end");
  EXPECT_EQ(parse_error("l:\n- &k \"\n"), "net.yaml:2: not YAML: a quote that does not end");
  EXPECT_EQ(parse_error("a: \"x\\\n"), "net.yaml:1: not YAML: a quote that does not end");
  EXPECT_EQ(parse_error("a: \""), "net.yaml:1: not YAML: a quote that does not end");
  EXPECT_EQ(parse_error("a: \"x"), "net.yaml:1: not YAML: illegal EOF in scalar");
  EXPECT_EQ(parse_yaml("a: 1\nb: \"x\n  y\"  \n\n").at("b")->text(), "x y");
  EXPECT_EQ(parse_yaml("'b': 'it''s' # 'x\n").at("b")->text(), "it's");
  EXPECT_EQ(parse_yaml("a: 'x'\nb: |+\n  y\n\n").at("b")->text(), "y\n\n");
}

TEST(ParseYaml, MergesAreKeysToo) {
  EXPECT_EQ(parse_error("a: &a {x: 1}\nb:\n  <<: *a\n  y: 2\n  <<: *a\n"),
            "net.yaml:5: b.<<: duplicate key, first at net.yaml:3");
  EXPECT_EQ(parse_error("a: &a {x: 1}\nb: {<<: *a, y: 2, y: 3}\n"),
            "net.yaml:2: b.y: duplicate key, first at net.yaml:2");
  EXPECT_EQ(parse_error("a: &a {x: 1, x: 2}\nb: *a\n"), "net.yaml:1: a.x: duplicate key, first at net.yaml:1");
}

TEST(ParseYaml, AQuotedMergeKeyIsAKey) {
  EXPECT_EQ(parse_yaml("{'<<': 3, x: 1}").entries()[0].first, "<<");
  EXPECT_EQ(parse_error("{'<<': 3, '<<': 4}"), "net.yaml:1: <<: duplicate key, first at net.yaml:1");
}

TEST(ParseYaml, DepthDoesNotMultiplyTheCountOfValues) {
  std::string items = "x";
  for (int i = 1; i < 12000; ++i) items += ", x";
  EXPECT_EQ(parse_error("a: " + std::string(100, '[') + items + std::string(100, ']')), "no error");
}

TEST(ParseYaml, AliasBombsAreStopped) {
  std::string yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    yaml += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int j = 0; j < 9; ++j) yaml += ", " + last;
    yaml += "]\n";
  }
  EXPECT_EQ(parse_error(yaml), "net.yaml:5: found more than 1000000 values after aliases");
}

TEST(ParseYaml, EmptyTextIsNull) { EXPECT_TRUE(parse_yaml("# nothing\n").is_null()); }

}  // namespace
}  // namespace guardbit::nets
