#pragma once

#include <string>
#include <vector>

#include <mjolnir/core/tensor.h>
#include <mjolnir/io/file.h>

namespace mjolnir::data {

/** Which binary format of https://www.cs.toronto.edu/~kriz/cifar.html. */
enum class CifarFormat : unsigned char {
  Cifar10,         ///< Records of label, 1024 red, 1024 green, 1024 blue.
  Cifar100Fine,    ///< Coarse label, fine label, pixels: 100 fine classes.
  Cifar100Coarse,  ///< The same records: 20 coarse classes.
};

/** Images U8 (N,3,32,32), channels-last, and labels I64 (N). */
struct CifarRecords {
  Tensor images;
  Tensor labels;
};

/**
 * Reads CIFAR binary files one after the other. Throws IoError with the path
 * for a file that is missing, empty or not a whole number of records, and
 * with the record for a label out of range.
 */
CifarRecords read_cifar(const std::vector<std::string>& paths,
                        CifarFormat format);

/** The same from memory; names[i] is what messages call files[i]. */
CifarRecords decode_cifar(const std::vector<io::Bytes>& files,
                          const std::vector<std::string>& names,
                          CifarFormat format);

}  // namespace mjolnir::data
