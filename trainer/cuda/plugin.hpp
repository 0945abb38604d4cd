// The CUDA back end is a library of its own, libguardbit_cuda.so, opened when it is asked for: the program starts on
// machines without CUDA, and says why it cannot use a GPU.
//
// The library is looked for at $GUARDBIT_CUDA_PLUGIN when that is set, otherwise beside the executable and in ../lib
// from there. It exports, with the C++ compiler and library of the program:
//
//   const char* guardbit_cuda_interface()   kInterface of the headers it was compiled with; another one is refused
//   const char* guardbit_cuda_refusal()     null when a device can be used, else why not: one line
//   Backend* guardbit_cuda_backend(bool tf32)     owned by the caller; throws Error when no device can be used
//   cuda::CodeConvolver* guardbit_cuda_convolver()   likewise
//
// Failed CUDA calls cross the border as guardbit::Error. The library stays open until the program ends.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "trainer/backend.hpp"
#include "trainer/cuda/integer_conv.hpp"

namespace guardbit::trainer {

/// Says which interface headers a binary was compiled with: a hash of their text.
[[nodiscard]] std::string cuda_interface();

/// Float matrix products: with all 24 bits of every number, or with 11 (faster; never the default).
enum class CudaMath : unsigned char { Float32, Tf32 };

/// Why the CUDA back end cannot be used here, in one line; empty when it can. Without a driver nothing is opened,
/// unless GUARDBIT_CUDA_PLUGIN names a library.
[[nodiscard]] std::string cuda_refusal();

/// Error with the reason when it cannot be used.
[[nodiscard]] std::unique_ptr<Backend> make_cuda_backend(CudaMath math = CudaMath::Float32);
/// Exact integer convolutions on the device; the same errors.
[[nodiscard]] std::unique_ptr<cuda::CodeConvolver> make_cuda_convolver();

/// An opened library. For tests of the border; others use the functions above.
class CudaPlugin {
 public:
  /// Error with the reason when the file is absent, cannot be opened, lacks a function or has another interface.
  explicit CudaPlugin(const std::filesystem::path& file);
  /// The same at the place described above.
  CudaPlugin() : CudaPlugin(find()) {}
  [[nodiscard]] std::string refusal() const;  // of the library; empty when a device can be used
  [[nodiscard]] std::unique_ptr<Backend> make(CudaMath math) const;
  [[nodiscard]] std::unique_ptr<cuda::CodeConvolver> make_convolver() const;

 private:
  [[nodiscard]] static std::filesystem::path find();

  using Text = const char* (*)();
  using Make = Backend* (*)(bool tf32);
  using MakeConvolver = cuda::CodeConvolver* (*)();
  Text refusal_ = nullptr;
  Make make_ = nullptr;
  MakeConvolver make_convolver_ = nullptr;
};

}  // namespace guardbit::trainer
