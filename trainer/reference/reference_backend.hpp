// ReferenceBackend: every operator as its definition says, in double precision, one obvious loop nest each. Never
// optimised: it is the oracle of the gradient checks and of the other back ends.
#pragma once

#include "trainer/backend_overrides.hpp"
#include "trainer/host_backend.hpp"

namespace guardbit::trainer {

class ReferenceBackend final : public HostBackend {
 public:
  [[nodiscard]] std::string name() const override { return "reference"; }
  [[nodiscard]] std::size_t element_bytes(Element element) const override;
  GUARDBIT_BACKEND_OPERATORS
};

}  // namespace guardbit::trainer
