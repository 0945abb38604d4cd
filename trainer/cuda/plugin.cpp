#include "trainer/cuda/plugin.hpp"

#include <dlfcn.h>

#include <cstdlib>

#include "arith/error.hpp"

namespace guardbit::trainer {

namespace fs = std::filesystem;

namespace {

constexpr const char* kFile = "libguardbit_cuda.so";

// The last error of the dynamic loader, on one line.
std::string loader_error() {
  const char* text = dlerror();
  std::string line = text == nullptr ? "no reason given" : text;
  for (char& c : line)
    if (c == '\n') c = ' ';
  return line;
}

template <class Function>
Function symbol(void* library, const fs::path& file, const char* name) {
  void* found = dlsym(library, name);
  if (found == nullptr) throw Error("cuda: " + file.string() + " has no function " + name);
  return reinterpret_cast<Function>(found);
}

// $GUARDBIT_CUDA_PLUGIN; empty when it is not set.
fs::path named_plugin() {
  const char* text = std::getenv("GUARDBIT_CUDA_PLUGIN");
  return text == nullptr ? "" : text;
}

}  // namespace

std::string cuda_interface() { return GUARDBIT_CUDA_INTERFACE; }

fs::path CudaPlugin::find() {
  if (fs::path named = named_plugin(); !named.empty()) return named;
  std::error_code error;
  const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& file : {folder / kFile, folder.parent_path() / "lib" / kFile})
    if (fs::exists(file, error)) return file;
  throw Error("cuda: " + std::string(kFile) + " is neither beside the executable nor in ../lib (this build has no CUDA "
              "back end; GUARDBIT_CUDA_PLUGIN can name one)");
}

// The library is never closed: objects that it made have their code in it.
CudaPlugin::CudaPlugin(const fs::path& file) {
  std::error_code error;
  if (!fs::exists(file, error)) throw Error("cuda: " + file.string() + " does not exist");
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw Error("cuda: " + loader_error());
  const auto interface = symbol<Text>(library, file, "guardbit_cuda_interface");
  if (const std::string found = interface(); found != cuda_interface())
    throw Error("cuda: " + file.string() + " is of another build: found interface " + found + ", allowed " +
                cuda_interface());
  refusal_ = symbol<Text>(library, file, "guardbit_cuda_refusal");
  make_ = symbol<Make>(library, file, "guardbit_cuda_backend");
  make_convolver_ = symbol<MakeConvolver>(library, file, "guardbit_cuda_convolver");
}

std::string CudaPlugin::refusal() const {
  const char* text = refusal_();
  return text == nullptr ? "" : text;
}

std::unique_ptr<Backend> CudaPlugin::make(CudaMath math) const {
  return std::unique_ptr<Backend>(make_(math == CudaMath::Tf32));
}

std::unique_ptr<cuda::CodeConvolver> CudaPlugin::make_convolver() const {
  return std::unique_ptr<cuda::CodeConvolver>(make_convolver_());
}

std::string cuda_refusal() {
  // Without the driver nothing else matters, and the library with all of cuBLAS need not be read.
  if (named_plugin().empty()) {
    void* driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (driver == nullptr) return "cuda: no NVIDIA driver here (libcuda.so.1 cannot be opened)";
    dlclose(driver);
  }
  try {
    return CudaPlugin().refusal();
  } catch (const Error& error) {
    return error.what();
  }
}

std::unique_ptr<Backend> make_cuda_backend(CudaMath math) {
  if (const std::string reason = cuda_refusal(); !reason.empty()) throw Error(reason);
  return CudaPlugin().make(math);
}

std::unique_ptr<cuda::CodeConvolver> make_cuda_convolver() {
  if (const std::string reason = cuda_refusal(); !reason.empty()) throw Error(reason);
  return CudaPlugin().make_convolver();
}

}  // namespace guardbit::trainer
