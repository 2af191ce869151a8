#include "train/report/detail/style.h"

namespace mjolnir::train::detail {

const char* const page_script = R"js(
"use strict";
(() => {
  const axes = ["step", "epoch", "time"];
  const tip = document.body.appendChild(document.createElement("div"));
  tip.id = "tip";
  tip.hidden = true;

  // The axis outlives a reload.
  const key = "mjolnir-axis";
  const stored = { get: () => null, set: () => {} };
  try {
    sessionStorage.getItem(key);
    stored.get = () => sessionStorage.getItem(key);
    stored.set = (value) => sessionStorage.setItem(key, value);
  } catch (refused) { /* a page from a file may be denied it */ }
  for (const axis of axes) {
    const input = document.getElementById("axis-" + axis);
    if (!input) continue;
    if (stored.get() === axis) input.checked = true;
    input.addEventListener("change", () => stored.set(axis));
  }

  // Texts of values, as on the axes.
  const short = (v, digits) => {
    if (v === null) return "–";
    const a = Math.abs(v);
    if (v === 0 || (a >= 1e-4 && a < 1e6)) {
      return String(Number(v.toPrecision(digits)));
    }
    return v.toExponential(digits - 1).replace("e+", "e");
  };
  const clock = (seconds) => {
    if (seconds < 60) return short(seconds, 3) + " s";
    const s = Math.round(seconds), two = (n) => String(n).padStart(2, "0");
    const h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
    return (h ? h + ":" + two(m) : m) + ":" + two(s % 60);
  };
  const at = (axis, x) => axis === "time" ? clock(x)
    : axis === "epoch" ? "epoch " + x.toFixed(2) : "step " + Math.round(x);
  const value = (unit, v, e) => {
    const percent = unit === "percent" && v !== null;
    const number = percent ? (100 * v).toFixed(2) : short(v, 4);
    const error = e > 0
      ? " ± " + (percent ? (100 * e).toFixed(2) : short(e, 2)) : "";
    return number + error + (percent ? " %" : "");
  };

  const show = (x, y, parts) => {
    tip.replaceChildren(...parts);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const right = x + 14 + box.width < innerWidth;
    tip.style.left = Math.max(4, right ? x + 14 : x - 14 - box.width) + "px";
    tip.style.top =
      Math.max(4, Math.min(y + 14, innerHeight - box.height - 4)) + "px";
  };
  const hide = () => {
    tip.hidden = true;
    document.querySelectorAll(".cursor").forEach((line) => line.remove());
  };
  const line = (text, colour) => {
    const row = document.createElement("div");
    if (colour !== undefined) {
      const dot = row.appendChild(document.createElement("i"));
      dot.className = "c" + colour;
    }
    row.append(text);
    return row;
  };
  const mark = (plot, share) => {
    document.querySelectorAll(".cursor").forEach((line) => line.remove());
    const cursor = plot.appendChild(document.createElement("div"));
    cursor.className = "cursor";
    cursor.style.left = 100 * share + "%";
  };
  const nearest = (xs, x) => {
    let best = -1;
    xs.forEach((v, i) => {
      if (v !== null && (best < 0 || Math.abs(v - x) < Math.abs(xs[best] - x)))
        best = i;
    });
    return best;
  };
  // Where the pointer is on a plot's axis.
  const pointed = (plot, event, ends) => {
    const box = plot.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    return share * ends[axes.indexOf(plot.dataset.axis)];
  };

  const follow = (plot, tell) => {
    const handle = (event) => tell(event);
    plot.addEventListener("pointermove", handle);
    plot.addEventListener("pointerdown", handle);
    plot.addEventListener("pointerleave", hide);
  };
  const data_of = (figure) => JSON.parse(
    figure.querySelector("script[type='application/json']").textContent);

  document.querySelectorAll("figure.curves").forEach((figure) => {
    let data = null;
    figure.querySelectorAll(".plot").forEach((plot) => follow(plot, (event) => {
      data = data || data_of(figure);
      const axis = axes.indexOf(plot.dataset.axis);
      const x = pointed(plot, event, data.ends);
      // All curves at the point that is nearest in any of them.
      let place = null;
      for (const curve of data.curves) {
        const i = nearest(curve.x[axis], x);
        if (i >= 0 && (place === null ||
            Math.abs(curve.x[axis][i] - x) < Math.abs(place - x)))
          place = curve.x[axis][i];
      }
      if (place === null) return;
      const rows = [line(at(plot.dataset.axis, place))];
      for (const curve of data.curves) {
        const i = nearest(curve.x[axis], place);
        if (i < 0) continue;
        const e = curve.errors ? curve.errors[i] : 0;
        const name = data.curves.length > 1 ? curve.name + " " : "";
        rows.push(line(name + value(data.unit, curve.values[i], e),
                       data.curves.length > 1 ? curve.colour : undefined));
      }
      show(event.clientX, event.clientY, rows);
      mark(plot, place / data.ends[axis]);
    }));
  });

  const verdicts = { r: "refreshed", k: "kept", f: "frozen" };
  document.querySelectorAll("figure.looks").forEach((figure) => {
    let data = null;
    figure.querySelectorAll(".strip").forEach((strip) => follow(strip, (event) => {
      data = data || data_of(figure);
      const layer = data.layers[Number(strip.dataset.row)];
      const axis = axes.indexOf(strip.dataset.axis);
      const i = nearest(layer.x[axis], pointed(strip, event, data.ends));
      if (i < 0) return;
      show(event.clientX, event.clientY, [
        line(layer.name + ", " + at(strip.dataset.axis, layer.x[axis][i])),
        line("Δ " + short(layer.delta[i], 3) + ", " + verdicts[layer.verdict[i]]),
        line("λ " + short(layer.damping[i], 3))]);
      mark(strip, layer.x[axis][i] / data.ends[axis]);
    }));
  });

  document.querySelectorAll("[data-tip]").forEach((element) =>
    follow(element, (event) =>
      show(event.clientX, event.clientY, [line(element.dataset.tip)])));
  addEventListener("scroll", hide, { passive: true });

  // While the run goes on, and somebody looks, but points at nothing.
  if (document.body.dataset.running) {
    setInterval(() => {
      if (!document.hidden && tip.hidden) location.reload();
    }, 10000);
  }
})();
)js";

}  // namespace mjolnir::train::detail
