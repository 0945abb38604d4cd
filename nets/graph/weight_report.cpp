// What does not fit between a network and a file of weights.
#include "nets/graph/detail/weight_report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "arith/error.hpp"
#include "nets/graph/text.hpp"

namespace guardbit::nets::detail {
namespace {

constexpr std::size_t kListed = 8;  // names per problem; the rest is counted

std::string list_text(const char* what, const std::vector<std::string>& names) {
  if (names.empty()) return "";
  const std::vector<std::string> first(names.begin(), names.begin() + std::min(names.size(), kListed));
  const std::string rest = names.size() > kListed ? fmt::format(" and {} more", names.size() - kListed) : "";
  return fmt::format("; {} {} ({}{})", names.size(), what, fmt::join(first, ", "), rest);
}

}  // namespace

WeightReport::WeightReport(const NamedArrays& arrays, std::string file) : file_(std::move(file)) {
  for (const auto& [name, array] : arrays) {
    if (!left_.emplace(name, &array).second) throw Error(fmt::format("{}: tensor {} is there twice", file_, name));
  }
}

const Array* WeightReport::take(const std::string& name, const std::vector<std::int64_t>& shape) {
  const auto found = left_.find(name);
  if (found == left_.end()) {
    missing_.push_back(name);
    return nullptr;
  }
  const Array* const array = found->second;
  left_.erase(found);
  if (array->shape == shape) return array;
  misshapen_.push_back(fmt::format("{} is {}, not {}", name, to_text(array->shape), to_text(shape)));
  return nullptr;
}

void WeightReport::ignore(const std::string& name) { left_.erase(name); }

void WeightReport::finish(const std::string& network_name) const {
  std::vector<std::string> left;
  for (const auto& [name, array] : left_) left.push_back(name);
  const std::string problems = list_text("missing", missing_) + list_text("left over", left) +
                               list_text("of the wrong shape", misshapen_);
  if (problems.empty()) return;
  throw Error(fmt::format("{}: found tensors that do not fit network {}{}; allowed: exactly its parameters", file_,
                          network_name, problems));
}

}  // namespace guardbit::nets::detail
