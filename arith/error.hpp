// The one exception type for bad input: configuration, network files, traces, command lines.
//
// Its text is one line: where, what was found, what is allowed. It is caught once, in main, printed, and becomes
// exit code 2. Overflow and rounding of data are never errors; they are results (arith/narrow.hpp).
#pragma once

#include <stdexcept>
#include <string>

namespace guardbit {

class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

}  // namespace guardbit
