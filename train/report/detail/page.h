#pragma once

#include <string>
#include <vector>

#include <mjolnir/train/run_data.h>

namespace mjolnir::train::detail {

/** Parts of a report that its run's folder does not tell, as HTML; "" for one
 * that there is not. */
struct ReportPictures {
  std::string filters = {};
  std::string confusion = {};
  std::string mistakes = {};
};

/** report.html: one run. */
std::string report_page(const RunData& run,
                        const ReportPictures& pictures = {});

/** A page of these sections around the switch of the axes; `running` reloads
 * it. All but `title` is HTML. */
std::string page(const std::string& title, const std::string& header,
                 const std::string& sections, bool running);

/** "92.74 ± 0.37 %" as HTML, the error in a <span>. */
std::string percent_text(double share, double error);

}  // namespace mjolnir::train::detail
