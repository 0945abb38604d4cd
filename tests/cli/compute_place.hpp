// A workplace with .npy files, for tests of `guardbit compute`.
#pragma once

#include <algorithm>

#include "nets/io/npy.hpp"
#include "tests/cli/compute_oracle.hpp"
#include "tests/cli/guardbit.hpp"

namespace guardbit::tests {

class ComputePlace : public Workplace {
 public:
  explicit ComputePlace(const std::string& name) : Workplace("compute-" + name) {}

  void save(const std::string& name, const Tensor& tensor) const {
    nets::write_npy(*this / name, nets::Array::from(tensor.shape, tensor.data));
  }
  [[nodiscard]] nets::Array array(const std::string& name) const { return nets::read_npy(*this / name); }
  [[nodiscard]] Tensor load(const std::string& name) const {
    const nets::Array read = array(name);
    return {read.shape, read.to_int64(name)};
  }
  void numerics(const std::string& yaml) const { write_text(*this / "n.yaml", yaml); }

  // compute OPERATOR --numerics n.yaml --KEY FILE ... --out y.npy --json s.json MORE; names ending in .npy are of here.
  [[nodiscard]] Outcome compute(const std::string& name, std::vector<std::string> more) const {
    std::vector<std::string> arguments{"compute", name, "--numerics", *this / "n.yaml", "--out", *this / "y.npy",
                                       "--json", *this / "s.json"};
    for (const std::string& word : more) {
      arguments.push_back(word.ends_with(".npy") && word[0] != '/' ? *this / word : word);
    }
    return guardbit(arguments);
  }
};

}  // namespace guardbit::tests
