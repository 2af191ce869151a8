#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <mjolnir/mjolnir.h>

namespace mjolnir::bench {

/** A problem to be learned: data, network, loss. */
struct Task {
  data::Dataset train;
  data::Dataset validation;
  std::unique_ptr<Module> model;
  train::Objective objective;
  std::int64_t batch = 0;
  data::AugmentOptions augment;
};

/**
 * "resnet8": ResNet-8, width 16, on Fashion-MNIST, with crops and flips.
 * "autoencoder": 784-1000-500-250-30 and back, on MNIST.
 * "resnet20": ResNet-20, width 16, on CIFAR-10, with crops and flips. All keep
 * 5000 training images for validation, always the same ones; the test set is
 * not touched. Throws ValueError for another name.
 */
Task make_task(const std::string& name, const std::string& data_folder,
               bool second_order, Generator& rng);

/** Floating-point operations, from the shapes of the layers alone. */
struct Costs {
  double forward = 0.0;       ///< Products of all layers, per sample.
  double step = 0.0;          ///< Forward and backward, per sample.
  double factors = 0.0;       ///< S_A and S_G, per sample.
  double inverses = 0.0;      ///< Per refresh.
  double conditioning = 0.0;  ///< G^-1 g A^-1, per step.
};

/** Costs of a model for images like those of `data`; a multiplication and an
 * addition count as two. */
Costs count_costs(Module& model, const Task& task);

/** The median over layers of the cosine between the gradient and what the
 * curvature makes of it in the last step; 1 means plain gradient descent. */
double median_cosine(const CurvatureState& curvature);

/** Good inverses so far, averaged over the layers. */
double mean_refreshes(const CurvatureState& curvature);

}  // namespace mjolnir::bench
