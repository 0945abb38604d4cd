// guardbit trace check: a device's dump against a golden package; without a dump, the package against itself.
#include <fmt/format.h>

#include "arith/error.hpp"
#include "cli/command.hpp"
#include "cli/session.hpp"
#include "cli/text.hpp"
#include "nets/io/file.hpp"
#include "traces/check.hpp"

namespace guardbit::cli {
namespace {

using nlohmann::json;

json first_json(const traces::Manifest& manifest, const traces::CheckReport& report) {
  if (!report.first) return nullptr;
  const traces::Difference& d = *report.first;
  return {{"layer", manifest.layer}, {"stream", traces::name(d.role)}, {"element", d.index},
          {"coordinate", d.coordinate}, {"expected", d.expected}, {"actual", d.actual ? json(*d.actual) : json()}};
}

int run(const Invocation& invocation) {
  if (invocation.operands.empty()) {
    throw Error("command line: trace check: found no package, allowed PACKAGE [DUMP.hex]");
  }
  const Session session(invocation);
  const auto role = session.root().one_of<traces::Role>(
      "stream", {{"output", traces::Role::Output}, {"accumulator", traces::Role::Accumulator}}, traces::Role::Output);
  session.finish();
  const traces::Package package = traces::read_package(invocation.operands[0]);
  traces::CheckReport report;
  std::string what;
  if (invocation.operands.size() > 1) {
    const nets::Bytes bytes = nets::read_file(invocation.operands[1]);
    report = compare_dump(package, role, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
                          invocation.operands[1]);
    what = fmt::format("dump of the {} stream", traces::name(role));
  } else {
    report = check_values(package);
    what = "package recomputed from its own stimulus";
  }
  fmt::print("trace check {} {}: {}\n", package.manifest.network, package.manifest.layer, what);
  fmt::print("{} of {} values differ ({} missing, {} unknown), {} beyond the end, largest difference {}{}\n",
             grouped(report.mismatches), grouped(report.compared), grouped(report.missing), grouped(report.unknown),
             grouped(report.extra), grouped(report.max_abs_difference),
             report.evidence_equal ? "" : ", overflow evidence DIFFERS");
  if (report.first) fmt::print("MISMATCH {}\n", to_text(package.manifest, *report.first));
  fmt::print("{}\n", report.held() ? "held" : "NOT HELD");
  session.write_json({{"compared", report.compared}, {"mismatches", report.mismatches}, {"missing", report.missing},
                      {"unknown", report.unknown}, {"extra", report.extra},
                      {"max_abs_difference", report.max_abs_difference}, {"evidence_equal", report.evidence_equal},
                      {"first", first_json(package.manifest, report)}, {"held", report.held()}});
  return report.held() ? 0 : 1;
}

}  // namespace

Command trace_check_command() {
  return {.name = "trace check",
          .summary = "Compare a device's dump with a golden package; the first difference is located",
          .operands = "PACKAGE [DUMP.hex] [key=value...]",
          .leading_operands = 2,
          .keys = {"stream", "json", "threads", "seed"},
          .details =
              "The dump is what $writememh writes: one word per line, `@address`, comments, x and z are understood;\n"
              "missing, extra and unknown words fail. Without a dump the package checks itself: hashes, and every\n"
              "expected value recomputed. Exit code 1 when anything differs.",
          .run = run};
}

}  // namespace guardbit::cli
