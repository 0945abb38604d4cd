// The peer: oneDNN's u8 x s8 -> s32 matrix product with prepacked weights; nothing is checked.
#pragma once

#include <cstdint>
#include <cstring>
#include <dnnl.hpp>
#include <vector>

namespace guardbit::bench {

class OneDnnGemm {
 public:
  OneDnnGemm(std::int64_t rows, std::int64_t cols, std::int64_t depth, const std::uint8_t* lhs,
             const std::int32_t* rhs)
      : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    using tag = dnnl::memory::format_tag;
    using type = dnnl::memory::data_type;
    const dnnl::memory::desc lhs_desc({rows, depth}, type::u8, tag::ab);
    const dnnl::memory::desc plain_desc({depth, cols}, type::s8, tag::ab);
    const dnnl::memory::desc rhs_desc({depth, cols}, type::s8, tag::any);
    const dnnl::memory::desc out_desc({rows, cols}, type::s32, tag::ab);
    const dnnl::matmul::primitive_desc matmul_desc({lhs_desc, rhs_desc, out_desc}, engine_);
    matmul_ = dnnl::matmul(matmul_desc);
    lhs_ = dnnl::memory(lhs_desc, engine_);
    rhs_ = dnnl::memory(matmul_desc.weights_desc(), engine_);
    out_ = dnnl::memory(out_desc, engine_);
    std::memcpy(lhs_.get_data_handle(), lhs, static_cast<std::size_t>(rows * depth));
    std::vector<std::int8_t> narrow(rhs, rhs + depth * cols);
    dnnl::memory plain(plain_desc, engine_, narrow.data());
    dnnl::reorder(plain, rhs_).execute(stream_, plain, rhs_);
    stream_.wait();
  }
  void run() const {
    matmul_.execute(stream_, {{DNNL_ARG_SRC, lhs_}, {DNNL_ARG_WEIGHTS, rhs_}, {DNNL_ARG_DST, out_}});
    stream_.wait();
  }
  [[nodiscard]] const std::int32_t* out() const { return static_cast<const std::int32_t*>(out_.get_data_handle()); }

 private:
  dnnl::engine engine_;
  mutable dnnl::stream stream_;
  dnnl::matmul matmul_;
  dnnl::memory lhs_, rhs_, out_;
};

}  // namespace guardbit::bench
