#pragma once

#include <string>
#include <vector>

#include <mjolnir/data/dataset.h>

namespace mjolnir::data {

/**
 * The known data sets. Each looks for its files in `directory`, or without
 * one in the places of data/sources.h, and throws IoError if they are not
 * there (saying where it looked and how to get them), are malformed, or, for
 * CIFAR, have another size than those that are published.
 */

/** 28x28 grey images of clothes, 60,000 + 10,000 (Xiao, Rasul, Vollgraf). */
struct FashionMnist {
  static Dataset train(const std::string& directory = {});
  static Dataset test(const std::string& directory = {});
};

/** 28x28 grey images of digits, 60,000 + 10,000 (LeCun, Cortes, Burges). */
struct Mnist {
  static Dataset train(const std::string& directory = {});
  static Dataset test(const std::string& directory = {});
};

/** 32x32 colour images of 10 classes, 50,000 + 10,000 (Krizhevsky). */
struct Cifar10 {
  static Dataset train(const std::string& directory = {});
  static Dataset test(const std::string& directory = {});
};

/** 32x32 colour images of 100 fine classes, 50,000 + 10,000 (Krizhevsky). */
struct Cifar100 {
  static Dataset train(const std::string& directory = {});
  static Dataset test(const std::string& directory = {});
};

/** The training and the test set of one name. */
struct TrainTest {
  Dataset train;
  Dataset test;
};

/** Both sets of "fashion-mnist", "mnist", "cifar10" or "cifar100"; throws
 * ValueError that lists the names for another one. */
TrainTest open(const std::string& name, const std::string& directory = {});

}  // namespace mjolnir::data
