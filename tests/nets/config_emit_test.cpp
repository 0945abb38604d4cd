// Trees back to text.
#include <cmath>

#include "config_support.hpp"
#include "nets/config/config.hpp"

namespace guardbit::nets {
namespace {

TEST(ToYaml, IsDeterministicAndInInsertionOrder) {
  const Value value = parse_yaml("b: 1\na: {y: [1, 2.50, x], x: {}}\nl:\n- {p: 1, q: [{r: 1}]}\n- [[1], [2]]\ne: []\n");
  EXPECT_EQ(to_yaml(value),
            "b: 1\n"
            "a:\n"
            "  y: [1, 2.50, x]\n"
            "  x: {}\n"
            "l:\n"
            "  - p: 1\n"
            "    q:\n"
            "      - r: 1\n"
            "  -\n"
            "    - [1]\n"
            "    - [2]\n"
            "e: []\n");
}

TEST(ToYaml, ParsesBackToAnEqualTree) {
  Value value = Value::map();
  int count = 0;
  for (const char* text :
       {"",    " ",  "a b", "true", "null", "~",   "12",          "1.5",    "-x",     "- x",  "a: b",   "a #b",
        "'",   "\"", "\\",  "\n",   "a\nb", "\t",  "int<16,SAT>", "[x]",    "{x}",    "*x",   "&x",     "!x",
        "@x",  "%x", "|",   ">",    "?",    "...", "---",         "é",      "x\x01y", "\x7f", "$(a.b)", ",",
        "a,b", "=",  "<<",  "0x1F", "010",  "1e5", ".inf",        "/a/b.c", "a/b",    "\r",   "..",     "x "}) {
    value.set("k" + std::to_string(count++), Value(text));
    value.set(std::string("key ") + (*text == '\0' ? "empty" : text), Value::list({Value(text), Value(1)}));
  }
  for (const double number : {0.1, -1e300, 1.0, HUGE_VAL, 5e-324})
    value.set("n" + std::to_string(count++), Value(number));
  value.set("a.b", Value(true));
  value.set("1", Value());
  value.set("null", Value(INT64_MIN));
  value.set("arith", Value("1 + 'x'").set_arith(true));
  const std::string text = to_yaml(value);
  const Value again = parse_yaml(text);
  EXPECT_EQ(again, value) << text;
  EXPECT_EQ(to_yaml(again), text);
}

TEST(ToJson, SortsKeysAndKeepsTypes) {
  EXPECT_EQ(to_json(parse_yaml("{b: 1, a: [1.5, true, null, x, '1'], c: {}, d: .inf}")).dump(),
            R"({"a":[1.5,true,null,"x","1"],"b":1,"c":{},"d":".inf"})");
}

TEST(FromJson, IsTheInverse) {
  const auto json = nlohmann::json::parse(R"({"a":[1.5,true,null,"x","1",-3],"b":{"c":[]}})");
  EXPECT_EQ(to_json(from_json(json)), json);
  EXPECT_EQ(error_of([] { from_json(nlohmann::json::parse("18446744073709551615")); }),
            "JSON: found 18446744073709551615, allowed integers of 64 bits with sign");
}

TEST(Value, WrongKindsAreErrors) {
  const Value value = parse_yaml("a: x", "net.yaml");
  EXPECT_EQ(error_of([&] { (void)value.at("a")->integer(); }), "net.yaml:1: found text, allowed an integer");
  EXPECT_EQ(error_of([&] { (void)value.items(); }), "net.yaml:1: found a map, allowed a list");
}

}  // namespace
}  // namespace guardbit::nets
