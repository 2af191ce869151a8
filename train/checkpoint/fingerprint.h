#pragma once

#include <string>

#include <mjolnir/data/dataset.h>

namespace mjolnir::train {

/** What a data set is, so that another one is told from it: its name, counts
 * and sizes, and the CRC-32 of all labels and pixels. */
std::string fingerprint(const data::Dataset& data);

}  // namespace mjolnir::train
