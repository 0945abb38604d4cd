// References and !arith.
#include "config_support.hpp"
#include "nets/config/arith_expression.hpp"
#include "nets/config/config.hpp"

namespace guardbit::nets {
namespace {

Value resolved(const std::string& yaml) { return resolve(parse_yaml(yaml, "net.yaml")); }
std::string resolve_error(const std::string& yaml) {
  return error_of([&] { resolved(yaml); });
}

TEST(Resolve, WholeReferencesKeepTheType) {
  EXPECT_EQ(resolved("{a: 3, b: $(a), c: {d: [1, 2]}, e: $(c), f: $(c.d.1)}"),
            parse_yaml("{a: 3, b: 3, c: {d: [1, 2]}, e: {d: [1, 2]}, f: 2}"));
}

TEST(Resolve, ReferencesInTextAreSubstituted) {
  EXPECT_EQ(resolved("{w: 20, f: 'int<$(w),$(m)>', m: SAT}").at("f")->text(), "int<20,SAT>");
  EXPECT_EQ(resolved("{w: 20, f: $(w)0}").at("f")->kind(), Kind::Text);  // text stays text
}

TEST(Resolve, RelativeReferencesStartAtTheirMap) {
  EXPECT_EQ(resolved("{x: 1, m: {x: 2, y: $(.x), l: [$(.x)], n: {x: 3, y: '<$(.x)>'}}}"),
            parse_yaml("{x: 1, m: {x: 2, y: 2, l: [2], n: {x: 3, y: '<3>'}}}"));
}

TEST(Resolve, PathsLeadThroughReferences) {
  EXPECT_EQ(resolved("{a: {b: 7}, c: $(a), d: $(c.b), e: [$(a)], f: $(e.0.b)}").at("f")->integer(), 7);
  EXPECT_EQ(resolved("{a: {b: 7}, c: $(a), d: $(c.b)}").at("d")->integer(), 7);
}

TEST(Resolve, IsLazySoLaterOverridesCount) {
  Value config = parse_yaml("{a: 1, b: $(a)}");
  merge(config, parse_override("a=5"));
  EXPECT_EQ(resolve(config).at("b")->integer(), 5);
}

TEST(Resolve, MissingTargetsNameThePlaceholder) {
  EXPECT_EQ(resolve_error("a: 1\nb: $(dataset.nam)"),
            "net.yaml:2: found $(dataset.nam), but dataset.nam does not exist");
  EXPECT_EQ(resolve_error("m: {b: 'x $(.q)'}"), "net.yaml:1: found $(.q), but m.q does not exist");
  EXPECT_EQ(resolve_error("{l: [1], b: $(l.1)}"), "net.yaml:1: found $(l.1), but l.1 does not exist");
}

TEST(Resolve, MapsInTextAreErrors) {
  EXPECT_EQ(resolve_error("{m: {a: 1}, b: 'x $(m)'}"),
            "net.yaml:1: found $(m) inside text, where it is a map; allowed a scalar");
  EXPECT_EQ(resolve_error("{m: [1], b: 'x $(m)'}"),
            "net.yaml:1: found $(m) inside text, where it is a list; allowed a scalar");
}

TEST(Resolve, CyclesAreErrors) {
  EXPECT_EQ(resolve_error("{a: $(b), b: $(a)}"), "net.yaml:1: reference cycle: a -> b -> a");
  EXPECT_EQ(resolve_error("{a: x$(b), b: y$(a)}"), "net.yaml:1: reference cycle: a -> b -> a");
  EXPECT_EQ(resolve_error("{a: $(a)}"), "net.yaml:1: reference cycle: a -> a");
  EXPECT_EQ(resolve_error("{a: {b: $(a)}}"), "net.yaml:1: reference cycle: a -> a");
  EXPECT_EQ(resolve_error("{a: {b: $(c)}, c: {d: $(a.b)}}"), "net.yaml:1: reference cycle: c -> c");
  // Two maps that mention each other's leaves are no cycle.
  EXPECT_EQ(resolved("{a: {x: $(b.z), w: 2}, b: {y: $(a.w), z: 1}}"), parse_yaml("{a: {x: 1, w: 2}, b: {y: 2, z: 1}}"));
}

TEST(Resolve, BrokenPlaceholdersAreErrors) {
  EXPECT_EQ(resolve_error("a: 'x $(b'"), "net.yaml:1: found 'x $(b', allowed $(path)");
  EXPECT_EQ(resolve_error("a: $()"), "net.yaml:1: found '$()', allowed $(path)");
  EXPECT_EQ(resolved("a: 'price $$(b) $5'").at("a")->text(), "price $(b) $5");
}

TEST(Resolve, TemplatesAreLeftAlone) {
  const Value value = resolved("{_t: {a: $(.none)}, b: 1}");
  EXPECT_EQ(value.at("_t.a")->text(), "$(.none)");
  EXPECT_EQ(resolved("{_t: {a: 1, b: $(.a)}, c: $(_t)}").at("c.b")->integer(), 1);
}

TEST(Resolve, ReferenceBombsAreStopped) {
  std::string yaml = "a0: [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string last = "$(a" + std::to_string(i - 1) + ")";
    yaml += "a" + std::to_string(i) + ": [" + last;
    for (int j = 0; j < 9; ++j) yaml += ", " + last;
    yaml += "]\n";
  }
  EXPECT_EQ(resolve_error(yaml), "net.yaml:1: more than 1000000 values after references");
}

TEST(Arith, EvaluatesAfterSubstitution) {
  const Value value = resolved("{w: 3, n: !arith 2 * $(w) + 1, half: !arith $(w) / 2, t: 'n is $(n)'}");
  EXPECT_EQ(*value.at("n"), Value(7));
  EXPECT_EQ(*value.at("half"), Value(1.5));
  EXPECT_EQ(value.at("t")->text(), "n is 7");
}

Value arith(const std::string& expression) { return evaluate_arith(expression, "net.yaml:1"); }
std::string arith_error(const std::string& expression) {
  return error_of([&] { arith(expression); });
}

// Expected values computed with Python 3.
TEST(Arith, MatchesPython) {
  EXPECT_EQ(arith("2 + 3 * 4 ** 2"), Value(50));
  EXPECT_EQ(arith("-2 ** 2"), Value(-4));
  EXPECT_EQ(arith("2 ** 3 ** 2"), Value(512));
  EXPECT_EQ(arith("2 ** -1"), Value(0.5));
  EXPECT_EQ(arith("7 // 2"), Value(3));
  EXPECT_EQ(arith("-7 // 2"), Value(-4));
  EXPECT_EQ(arith("7 // -2"), Value(-4));
  EXPECT_EQ(arith("-7 % 3"), Value(2));
  EXPECT_EQ(arith("7 % -3"), Value(-2));
  EXPECT_EQ(arith("-7.5 // 2"), Value(-4.0));
  EXPECT_EQ(arith("-7.5 % 2"), Value(0.5));
  EXPECT_EQ(arith("6 / 3"), Value(2.0));
  EXPECT_EQ(arith("6 ^ 3"), Value(5));
  EXPECT_EQ(arith("1 + 2 ^ 4"), Value(7));  // xor binds looser than a sum
  EXPECT_EQ(arith("10 - 3 - 2"), Value(5));
  EXPECT_EQ(arith("1 < 2 < 3"), Value(true));
  EXPECT_EQ(arith("1 < 3 < 2"), Value(false));
  EXPECT_EQ(arith("1 == 1.0"), Value(true));
  EXPECT_EQ(arith("9007199254740993 > 9007199254740992"), Value(true));  // equal as doubles
  EXPECT_EQ(arith("not 1 > 2 and true"), Value(true));
  EXPECT_EQ(arith("5 if 2 > 1 else 6"), Value(5));
  EXPECT_EQ(arith("5 if 2 < 1 else 6 if 0 else 7"), Value(7));
  EXPECT_EQ(arith("math.sqrt(2)"), Value(1.4142135623730951));
  EXPECT_EQ(arith("math.log2(8) + math.log(1) + math.exp(0)"), Value(4.0));
  EXPECT_EQ(arith("max(1, 5, 3) - min(2, 0.5)"), Value(4.5));
  EXPECT_EQ(arith("round(2.5) + round(3.5)"), Value(6));
  EXPECT_EQ(arith("int(-2.7) + math.floor(-2.7) + math.ceil(2.1)"), Value(-2));
  EXPECT_EQ(arith("1e-3 * 1E+3"), Value(1.0));
  EXPECT_EQ(arith("0x10 + 0b11"), Value(19));
  EXPECT_EQ(arith("(1)"), Value(1));
}

TEST(Arith, MistakesAreErrors) {
  EXPECT_EQ(arith_error("1 +"), "net.yaml:1: found !arith '1 +': it ends too early");
  EXPECT_EQ(arith_error("1 / 0"), "net.yaml:1: found !arith '1 / 0': division by zero");
  EXPECT_EQ(arith_error("1 // 0"), "net.yaml:1: found !arith '1 // 0': division by zero");
  EXPECT_EQ(arith_error("2 ** 63"), "net.yaml:1: found !arith '2 ** 63': a result beyond 64 bits");
  EXPECT_EQ(arith_error("(-9223372036854775807 - 1) // -1"),
            "net.yaml:1: found !arith '(-9223372036854775807 - 1) // -1': a result beyond 64 bits");
  EXPECT_EQ(arith_error("x + 1"), "net.yaml:1: found !arith 'x + 1': unknown name 'x'");
  EXPECT_EQ(arith_error("system(1)"), "net.yaml:1: found !arith 'system(1)': unknown function 'system'");
  EXPECT_EQ(arith_error("1.5 ^ 2"), "net.yaml:1: found !arith '1.5 ^ 2': ^ needs integers");
  EXPECT_EQ(arith_error("1 2"), "net.yaml:1: found !arith '1 2': unexpected '2'");
  EXPECT_EQ(arith_error("math.sqrt(-1)"),
            "net.yaml:1: found !arith 'math.sqrt(-1)': a result that is not a finite number");
  EXPECT_EQ(arith_error("(1"), "net.yaml:1: found !arith '(1': ')' missing");
  EXPECT_NE(arith_error(std::string(100000, '(')).find("nested too deeply"), std::string::npos);
  EXPECT_NE(arith_error(std::string(100000, '-')).find("nested too deeply"), std::string::npos);
}

}  // namespace
}  // namespace guardbit::nets
