#include <mjolnir/data/datasets.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include <mjolnir/data/cifar.h>
#include <mjolnir/data/idx.h>
#include <mjolnir/data/sources.h>
#include <mjolnir/io/gzip.h>

#include "data/detail/class_names.h"

namespace mjolnir::data {
namespace {

// Images (N,H,W) and labels (N) of an IDX pair, made (N,1,H,W) and I64.
Dataset idx_pair(const std::string& source_name, const std::string& prefix,
                 const std::string& directory, DatasetParts parts) {
  const std::vector<std::string> paths =
      locate(source(source_name),
             {prefix + "-images-idx3-ubyte", prefix + "-labels-idx1-ubyte"},
             directory);
  const Tensor images = read_idx(paths[0]);
  const Tensor labels = read_idx(paths[1]);
  const auto fail = [](const std::string& path, const std::string& reason) {
    throw IoError("[idx] '" + path + "' " + reason);
  };
  if (images.rank() != 3) {
    fail(paths[0],
         "should hold images (N,H,W), has shape " + images.shape().str());
  }
  if (labels.rank() != 1) {
    fail(paths[1], "should hold labels (N), has shape " + labels.shape().str());
  }
  if (images.size(0) != labels.size(0)) {
    fail(paths[0], "holds " + std::to_string(images.size(0)) +
                       " images, but '" + paths[1] + "' " +
                       std::to_string(labels.size(0)) + " labels");
  }
  const std::vector<std::uint8_t> bytes = labels.to_vector<std::uint8_t>();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] >= parts.class_names.size()) {
      fail(paths[1], "has label " + std::to_string(bytes[i]) + " in record " +
                         std::to_string(i) + ", expected 0 to " +
                         std::to_string(parts.class_names.size() - 1));
    }
  }
  parts.name = source_name;
  TensorOptions pixels;
  pixels.dtype = DType::U8;
  pixels.layout = Layout::ChannelsLast;
  parts.images = Tensor::empty(
      {images.size(0), 1, images.size(1), images.size(2)}, pixels);
  // With one channel both memory orders coincide.
  const std::uint8_t* from = images.data<std::uint8_t>();
  std::copy(from, from + images.numel(),
            parts.images.mutable_data<std::uint8_t>());
  parts.labels = Tensor::from(
      std::vector<std::int64_t>(bytes.begin(), bytes.end()), labels.shape());
  return Dataset(parts);
}

DatasetParts fashion_parts() {
  DatasetParts parts;
  parts.class_names = detail::fashion_mnist_classes();
  parts.mean = {0.2860};
  parts.stddev = {0.3530};
  return parts;
}

DatasetParts mnist_parts() {
  DatasetParts parts;
  parts.class_names = detail::mnist_classes();
  parts.mean = {0.1307};
  parts.stddev = {0.3081};
  return parts;
}

// Records of files that are published with this size: one that was cut off
// between two records would decode as well.
CifarRecords cifar_records(const std::string& source_name,
                           const std::vector<std::string>& names,
                           std::size_t size, CifarFormat format,
                           const std::string& directory) {
  const std::vector<std::string> paths =
      locate(source(source_name), names, directory);
  std::vector<io::Bytes> files;
  for (const std::string& path : paths) {
    io::Bytes bytes = io::read_file(path);
    if (io::is_gzip(bytes)) bytes = io::gunzip(bytes, path);
    if (bytes.size() != size) {
      throw IoError("[cifar] '" + path + "' has " +
                    std::to_string(bytes.size()) + " bytes, expected " +
                    std::to_string(size) +
                    ": it is truncated or something else");
    }
    files.push_back(std::move(bytes));
  }
  return decode_cifar(files, paths, format);
}

Dataset cifar10(const std::vector<std::string>& files,
                const std::string& directory) {
  CifarRecords records = cifar_records("cifar10", files, 10000 * 3073,
                                       CifarFormat::Cifar10, directory);
  DatasetParts parts;
  parts.name = "cifar10";
  parts.images = std::move(records.images);
  parts.labels = std::move(records.labels);
  parts.class_names = detail::cifar10_classes();
  parts.mean = {0.4914, 0.4822, 0.4465};
  parts.stddev = {0.2470, 0.2435, 0.2616};
  return Dataset(parts);
}

Dataset cifar100(const std::string& file, std::size_t samples,
                 const std::string& directory) {
  CifarRecords records = cifar_records("cifar100", {file}, samples * 3074,
                                       CifarFormat::Cifar100Fine, directory);
  DatasetParts parts;
  parts.name = "cifar100";
  parts.images = std::move(records.images);
  parts.labels = std::move(records.labels);
  parts.class_names = detail::cifar100_classes();
  parts.mean = {0.5071, 0.4865, 0.4409};
  parts.stddev = {0.2673, 0.2564, 0.2762};
  return Dataset(parts);
}

}  // namespace

Dataset FashionMnist::train(const std::string& directory) {
  return idx_pair("fashion-mnist", "train", directory, fashion_parts());
}
Dataset FashionMnist::test(const std::string& directory) {
  return idx_pair("fashion-mnist", "t10k", directory, fashion_parts());
}

Dataset Mnist::train(const std::string& directory) {
  return idx_pair("mnist", "train", directory, mnist_parts());
}
Dataset Mnist::test(const std::string& directory) {
  return idx_pair("mnist", "t10k", directory, mnist_parts());
}

Dataset Cifar10::train(const std::string& directory) {
  return cifar10({"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                  "data_batch_4.bin", "data_batch_5.bin"},
                 directory);
}
Dataset Cifar10::test(const std::string& directory) {
  return cifar10({"test_batch.bin"}, directory);
}

Dataset Cifar100::train(const std::string& directory) {
  return cifar100("train.bin", 50000, directory);
}
Dataset Cifar100::test(const std::string& directory) {
  return cifar100("test.bin", 10000, directory);
}

TrainTest open(const std::string& name, const std::string& directory) {
  source(name);
  if (name == "mnist") return {Mnist::train(directory), Mnist::test(directory)};
  if (name == "cifar10") {
    return {Cifar10::train(directory), Cifar10::test(directory)};
  }
  if (name == "cifar100") {
    return {Cifar100::train(directory), Cifar100::test(directory)};
  }
  return {FashionMnist::train(directory), FashionMnist::test(directory)};
}

}  // namespace mjolnir::data
