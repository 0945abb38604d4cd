// Recursive-descent evaluation: one function per precedence level, lowest first.
#include "nets/config/arith_expression.hpp"

#include <fmt/format.h>

#include <cctype>
#include <cmath>

namespace guardbit::nets {
namespace {

constexpr int kMaxDepth = 200;

struct Operand {
  bool is_integer = true;
  bool is_boolean = false;
  std::int64_t integer = 0;
  double number = 0;  // kept for integers too

  static Operand of(std::int64_t value) { return {true, false, value, static_cast<double>(value)}; }
  static Operand of(double value) { return {false, false, 0, value}; }
  static Operand of(bool value) { return {true, true, value ? 1 : 0, value ? 1.0 : 0.0}; }
  bool truth() const { return is_integer ? integer != 0 : number != 0; }
};

/// Signed comparison without losing an integer beyond 2^53 to a double, when both are integers.
int compare(const Operand& a, const Operand& b) {
  if (a.is_integer && b.is_integer) return a.integer < b.integer ? -1 : a.integer > b.integer ? 1 : 0;
  return a.number < b.number ? -1 : a.number > b.number ? 1 : a.number == b.number ? 0 : 2;  // 2: with a NaN
}

class Parser {
 public:
  Parser(const std::string& text, const std::string& where) : text_(text), where_(where) {}

