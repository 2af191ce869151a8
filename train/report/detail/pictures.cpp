#include "train/report/detail/pictures.h"

#include <algorithm>
#include <cmath>

#include "train/detail/text.h"
#include "train/report/detail/html.h"
#include "train/report/detail/ticks.h"

namespace mjolnir::train::detail {

namespace {

constexpr std::int64_t most_tiles = 64;
constexpr std::int64_t most_columns = 20;  // of a table of confusions
constexpr std::size_t most_pairs = 8;

// Filters as (count, channels, height, width), in logical order.
struct Filters {
  std::string name;
  std::int64_t count = 0, channels = 0, height = 0, width = 0;
  std::vector<float> values;
};

Filters first_filters(const Module& model, const data::Dataset& images) {
  Filters filters;
  for (const auto& [name, tensor] : model.named_parameters()) {
    const bool conv = tensor.rank() == 4;
    const bool dense =
        tensor.rank() == 2 &&
        tensor.size(1) == images.channels() * images.height() * images.width();
    if (!conv && !dense) {
      continue;
    }
    filters.name = name;
    filters.count = tensor.size(0);
    filters.channels = conv ? tensor.size(1) : images.channels();
    filters.height = conv ? tensor.size(2) : images.height();
    filters.width = conv ? tensor.size(3) : images.width();
    filters.values = tensor.detach().to_vector<float>();
    break;
  }
  return filters;
}

double largest(const std::vector<float>& values) {
  double most = 0.0;
  for (const float value : values) {
    most = std::isfinite(value)
               ? std::max(most, std::abs(static_cast<double>(value)))
               : most;
  }
  return most;
}

// 0 in the middle; NaN is black.
std::uint8_t shade(double value, double most) {
  const double share = most > 0.0 ? 0.5 + 0.5 * value / most : 0.5;
  return share >= 0.0 ? static_cast<std::uint8_t>(
                            std::lround(255.0 * std::clamp(share, 0.0, 1.0)))
                      : std::uint8_t{0};
}

// One filter in colour, or one of its channels in grey.
Tensor tile(const Filters& f, std::int64_t filter, std::int64_t channel,
            double most) {
  const std::int64_t area = f.height * f.width;
  const std::int64_t channels = f.channels == 3 ? 3 : 1;
  std::vector<std::uint8_t> pixels;
  for (std::int64_t i = 0; i < area; ++i) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t plane = filter * f.channels + channel + c;
      pixels.push_back(
          shade(f.values[static_cast<std::size_t>(plane * area + i)], most));
    }
  }
  return Tensor::from<std::uint8_t>(pixels, {f.height, f.width, channels});
}

std::string class_name(const std::vector<std::string>& classes,
                       std::int64_t number) {
  const auto i = static_cast<std::size_t>(number);
  return i < classes.size() ? classes[i] : std::to_string(number);
}

// An integer from 0 to 100, of a share.
std::string strength(double share) {
  return std::to_string(std::lround(100.0 * std::clamp(share, 0.0, 1.0)));
}

struct Confusions {
  explicit Confusions(const Predictions& p)
      : predictions(p), totals(static_cast<std::size_t>(p.classes), 0) {
    for (std::int64_t label = 0; label < p.classes; ++label) {
      for (std::int64_t answer = 0; answer < p.classes; ++answer) {
        totals[static_cast<std::size_t>(label)] += count(label, answer);
      }
    }
  }
  std::int64_t count(std::int64_t label, std::int64_t answer) const {
    return predictions
        .counts[static_cast<std::size_t>(label * predictions.classes + answer)];
  }
  double share(std::int64_t label, std::int64_t answer) const {
    const std::int64_t total = totals[static_cast<std::size_t>(label)];
    return total > 0 ? static_cast<double>(count(label, answer)) /
                           static_cast<double>(total)
                     : 0.0;
  }

  const Predictions& predictions;
  std::vector<std::int64_t> totals;  // of each label
};

std::string confusion_table(const Confusions& all,
                            const std::vector<std::string>& classes) {
  const std::int64_t n = all.predictions.classes;
  std::string html =
      "<div class='scroll'><table class='confusion'><thead><tr><th></th>";
  for (std::int64_t answer = 0; answer < n; ++answer) {
    html += "<th scope='col'><span>" + escaped(class_name(classes, answer)) +
            "</span></th>";
  }
  html += "</tr></thead><tbody>";
  for (std::int64_t label = 0; label < n; ++label) {
    const std::string name = class_name(classes, label);
    html += "<tr><th scope='row'>" + escaped(name) + "</th>";
    for (std::int64_t answer = 0; answer < n; ++answer) {
      const std::int64_t count = all.count(label, answer);
      const double share = all.share(label, answer);
      const std::string tip =
          std::to_string(count) + " of " +
          std::to_string(all.totals[static_cast<std::size_t>(label)]) +
          " images of " + name + ", " + fixed(100.0 * share, 1) + " %,\n" +
          (label == answer ? "were recognised"
                           : "were taken for " + class_name(classes, answer));
      // Mistakes are few: their colours begin to show earlier.
      html += std::string("<td class='") +
              (label == answer ? "right" : "wrong") +
              (count == 0 ? " none" : "") + "' style='--s:" +
              strength(label == answer ? share : std::sqrt(share)) +
              "%' data-tip='" + escaped(tip) + "'>" + std::to_string(count) +
              "</td>";
    }
    html += "</tr>";
  }
  return html + "</tbody></table></div>";
}

