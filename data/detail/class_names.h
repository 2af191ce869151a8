#pragma once

#include <string>
#include <vector>

namespace mjolnir::data::detail {

/** Names of the classes, in the order of their labels. */
std::vector<std::string> mnist_classes();
std::vector<std::string> fashion_mnist_classes();
std::vector<std::string> cifar10_classes();
std::vector<std::string> cifar100_classes();

}  // namespace mjolnir::data::detail
