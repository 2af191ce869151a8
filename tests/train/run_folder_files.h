#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace mjolnir::train {

/** Writes a file as it is. */
inline void put(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/** A small run by hand: two epochs of ten steps, a row each five. */
inline void put_run(const std::string& folder, double best_accuracy = 0.75,
                    const std::string& more_options = "") {
  std::filesystem::create_directories(folder);
  put(folder + "/config.json",
      R"({"options": {"data": "synthetic", "validation": 400, "model": "mlp",
          "optimizer": "thor", "epochs": 2, "batch": 32,
          "learning-rate": 0.0005, "nesterov": false, "width": null,)" +
          more_options + R"( "seed": 1},
          "versions": {"mjolnir": "0.1.0"}, "threads": 2})");
  const std::string best = std::to_string(best_accuracy);
  put(folder + "/metrics.csv",
      "kind,epoch,step,loss,accuracy,validation_loss,validation_accuracy,"
      "learning_rate,damping,refreshes,damping_a,damping_g,cosine,seconds,"
      "images_per_second\n"
      "step,1,5,2,0.25,,,0.1,0.5,1,0.125,0.25,0.5,1.000,160.0\n"
      "step,1,10,1.5,0.5,,,0.2,0.5,2,,,,2.000,160.0\n"
      "epoch,1,10,1.75,0.375,1.25,0.5,0.2,0.5,2,,,,3.000,150.0\n"
      "step,2,15,1,0.625,,,0.1,0.5,3,,,,4.000,320.0\n"
      "step,2,20,0.5,0.75,,,0,0.5,4,,,,5.000,320.0\n"
      "epoch,2,20,0.75,0.6875,0.625," +
          best + ",0,0.5,4,,,,6.000,300.0\n");
}

}  // namespace mjolnir::train