std::string confusion_picture(const Confusions& all) {
  const std::int64_t n = all.predictions.classes;
  std::vector<std::uint8_t> pixels;
  for (std::int64_t label = 0; label < n; ++label) {
    for (std::int64_t answer = 0; answer < n; ++answer) {
      pixels.push_back(static_cast<std::uint8_t>(
          std::lround(255.0 * std::sqrt(all.share(label, answer)))));
    }
  }
  return "<img class='matrix' alt='Matrix of confusions: a row per label, a "
         "column per answer, brighter where more' src='" +
         picture_uri(Tensor::from<std::uint8_t>(pixels, {n, n, 1})) + "'>";
}

std::string worst_pairs(const Confusions& all,
                        const std::vector<std::string>& classes) {
  struct Pair {
    std::int64_t label, answer, count;
  };
  std::vector<Pair> pairs;
  const std::int64_t n = all.predictions.classes;
  for (std::int64_t label = 0; label < n; ++label) {
    for (std::int64_t answer = 0; answer < n; ++answer) {
      if (label != answer && all.count(label, answer) > 0) {
        pairs.push_back({label, answer, all.count(label, answer)});
      }
    }
  }
  if (pairs.empty()) {
    return "<p>No mistake.</p>";
  }
  std::stable_sort(
      pairs.begin(), pairs.end(),
      [](const Pair& a, const Pair& b) { return a.count > b.count; });
  pairs.resize(std::min(pairs.size(), most_pairs));
  std::string html = "<h4>Most often mixed up</h4><ol class='pairs'>";
  for (const Pair& pair : pairs) {
    html += "<li><b>" + std::to_string(pair.count) + " ×</b> " +
            escaped(class_name(classes, pair.label)) + " taken for " +
            escaped(class_name(classes, pair.answer)) + " <small>(" +
            fixed(100.0 * all.share(pair.label, pair.answer), 1) + " % of " +
            escaped(class_name(classes, pair.label)) + ")</small></li>";
  }
  return html + "</ol>";
}

}  // namespace

std::string filters_figure(const Module& model, const data::Dataset& images) {
  const Filters f = first_filters(model, images);
  if (f.count == 0) {
    return "";
  }
  const bool colour = f.channels == 3;
  const std::int64_t channels = colour ? 1 : f.channels;  // tiles of a filter
  const std::int64_t tiles = std::min(f.count * channels, most_tiles);
  const double most = largest(f.values);
  std::string html =
      "<figure id='filters' class='whole'><figcaption><h3>Filters of the first "
      "layer</h3>"
      "<p>" +
      escaped(f.name) + ", " + std::to_string(f.count) + " of " +
      std::to_string(f.height) + " × " + std::to_string(f.width) +
      (tiles < f.count * channels ? ", the first " : "") +
      (tiles < f.count * channels ? std::to_string(tiles) + " tiles" : "") +
      ". Grey is 0, white " + compact(most, 3) + ", black −" +
      compact(most, 3) + (colour ? ", per colour" : "") +
      ".</p></figcaption><div class='tiles'>";
  for (std::int64_t i = 0; i < tiles; ++i) {
    const std::string tip =
        "filter " + std::to_string(i / channels + 1) +
        (channels > 1 ? ", channel " + std::to_string(i % channels + 1) : "");
    html += "<img alt='" + tip + "' data-tip='" + tip + "' src='" +
            picture_uri(tile(f, i / channels, i % channels, most)) + "'>";
  }
  return html + "</div></figure>\n";
}

std::string confusion_figure(const Predictions& predictions,
                             const std::vector<std::string>& classes,
                             const std::string& of) {
  const Confusions all(predictions);
  const bool table = predictions.classes <= most_columns;
  return "<figure id='confusion'><figcaption><h3>Confusion matrix</h3><p>" +
         std::to_string(predictions.images) + " " + escaped(of) +
         ": a row for what they are, a column for what the model took them "
         "for.</p></figcaption>" +
         (table ? confusion_table(all, classes) : confusion_picture(all)) +
         worst_pairs(all, classes) + "</figure>\n";
}

std::string mistakes_figure(const Predictions& predictions,
                            const data::Dataset& images,
                            const std::string& of) {
  const auto& names = images.class_names();
  std::string html =
      "<figure id='mistakes'><figcaption><h3>Worst mistakes</h3><p>Of the " +
      escaped(of) +
      ", those whose right answer the model thought least likely.</p>"
      "</figcaption>";
  if (predictions.worst.empty()) {
    return html + "<p class='empty'>no mistake</p></figure>\n";
  }
  html += "<div class='mistakes'>";
  for (const Mistake& m : predictions.worst) {
    const std::string answer = class_name(names, m.answer);
    const std::string label = class_name(names, m.label);
    const std::string tip = "image " + std::to_string(m.image) + " of the " +
                            of + "\ntaken for " + answer + ", probability " +
                            value_text(m.confidence, Unit::Percent, 3) +
                            "\nis " + label + ", probability " +
                            value_text(m.label_probability, Unit::Percent, 2);
    const std::vector<std::uint8_t> pixels(
        images.pixels(m.image), images.pixels(m.image) + images.height() *
                                                             images.width() *
                                                             images.channels());
    html += "<div data-tip='" + escaped(tip) + "'><img alt='" + escaped(label) +
            "' src='" +
            picture_uri(Tensor::from<std::uint8_t>(
                pixels, {images.height(), images.width(), images.channels()})) +
            "'><b>" + escaped(answer) + "</b><span>is " + escaped(label) +
            "</span></div>";
  }
  return html + "</div></figure>\n";
}

}  // namespace mjolnir::train::detail