  Operand run() {
    const Operand value = conditional();
    skip_space();
    if (at_ != text_.size()) fail(fmt::format("unexpected '{}'", text_.substr(at_, 10)));
    return value;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw Error(fmt::format("{}: found !arith '{}': {}", where_, text_, why));
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  static bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.'; }

  bool take(std::string_view symbol) {
    skip_space();
    if (text_.compare(at_, symbol.size(), symbol) != 0) return false;
    at_ += symbol.size();
    return true;
  }
  bool take_word(std::string_view word) {
    skip_space();
    const std::size_t end = at_ + word.size();
    if (text_.compare(at_, word.size(), word) != 0 || (end < text_.size() && is_name(text_[end]))) return false;
    at_ = end;
    return true;
  }
  void expect(std::string_view symbol) {
    if (!take(symbol)) fail(fmt::format("'{}' missing", symbol));
  }
  std::int64_t whole(const Operand& value, std::string_view what) const {
    if (!value.is_integer) fail(fmt::format("{} needs integers", what));
    return value.integer;
  }
  template <class Checked>
  std::int64_t checked(Checked overflowing, std::int64_t a, std::int64_t b) const {
    std::int64_t result = 0;
    if (overflowing(a, b, &result)) fail("a result beyond 64 bits");
    return result;
  }
  std::int64_t multiply(std::int64_t a, std::int64_t b) const {
    return checked([](auto x, auto y, auto* r) { return __builtin_mul_overflow(x, y, r); }, a, b);
  }
  std::int64_t add(std::int64_t a, std::int64_t b) const {
    return checked([](auto x, auto y, auto* r) { return __builtin_add_overflow(x, y, r); }, a, b);
  }
  std::int64_t subtract(std::int64_t a, std::int64_t b) const {
    return checked([](auto x, auto y, auto* r) { return __builtin_sub_overflow(x, y, r); }, a, b);
  }

  Operand conditional() {
    if (++depth_ > kMaxDepth) fail("nested too deeply");
    Operand value = disjunction();
    if (take_word("if")) {
      const bool condition = disjunction().truth();
      if (!take_word("else")) fail("'else' missing");
      const Operand other = conditional();
      if (!condition) value = other;
    }
    --depth_;
    return value;
  }
  Operand disjunction() {
    Operand value = conjunction();
    while (take_word("or")) {
      const Operand right = conjunction();
      value = Operand::of(value.truth() || right.truth());
    }
    return value;
  }
  Operand conjunction() {
    Operand value = negation();
    while (take_word("and")) {
      const Operand right = negation();
      value = Operand::of(value.truth() && right.truth());
    }
    return value;
  }
  Operand negation() {
    bool negate = false;
    bool any = false;
    while (take_word("not")) {
      negate = !negate;
      any = true;
    }
    const Operand value = comparison();
    return any ? Operand::of(value.truth() != negate) : value;
  }
  Operand comparison() {
    Operand left = exclusive_or();
    bool all = true;
    bool any = false;
    while (true) {
      const bool equal = take("==");
      const bool unequal = !equal && take("!=");
      const bool at_most = !equal && !unequal && take("<=");
      const bool at_least = !equal && !unequal && !at_most && take(">=");
      const bool less = !equal && !unequal && !at_most && !at_least && take("<");
      const bool more = !equal && !unequal && !at_most && !at_least && !less && take(">");
      if (!(equal || unequal || at_most || at_least || less || more)) return any ? Operand::of(all) : left;
      const Operand right = exclusive_or();
      const int order = compare(left, right);
      all = all && ((equal && order == 0) || (unequal && order != 0) || (at_most && (order == -1 || order == 0)) ||
                    (at_least && (order == 0 || order == 1)) || (less && order == -1) || (more && order == 1));
      any = true;
      left = right;
    }
  }
  Operand exclusive_or() {
    Operand value = sum();
    while (take("^")) value = Operand::of(whole(value, "^") ^ whole(sum(), "^"));
    return value;
  }
  Operand sum() {
    Operand value = product();
    while (true) {
      if (take("+")) {
        const Operand right = product();
        const bool whole_sum = value.is_integer && right.is_integer;
        value = whole_sum ? Operand::of(add(value.integer, right.integer)) : Operand::of(value.number + right.number);
      } else if (take("-")) {
        const Operand right = product();
        const bool whole_sum = value.is_integer && right.is_integer;
        value =
            whole_sum ? Operand::of(subtract(value.integer, right.integer)) : Operand::of(value.number - right.number);
      } else {
        return value;
      }
    }
  }
  Operand product() {
    Operand value = unary();
    while (true) {
      if (take("//")) {
        value = floor_divide(value, unary());
      } else if (take("/")) {
        const Operand right = unary();
        if (right.number == 0) fail("division by zero");
        value = Operand::of(value.number / right.number);
      } else if (take("%")) {
        const Operand right = unary();
        const Operand quotient = floor_divide(value, right);
        const bool whole_result = value.is_integer && right.is_integer;
        value = whole_result ? Operand::of(right.integer == -1 ? 0 : value.integer - quotient.integer * right.integer)
                             : Operand::of(value.number - quotient.number * right.number);
      } else if (take("*")) {  // never half of "**", which power() has taken
        const Operand right = unary();
        const bool whole_result = value.is_integer && right.is_integer;
        value = whole_result ? Operand::of(multiply(value.integer, right.integer))
                             : Operand::of(value.number * right.number);
      } else {
        return value;
      }
    }
  }
  Operand floor_divide(const Operand& a, const Operand& b) const {
    if (b.number == 0) fail("division by zero");
    if (!a.is_integer || !b.is_integer) return Operand::of(std::floor(a.number / b.number));
    if (b.integer == -1) return Operand::of(subtract(0, a.integer));
    const std::int64_t quotient = a.integer / b.integer;
    const bool below = a.integer % b.integer != 0 && (a.integer < 0) != (b.integer < 0);
    return Operand::of(quotient - (below ? 1 : 0));
  }
  Operand unary() {
    if (++depth_ > kMaxDepth) fail("nested too deeply");
    Operand value;
    if (take("-")) {
      const Operand inner = unary();
      value = inner.is_integer ? Operand::of(subtract(0, inner.integer)) : Operand::of(-inner.number);
    } else if (take("+")) {
      value = unary();
    } else {
      value = power();
    }
    --depth_;
    return value;
  }
  Operand power() {
    const Operand base = atom();
    if (!take("**")) return base;
    const Operand exponent = unary();  // binds tighter on its left than unary minus, looser on its right, as in Python
    if (base.is_integer && exponent.is_integer && exponent.integer >= 0) {
      return Operand::of(integer_power(base.integer, exponent.integer));
    }
    return real(std::pow(static_cast<long double>(base.number), static_cast<long double>(exponent.number)));
  }
  std::int64_t integer_power(std::int64_t base, std::int64_t exponent) const {
    if (base == 0 || base == 1) return exponent == 0 ? 1 : base;
    if (base == -1) return exponent % 2 == 0 ? 1 : -1;
    std::int64_t result = 1;
    for (std::int64_t i = 0; i < exponent; ++i) result = multiply(result, base);  // ends within 63 steps
    return result;
  }
  Operand real(long double value) const {
    if (!std::isfinite(value)) fail("a result that is not a finite number");
    return Operand::of(static_cast<double>(value));
  }

  Operand atom() {
    if (take("(")) {
      const Operand value = conditional();
      expect(")");
      return value;
    }
    skip_space();
    std::size_t end = at_;
    while (end < text_.size() && is_name(text_[end])) {
      const bool exponent = (text_[end] == 'e' || text_[end] == 'E') &&
                            std::isdigit(static_cast<unsigned char>(text_[at_])) != 0 &&
                            text_.compare(at_, 2, "0x") != 0 && end + 1 < text_.size() &&
                            (text_[end + 1] == '-' || text_[end + 1] == '+');
      end += exponent ? 2 : 1;
    }
    const std::string word = text_.substr(at_, end - at_);
    if (word.empty())
      fail(at_ == text_.size() ? "it ends too early" : fmt::format("unexpected '{}'", text_.substr(at_, 10)));
    at_ = end;
    const Value literal = Value::plain(word);
    if (literal.kind() == Kind::Integer) return Operand::of(literal.integer());
    if (literal.kind() == Kind::Number && std::isfinite(literal.number())) return Operand::of(literal.number());
    if (literal.kind() == Kind::Boolean) return Operand::of(literal.boolean());
    if (word == "math.pi") return Operand::of(3.141592653589793);
    return call(word);
  }

  Operand call(const std::string& name) {
    if (!take("(")) fail(fmt::format("unknown name '{}'", name));
    std::vector<Operand> arguments{conditional()};
    while (take(",")) arguments.push_back(conditional());
    expect(")");
    if (name == "min" || name == "max") return extreme(arguments, name == "min" ? -1 : 1);
    if (arguments.size() != 1) fail(name + " takes one argument");
    const Operand& x = arguments[0];
    const long double wide = x.number;
    if (name == "abs")
      return x.is_integer ? (x.integer < 0 ? Operand::of(subtract(0, x.integer)) : x)
                          : Operand::of(std::fabs(x.number));
    if (name == "float") return Operand::of(x.number);
    if (name == "int") return to_integer(x, std::trunc(x.number));
    if (name == "round") return to_integer(x, std::nearbyint(x.number));  // the default mode: ties to even
    if (name == "math.floor") return to_integer(x, std::floor(x.number));
    if (name == "math.ceil") return to_integer(x, std::ceil(x.number));
    if (name == "math.sqrt") return real(x.number < 0 ? std::nan("") : std::sqrt(x.number));
    if (name == "math.log") return real(std::log(wide));
    if (name == "math.log2") return real(std::log2(wide));
    if (name == "math.log10") return real(std::log10(wide));
    if (name == "math.exp") return real(std::exp(wide));
    fail(fmt::format("unknown function '{}'", name));
  }
  Operand extreme(const std::vector<Operand>& arguments, int sign) const {
    Operand best = arguments[0];
    for (const Operand& argument : arguments) {
      if (compare(argument, best) == sign) best = argument;
    }
    return best;
  }
  Operand to_integer(const Operand& x, double rounded) const {
    if (x.is_integer) return Operand::of(x.integer);
    if (!(rounded >= -9223372036854775808.0 && rounded < 9223372036854775808.0)) fail("a result beyond 64 bits");
    return Operand::of(static_cast<std::int64_t>(rounded));
  }

  const std::string& text_;
  const std::string& where_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Value evaluate_arith(const std::string& expression, const std::string& where) {
  const Operand value = Parser(expression, where).run();
  if (value.is_boolean) return Value(value.integer != 0);
  if (value.is_integer) return Value(value.integer);
  return Value(value.number);
}

}  // namespace guardbit::nets
