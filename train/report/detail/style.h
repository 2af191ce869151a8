#pragma once

namespace mjolnir::train::detail {

/** The style sheet of every page: light and dark, from 320 pixels on. */
extern const char* const page_style;

/** What a page does besides: tooltips, the remembered axis, and reloading
 * while the run goes on. Without it the pictures are all there. */
extern const char* const page_script;

}  // namespace mjolnir::train::detail
