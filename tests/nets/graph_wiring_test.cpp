// The `graph` key: paths, points, joins, order, removal of dead layers, and every error.
#include <gtest/gtest.h>

#include "nets/graph/build.hpp"
#include "nets/graph/text.hpp"

namespace guardbit::nets {
namespace {

// A model with relu layers a, b, c, d, an add `sum` and a concat `both`, wired as given.
Network wire(const std::string& graph, std::vector<std::string>* removed = nullptr) {
  return build_network(Section::parse("input: [2, 2, 1]\n"
                                      "layers:\n"
                                      "  a: {type: activation, mode: relu}\n"
                                      "  b: {type: activation, mode: relu}\n"
                                      "  c: {type: activation, mode: relu}\n"
                                      "  d: {type: identity}\n"
                                      "  sum: {type: add}\n"
                                      "  both: {type: concat}\n"
                                      "  _template: {type: nothing}\n"
                                      "graph: " + graph + "\n"), removed);
}

// "a(input) sum(a,input) -> sum"
std::string structure(const Network& network) {
  std::string text;
  for (const Node& node : network.nodes) {
    if (node.op == Op::Input) continue;
    text += node.name + "(";
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      text += (i == 0 ? "" : ",") + network.node(node.inputs[i]).name;
    }
    text += ") ";
  }
  return text + "-> " + network.node(network.output).name;
}

std::string error_of(const std::string& graph) {
  try {
    (void)wire(graph);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Wiring, OnePathIsAChain) {
  EXPECT_EQ(structure(wire("{from: input, with: [b, a, c], to: output}")), "b(input) a(b) c(a) -> c");
  EXPECT_EQ(structure(wire("{from: input, with: b, to: output}")), "b(input) -> b");
}

TEST(Wiring, PathsMayComeInAnyOrderAndJoinInputsKeepTheirs) {
  EXPECT_EQ(structure(wire("[{from: sum, to: output}, {from: b, to: sum}, {from: a, to: sum}, "
                           "{from: input, with: [a, b], to: point}, {from: point, with: c, to: sum}]")),
            "a(input) b(a) c(b) sum(b,a,c) -> sum");
}

TEST(Wiring, ListsFanInAndOut) {
  EXPECT_EQ(structure(wire("[{from: input, with: a, to: [b, c]}, {from: [c, b, input], with: both, to: output}]")),
            "a(input) b(a) c(a) both(c,b,input) -> both");
  EXPECT_EQ(structure(wire("[{from: input, with: a, to: [p, q]}, {from: [q, p], with: sum, to: output}]")),
            "a(input) sum(a,a) -> sum");
}

TEST(Wiring, IdentityVanishesAndDeadLayersAreRemoved) {
  std::vector<std::string> removed;
  const Network network = wire("[{from: input, with: [a, d], to: output}, {from: a, with: b, to: c}]", &removed);
  EXPECT_EQ(structure(network), "a(input) -> a");
  EXPECT_EQ(removed, (std::vector<std::string>{"b", "c", "sum", "both"}));
  EXPECT_EQ(structure(wire("{from: input, to: output}")), "-> input");
}

TEST(WiringErrors, EachIsLocatedAndSaysWhatIsAllowed) {
  EXPECT_EQ(error_of("{from: input, with: [a, x], to: output}"),
            "text:10: graph.with: found x, allowed the layers a, b, both, c, d, sum");
  EXPECT_EQ(error_of("{from: input, with: [a, b, a], to: output}"),
            "text:10: graph.with: found a a second time, allowed each layer once");
  EXPECT_EQ(error_of("[{from: input, with: a, to: output}, {from: nowhere, with: b, to: c}]"),
            "text:10: graph: found from nowhere, allowed input, a point that a `to` names, or the layers a, b, both, "
            "c, d, sum");
  EXPECT_EQ(error_of("[{from: input, with: a, to: output}, {from: a, to: smu}]"),
            "text:10: graph: found to smu, which nothing reads, allowed output, a point that a `from` names, or the "
            "layers a, b, both, c, d, sum");
  EXPECT_EQ(error_of("[{from: input, with: a, to: p}, {from: a, with: b, to: p}, {from: p, to: output}]"),
            "text:10: graph: found the point p fed twice, allowed one source; several are joined by a layer of type "
            "add or concat");
  EXPECT_EQ(error_of("{from: input, with: a, to: b}"), "text:10: graph: found 0 paths to output, allowed exactly one");
  EXPECT_EQ(error_of("[{from: input, with: a, to: output}, {from: input, with: b, to: output}]"),
            "text:10: graph: found 2 paths to output, allowed exactly one");
  EXPECT_EQ(error_of("[{from: input, with: a, to: output}, {from: b, to: c}]"),
            "text:10: graph: found nothing that leads to layer b, allowed an input of each layer");
  EXPECT_EQ(error_of("{from: output, with: a, to: output}"),
            "text:10: graph.from: found output, allowed input, a layer or a point");
  EXPECT_EQ(error_of("{from: input, with: a, to: input}"),
            "text:10: graph.to: found input, allowed output, a layer or a point");
}

TEST(WiringErrors, Cycles) {
  EXPECT_EQ(error_of("[{from: input, with: [sum, a, b], to: output}, {from: b, to: sum}]"),
            "text:10: graph: found a cycle among or before the layers sum, a, b, allowed no cycles");
  EXPECT_EQ(error_of("[{from: p, to: q}, {from: q, to: p}, {from: p, with: a, to: output}]"),
            "text:10: graph: found a cycle through the point q, allowed no cycles");
}

TEST(WiringErrors, WrongKeysAndCounts) {
  EXPECT_EQ(error_of("{from: input, wiht: [a], to: output}"),
            "text:10: graph.wiht: unknown key, did you mean with? allowed: from, to, with");
  EXPECT_EQ(error_of("{from: [input, input], with: a, to: output}"),
            "text:3: layers.a: network network: node a (relu): has 2 inputs, allowed 1");
  EXPECT_EQ(error_of("{from: input, with: sum, to: output}"),
            "text:7: layers.sum: network network: node sum (add): has 1 inputs, allowed 2 or more");
}

}  // namespace
}  // namespace guardbit::nets
