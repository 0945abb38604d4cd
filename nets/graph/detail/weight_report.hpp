// Takes tensors out of a file one by one and lists in one Error what is missing, left over or misshapen.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "nets/io/array.hpp"

namespace guardbit::nets::detail {

class WeightReport {
 public:
  WeightReport(const NamedArrays& arrays, std::string file);

  // The tensor if it is there with this shape; else null, and a problem is noted.
  const Array* take(const std::string& name, const std::vector<std::int64_t>& shape);
  // A tensor that may be there and is not used.
  void ignore(const std::string& name);
  // Throws when there is a problem, or a tensor that nobody took.
  void finish(const std::string& network_name) const;

 private:
  std::string file_;
  std::map<std::string, const Array*> left_;
  std::vector<std::string> missing_, misshapen_;
};

}  // namespace guardbit::nets::detail
