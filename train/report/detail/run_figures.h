#pragma once

#include <string>
#include <vector>

#include "train/report/detail/figure.h"

namespace mjolnir::train::detail {

/** The curves of one run: loss, accuracy, learning rate, damping, speed, and
 * of reports on the curvature their means. */
std::string run_figures(const RunData& run);

/** Damping's share and the cosine of the update to the gradient; "" without a
 * report. */
std::string curvature_figure(const RunData& run);

/** The same curves of several runs, a colour each. */
std::string compared_figures(const std::vector<RunData>& runs);

/** Rows of a layer each, with its looks at their steps, Delta as their height;
 * "" without a look. */
std::string looks_figure(const RunData& run);

/** Eigenvalues of each layer's factors in the last report, and the damping;
 * "" without a report. */
std::string spectra_figure(const RunData& run);

}  // namespace mjolnir::train::detail
