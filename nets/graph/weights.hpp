// Parameters of a network from files.
//
//   .safetensors  our names and shapes (nets/graph/network.hpp), float32
//   .npz          PyTorch's state_dict: node "layer1/0/conv1" is "layer1.0.conv1".
//                   conv2d           NAME.weight [K, C / groups, R, S], NAME.bias [K]
//                   fully_connected  NAME.weight [K, C * H * W] in C, H, W order, NAME.bias [K]
//                   batch_norm       NAME.weight, NAME.bias, NAME.running_mean, NAME.running_var [C]
//                 NAME.num_batches_tracked is ignored. Weights become [K, R, S, C / groups], and those of a fully
//                 connected node are reordered to H, W, C.
// Tensors that are missing, left over or of the wrong shape are one Error that lists them.
#pragma once

#include <filesystem>

#include "nets/graph/network.hpp"

namespace guardbit::nets {

void load_weights(Network& network, const std::filesystem::path& file);
void save_weights(const Network& network, const std::filesystem::path& file);  // .safetensors

}  // namespace guardbit::nets
