#pragma once

#include <cstdint>
#include <string>

#include <mjolnir/io/event_file.h>

#include "io/detail/protobuf.h"

/**
 * The messages of an event file, from TensorBoard's event.proto and
 * summary.proto. Event: 1 wall_time, 2 step, 3 file_version, 5 summary,
 * 7 session_log. Summary: 1 value, repeated. Value: 1 tag, 2 simple_value,
 * 4 image, 5 histo.
 */
namespace mjolnir::io::detail {

/** A record of a file: u64 length, masked CRC of it, the event, masked CRC of
 * that; all little-endian. */
std::string framed(const std::string& event);

/** What a file begins with. */
std::string version_event(double seconds);
/** Forget what was said of `step` and later ones. */
std::string start_event(double seconds, std::int64_t step);
std::string summary_event(double seconds, std::int64_t step,
                          const ProtobufMessage& value);

ProtobufMessage scalar_value(const std::string& tag, double value);
ProtobufMessage histogram_value(const std::string& tag, const Histogram& h);
ProtobufMessage image_value(const std::string& tag, const EventImage& image);

}  // namespace mjolnir::io::detail
