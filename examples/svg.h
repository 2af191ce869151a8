#pragma once

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace svg {

/** A point of the plane that is drawn. */
struct Point {
  double x = 0;
  double y = 0;
};
using Points = std::vector<Point>;

/**
 * A picture of a rectangle of the plane, with axes and a legend, for light and
 * dark pages. Lines have a kind, which gives them their looks.
 */
class Plot {
 public:
  /** Of [low.x, high.x] x [low.y, high.y]. */
  Plot(Point low, Point high) : low_(low), high_(high) {}

  bool shows(Point p) const {
    return p.x >= low_.x && p.x <= high_.x && p.y >= low_.y && p.y <= high_.y;
  }

  /** Makes a kind: what the legend says of it, its colour on a light and on a
   * dark page, the width of its lines, and their dashes, if there are some. */
  void kind(const std::string& name, const std::string& text,
            const std::string& on_light, const std::string& on_dark,
            double line_width, const std::string& dashes = "none") {
    const auto rules = [&](const std::string& colour) {
      return "path." + name + "{stroke:" + colour + "}\ncircle." + name +
             "{fill:" + colour + "}\n";
    };
    light_ += rules(on_light) + "path." + name +
              "{stroke-width:" + number(line_width) +
              ";stroke-dasharray:" + dashes + "}\n";
    dark_ += rules(on_dark);
    const double y = top + 12 + 24 * entries_++;
    const double x = left + width + 22;
    outside_ += "<path class='" + name + "' d='M" + number(x) + "," +
                number(y) + "h30'/>\n" + words("start", x + 40, y + 5, text);
  }

  void line(const std::string& kind, const Points& points) {
    inside_ += "<path class='" + kind + "' d='" + path_of(points) + "'/>\n";
  }
  /** Points joined by a line, in a colour of their own, with a line of the
   * legend. */
  void walk(const Points& points, const std::string& text) {
    // Okabe and Ito's colours, which the colour-blind can tell apart.
    static const char* const on_light[] = {"#0072b2", "#d55e00", "#009e73",
                                           "#b3186d"};
    static const char* const on_dark[] = {"#58a6ff", "#ff8c42", "#3fb950",
                                          "#ff7bc0"};
    const std::size_t colour = walks_++ % 4;
    const std::string name = "walk" + std::to_string(walks_);
    kind(name, text, on_light[colour], on_dark[colour], 2);
    line(name, points);
    for (const Point& p : points) {
      inside_ += "<circle class='" + name + "' cx='" + number(px(p.x)) +
                 "' cy='" + number(py(p.y)) + "' r='2.6'/>\n";
    }
  }
  /** All center + d with d^T m d = radius^2, m = {a, b, b, c} of the center,
   * at centers (i step, j step); none where m is not positive definite. */
  void ellipses(const std::string& kind, double radius, double step,
                const std::function<std::vector<double>(Point)>& m_of) {
    for (double i = std::ceil(low_.x / step); i * step < high_.x; ++i) {
      for (double j = std::ceil(low_.y / step); j * step < high_.y; ++j) {
        const Point center = {i * step, j * step};
        const std::vector<double> m = m_of(center);
        if (!(m[0] > 0 && m[0] * m[3] > m[1] * m[1])) continue;
        // d = radius L^-T u for the points u of a circle and m = L L^T.
        const double l11 = std::sqrt(m[0]), l21 = m[1] / l11;
        const double l22 = std::sqrt(m[3] - l21 * l21);
        Points points;
        for (int k = 0; k <= 64; ++k) {
          const double y = radius * std::sin(k * pi / 32) / l22;
          const double x = (radius * std::cos(k * pi / 32) - l21 * y) / l11;
          points.push_back({center.x + x, center.y + y});
        }
        line(kind, points);
      }
    }
  }
  /** The lines on which f has one of the levels, by linear interpolation of
   * its values on a grid. */
  void contours(const std::string& kind, const std::vector<double>& levels,
                const std::function<double(Point)>& f) {
    std::vector<double> values;
    for (std::size_t v = 0; v < grid * grid; ++v) values.push_back(f(node(v)));
    for (const double level : levels) contour(kind, values, level);
  }
  void mark(Point at, const std::string& text) {
    inside_ += "<circle class='mark' cx='" + number(px(at.x)) + "' cy='" +
               number(py(at.y)) + "' r='4'/>\n" +
               words("start", px(at.x) + 9, py(at.y) - 7, text);
  }
  /** Numbers at the multiples of `step`, and names of the axes. */
  void axes(const std::string& x_name, const std::string& y_name, double step) {
    const double bottom = top + height;
    for (double i = std::ceil(low_.x / step); i * step <= high_.x; ++i)
      outside_ += words("middle", px(i * step), bottom + 20, tick(i * step));
    for (double i = std::ceil(low_.y / step); i * step <= high_.y; ++i)
      outside_ += words("end", left - 8, py(i * step) + 5, tick(i * step));
    outside_ += words("middle", left + width / 2, bottom + 44, x_name);
    outside_ += "<g transform='translate(18 " + number(top + height / 2) +
                ") rotate(-90)'>\n" + words("middle", 0, 0, y_name) + "</g>\n";
  }

  /** Writes the file. Throws runtime_error. */
  void write(const std::string& path, const std::string& title) const {
    const std::string frame =
        "<rect class='frame' x='" + number(left) + "' y='" + number(top) +
        "' width='" + number(width) + "' height='" + number(height) + "'/>\n";
    std::ofstream file(path);
    file << "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 "
         << number(left + width + right) << " " << number(top + height + 60)
         << "'>\n<title>" << title << "</title>\n<style>\n"
         << "path{fill:none;stroke-linejoin:round;stroke-linecap:round}\n"
         << "text{font:14px sans-serif}\ntext,.mark{fill:#1f2328}\n"
         << ".page{fill:#ffffff}\n.frame{fill:none;stroke:#8c959f}\n"
         << light_ << "@media (prefers-color-scheme: dark) {\n"
         << "text,.mark{fill:#e6edf3}\n"
         << ".page{fill:#0d1117}\n.frame{stroke:#6e7681}\n"
         << dark_ << "}\n</style>\n<clipPath id='inside'>" << frame
         << "</clipPath>\n<rect class='page' width='100%' height='100%'/>\n"
         << words("start", left, 28, title) << "<g clip-path='url(#inside)'>\n"
         << inside_ << "</g>\n"
         << frame << outside_ << "</svg>\n";
    if (!file.flush()) throw std::runtime_error("cannot write " + path);
  }

 private:
  static constexpr double pi = 3.14159265358979323846;
  static constexpr double left = 64, top = 44, right = 240;
  static constexpr double width = 540, height = 540;
  static constexpr std::size_t grid = 109;  // points along each side

  /** Marching triangles; a point of the line lies on an edge of the grid, which
   * two nodes name. */
  void contour(const std::string& kind, const std::vector<double>& values,
               double level) {
    using Edge = std::pair<std::size_t, std::size_t>;
    std::map<Edge, std::vector<Edge>> next;
    const auto triangle = [&](std::size_t a, std::size_t b, std::size_t c) {
      std::vector<Edge> cut;
      for (const Edge& e : {Edge{a, b}, Edge{b, c}, Edge{a, c}}) {
        if ((values[e.first] < level) != (values[e.second] < level))
          cut.push_back(e);
      }
      if (cut.empty()) return;
      next[cut[0]].push_back(cut[1]);
      next[cut[1]].push_back(cut[0]);
    };
    for (std::size_t v = 0; v + grid < grid * grid; ++v) {
      if (v % grid == grid - 1) continue;
      triangle(v, v + 1, v + grid + 1);
      triangle(v, v + grid, v + grid + 1);
    }
    const auto point = [&](const Edge& e) {
      const Point p = node(e.first), q = node(e.second);
      const double t =
          (level - values[e.first]) / (values[e.second] - values[e.first]);
      return Point{p.x + t * (q.x - p.x), p.y + t * (q.y - p.y)};
    };
    // Lines that end at the frame first; what is left are rings.
    std::string path;
    std::set<Edge> done;
    for (const std::size_t neighbours : {1u, 2u}) {
      for (const auto& [start, around] : next) {
        if (around.size() != neighbours || done.count(start) > 0) continue;
        Points points;
        for (const Edge* at = &start; at != nullptr;) {
          done.insert(*at);
          points.push_back(point(*at));
          const Edge* to = nullptr;
          for (const Edge& e : next.at(*at)) {
            if (done.count(e) == 0) to = &e;
          }
          at = to;
        }
        if (neighbours == 2) points.push_back(points.front());
        path += path_of(points);
      }
    }
    inside_ += "<path class='" + kind + "' d='" + path + "'/>\n";
  }

  Point node(std::size_t v) const {
    const auto share = [](std::size_t i) { return double(i) / (grid - 1); };
    return {low_.x + share(v % grid) * (high_.x - low_.x),
            low_.y + share(v / grid) * (high_.y - low_.y)};
  }
  double px(double x) const {
    return left + width * (x - low_.x) / (high_.x - low_.x);
  }
  double py(double y) const {
    return top + height * (high_.y - y) / (high_.y - low_.y);
  }
  std::string path_of(const Points& points) const {
    std::string path;
    for (const Point& p : points) {
      path +=
          (path.empty() ? "M" : "L") + number(px(p.x)) + "," + number(py(p.y));
    }
    return path;
  }
  static std::string number(double value, const char* format = "%.1f") {
    char text[32];
    std::snprintf(text, sizeof text, format, value);
    return text;
  }
  static std::string tick(double value) { return number(value, "%g"); }
  static std::string words(const char* anchor, double x, double y,
                           const std::string& text) {
    return "<text text-anchor='" + std::string(anchor) + "' x='" + number(x) +
           "' y='" + number(y) + "'>" + text + "</text>\n";
  }

  Point low_;
  Point high_;
  std::size_t walks_ = 0;
  int entries_ = 0;    // of the legend
  std::string light_;  // rules of the style sheet
  std::string dark_;
  std::string inside_;   // what the frame clips
  std::string outside_;  // axes and legend
};

}  // namespace svg
