#include "trainer/backend.hpp"

#include "arith/error.hpp"
#include "trainer/cpu/cpu_backend.hpp"
#include "trainer/cuda/plugin.hpp"
#include "trainer/host_backend.hpp"
#include "trainer/reference/reference_backend.hpp"

namespace guardbit::trainer {

std::string choose_device(const std::string& name) {
  if (name != "auto") return name;
  return cuda_refusal().empty() ? "cuda" : "cpu";
}

std::unique_ptr<Backend> make_backend(const std::string& name, int threads) {
  if (name == "reference") return std::make_unique<ReferenceBackend>();
  if (name == "cpu") return std::make_unique<CpuBackend>(threads);
  if (name == "cuda") return make_cuda_backend(CudaMath::Float32);
  if (name == "cuda_tf32") return make_cuda_backend(CudaMath::Tf32);
  throw Error("trainer.backend: found " + name + ", allowed cpu, cuda, cuda_tf32, reference");
}

namespace {

template <class From>
void upload_as(Backend& backend, const TensorView& to, std::span<const From> from) {
  check(to.element == Element::Real && static_cast<std::int64_t>(from.size()) == to.count(), "upload: wrong size");
  if (backend.element_bytes(Element::Real) == sizeof(double)) {
    backend.copy_in(to, std::vector<double>(from.begin(), from.end()).data());
  } else {
    std::vector<float> narrow(from.size());
    for (std::size_t i = 0; i < from.size(); ++i) narrow[i] = static_cast<float>(from[i]);
    backend.copy_in(to, narrow.data());
  }
}

template <class To>
std::vector<To> download_as(Backend& backend, const TensorView& from) {
  const auto count = static_cast<std::size_t>(from.count());
  std::vector<To> result(count);
  if (backend.element_bytes(from.element) == sizeof(double)) {
    std::vector<double> raw(count);
    backend.copy_out(raw.data(), from);
    for (std::size_t i = 0; i < count; ++i) result[i] = static_cast<To>(raw[i]);
  } else {
    std::vector<float> raw(count);
    backend.copy_out(raw.data(), from);
    for (std::size_t i = 0; i < count; ++i) result[i] = static_cast<To>(raw[i]);
  }
  return result;
}

}  // namespace

void upload(Backend& backend, const TensorView& to, std::span<const float> from) { upload_as(backend, to, from); }
void upload(Backend& backend, const TensorView& to, std::span<const double> from) { upload_as(backend, to, from); }
std::vector<float> download(Backend& backend, const TensorView& from) { return download_as<float>(backend, from); }
std::vector<double> download_double(Backend& backend, const TensorView& from) {
  return download_as<double>(backend, from);
}
Metrics download_metrics(Backend& backend, const TensorView& from) {
  const std::vector<double> values = download_double(backend, from);
  return {.loss = values[0], .top1 = values[1], .top5 = values[2], .images = values[3]};
}

}  // namespace guardbit::trainer
