#include "train/report/detail/style.h"

namespace mjolnir::train::detail {

// Colours after Okabe and Ito, which the colour-blind can tell apart.
const char* const page_style = R"css(
:root {
  color-scheme: light dark;
  --page: #ffffff; --panel: #f6f8fa; --ink: #1f2328; --soft: #59636e;
  --rule: #d8dee4; --grid: #e4e8ec; --accent: #0068b0;
  --good: #1a7f37; --warn: #9a6700; --bad: #c0272d;
  --c0: #0068b0; --c1: #c85200; --c2: #00805c; --c3: #a8327d;
  --c4: #8a6d00; --c5: #5f4bb6; --c6: #2e7f9e; --c7: #6b7280;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0d1117; --panel: #151b23; --ink: #e6edf3; --soft: #9aa5b1;
    --rule: #30363d; --grid: #262c34; --accent: #6cb6ff;
    --good: #56d364; --warn: #e3b341; --bad: #ff7b72;
    --c0: #6cb6ff; --c1: #ff9a57; --c2: #3ddba5; --c3: #f58fd0;
    --c4: #e3c94a; --c5: #b3a5ff; --c6: #7fd6ec; --c7: #a3acb8;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans",
    sans-serif;
  -webkit-text-size-adjust: 100%;
}
main { max-width: 1160px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 40px 0 12px; }
h3 { font-size: 1rem; margin: 0; }
h4 { font-size: .9rem; margin: 16px 0 4px; }
p { margin: 4px 0; }
small { font-size: .85em; color: var(--soft); }
header .sub { color: var(--soft); margin: 4px 0 0; }
.status {
  display: inline-block; margin-left: 8px; padding: 1px 10px;
  border: 1px solid currentColor; border-radius: 99px;
  font-size: .8rem; font-weight: 600; vertical-align: middle;
}
.completed { color: var(--good); }
.running { color: var(--accent); }
.interrupted { color: var(--warn); }
.diverged { color: var(--bad); }
.reason { color: var(--bad); overflow-wrap: anywhere; }
.tiles-row {
  display: grid; gap: 10px; margin: 20px 0 0; padding: 0;
  grid-template-columns: repeat(auto-fit, minmax(160px, 1fr));
}
.tiles-row div {
  background: var(--panel); border: 1px solid var(--rule); border-radius: 8px;
  padding: 10px 14px;
}
.tiles-row dt { color: var(--soft); font-size: .85rem; }
.tiles-row dd {
  margin: 0; font-size: 1.3rem; font-weight: 600; line-height: 1.35;
  font-variant-numeric: tabular-nums;
}
.tiles-row dd { white-space: nowrap; }
.tiles-row dd span { font-size: .95rem; }
.tiles-row dd small { white-space: normal; font-weight: 400; font-size: .85rem; display: block; }
.axis { position: absolute; opacity: 0; pointer-events: none; }
nav {
  position: sticky; top: 0; z-index: 2; display: flex; flex-wrap: wrap;
  gap: 8px; align-items: center; margin: 24px -20px 0; padding: 8px 20px;
  background: var(--page); border-bottom: 1px solid var(--rule);
  font-size: .9rem; color: var(--soft);
}
nav label {
  padding: 3px 12px; border: 1px solid var(--rule); border-radius: 6px;
  color: var(--ink); cursor: pointer;
}
#axis-step:checked ~ nav [for=axis-step],
#axis-epoch:checked ~ nav [for=axis-epoch],
#axis-time:checked ~ nav [for=axis-time] {
  background: var(--accent); border-color: var(--accent); color: var(--page);
}
#axis-step:focus-visible ~ nav [for=axis-step],
#axis-epoch:focus-visible ~ nav [for=axis-epoch],
#axis-time:focus-visible ~ nav [for=axis-time] {
  outline: 2px solid var(--accent); outline-offset: 2px;
}
.view { display: none; }
#axis-step:checked ~ section .by-step,
#axis-epoch:checked ~ section .by-epoch,
#axis-time:checked ~ section .by-time { display: block; }
.figures { display: grid; gap: 16px; grid-template-columns: minmax(0, 1fr); }
@media (min-width: 860px) {
  .figures { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .figures .rows, .figures .whole,
  .figures > .curves:last-child:nth-child(odd) { grid-column: 1 / -1; }
}
figure {
  margin: 0; padding: 14px 16px; min-width: 0;
  border: 1px solid var(--rule); border-radius: 8px;
}
figcaption { margin-bottom: 12px; }
.curves { display: flex; flex-direction: column; }
.curves figcaption { flex: 1; }
figcaption p { color: var(--soft); font-size: .85rem; max-width: 75ch; }
.empty { color: var(--soft); padding: 24px 0; text-align: center; }
.legend {
  display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 6px 0 0; padding: 0;
  list-style: none; font-size: .85rem;
}
.legend li { overflow-wrap: anywhere; color: var(--ink); }
.legend li::before {
  content: ""; display: inline-block; width: 18px; height: 3px;
  margin-right: 6px; border-radius: 2px; background: var(--colour);
  vertical-align: middle;
}
.c0 { --colour: var(--c0); } .c1 { --colour: var(--c1); }
.c2 { --colour: var(--c2); } .c3 { --colour: var(--c3); }
.c4 { --colour: var(--c4); } .c5 { --colour: var(--c5); }
.c6 { --colour: var(--c6); } .c7 { --colour: var(--c7); }
svg { display: block; width: 100%; height: 100%; overflow: visible; }
svg path {
  fill: none; stroke: var(--colour); stroke-width: 1.75;
  vector-effect: non-scaling-stroke;
  stroke-linejoin: round; stroke-linecap: round;
}
svg .grid { stroke: var(--grid); stroke-width: 1; stroke-linecap: butt; }
svg .dots { stroke-width: 6; }
svg .bar { stroke-width: 1.5; opacity: .7; stroke-linecap: butt; }
.chart {
  display: grid; grid-template-columns: 3.6em minmax(0, 1fr);
  grid-template-rows: 210px auto auto; column-gap: 8px; padding-right: 14px;
}
.y, .x { position: relative; font-size: .78rem; color: var(--soft);
  font-variant-numeric: tabular-nums; }
.y span { position: absolute; right: 0; transform: translateY(50%);
  white-space: nowrap; line-height: 1; }
.x { grid-column: 2; height: 1.6em; }
.x span { position: absolute; top: 5px; transform: translateX(-50%);
  white-space: nowrap; }
.x-title { grid-column: 2; text-align: center; font-size: .78rem;
  color: var(--soft); }
.plot { position: relative; border-left: 1px solid var(--rule);
  border-bottom: 1px solid var(--rule); cursor: crosshair;
  touch-action: pan-y; }
.cursor { position: absolute; top: 0; bottom: 0; width: 1px;
  background: var(--soft); pointer-events: none; }
.table {
  display: grid; gap: 3px 10px; align-items: center; font-size: .82rem;
  grid-template-columns: minmax(0, max-content) minmax(0, 1fr) max-content;
}
.name { max-width: 15em; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.sided { display: flex; gap: .5em; }
.sided span { overflow: hidden; text-overflow: ellipsis; }
.sided b { margin-left: auto; }
.value { text-align: right; color: var(--soft);
  font-variant-numeric: tabular-nums; }
.strip { position: relative; height: 24px; background: var(--panel);
  cursor: crosshair; touch-action: pan-y; overflow: hidden; }
.strip i { position: absolute; top: 0; bottom: 0; width: 1px;
  background: var(--grid); }
.looks .strip { background-image: linear-gradient(var(--grid) 1px,
  transparent 1px); background-size: 100% 25%; background-position: 0 -1px; }
.looks svg path { stroke-linecap: butt; stroke-width: 2; }
.refresh { --colour: var(--c0); } .keep { --colour: var(--c7); }
.freeze { --colour: var(--c1); }
.spectra svg, .spectra path { position: relative; }
.whisker, .median { --colour: var(--c0); }
.legend .box { --colour: var(--c0); } .lambda { --colour: var(--c1); }
svg .box { fill: var(--c0); fill-opacity: .35; stroke: none; }
svg .median { stroke-width: 2.5; stroke-linecap: butt; }
svg .lambda { stroke-width: 2.5; stroke-linecap: butt; }
.tiles { display: flex; flex-wrap: wrap; gap: 6px; }
img { image-rendering: pixelated; display: block; }
.tiles img { width: 52px; height: 52px; border-radius: 3px; }
.matrix { width: 100%; max-width: 520px; }
.mistakes { display: grid; gap: 12px;
  grid-template-columns: repeat(auto-fill, minmax(104px, 1fr)); }
.mistakes div { font-size: .8rem; line-height: 1.3; min-width: 0; }
.mistakes img { width: 100%; max-width: 112px; border-radius: 4px;
  margin-bottom: 4px; }
.mistakes b, .mistakes span { display: block; overflow-wrap: anywhere; }
.mistakes b { color: var(--bad); }
.mistakes span { color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums;
  font-size: .85rem; }
.confusion th { font-weight: 400; color: var(--soft); padding: 2px 6px; }
.confusion thead th { vertical-align: bottom; }
.confusion thead span { writing-mode: vertical-rl; transform: rotate(180deg);
  white-space: nowrap; line-height: 1.2; }
.confusion tbody th { text-align: right; white-space: nowrap; }
.confusion td { text-align: center; min-width: 2.6em; padding: 4px 3px;
  border: 1px solid var(--page); }
.confusion .right { background: color-mix(in srgb, var(--c0) calc(var(--s) * .55), var(--panel)); }
.confusion .wrong { background: color-mix(in srgb, var(--c1) calc(var(--s) * .8), var(--panel)); }
.confusion .none { color: transparent; }
.pairs { margin: 4px 0 0; padding: 0; list-style: none; font-size: .85rem;
  display: grid; gap: 2px 24px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); }
.facts { width: 100%; table-layout: fixed; }
.facts th, .facts td { text-align: left; vertical-align: top; padding: 3px 0;
  border-bottom: 1px solid var(--rule); overflow-wrap: anywhere; }
.facts th { font-weight: 400; color: var(--soft); width: 42%;
  padding-right: 12px; }
.wide-table { border: 1px solid var(--rule); border-radius: 8px; }
.wide-table table { width: 100%; }
.wide-table th, .wide-table td { padding: 7px 14px; text-align: right;
  border-bottom: 1px solid var(--rule); white-space: nowrap; }
.wide-table tbody tr:last-child > * { border-bottom: 0; }
.wide-table thead th { color: var(--soft); font-weight: 400;
  vertical-align: bottom; }
.wide-table th:first-child { text-align: left; font-weight: 400; }
.wide-table tbody th::before { content: ""; display: inline-block; width: 10px;
  height: 10px; border-radius: 50%; margin-right: 8px;
  background: var(--colour, transparent); }
.wide-table .best { font-weight: 700; }
.wide-table.plain tbody th::before { display: none; }
footer { margin-top: 40px; color: var(--soft); font-size: .85rem; }
#tip {
  position: fixed; z-index: 3; max-width: min(320px, 90vw); padding: 6px 10px;
  background: var(--ink); color: var(--page); border-radius: 6px;
  font-size: .8rem; line-height: 1.4; white-space: pre-line;
  pointer-events: none; font-variant-numeric: tabular-nums;
}
#tip[hidden] { display: none; }
#tip i { display: inline-block; width: 9px; height: 9px; border-radius: 50%;
  margin-right: 6px; background: var(--colour); border: 1px solid var(--page); }
@media (max-width: 560px) {
  main { padding: 16px 12px 32px; }
  nav { margin: 16px -12px 0; padding: 8px 12px; }
  figure { padding: 12px 10px; }
  .tiles-row { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .tiles-row div { padding: 8px 10px; }
  .chart { grid-template-rows: 180px auto auto; padding-right: 10px;
    column-gap: 6px; }
  .table { column-gap: 6px; font-size: .76rem; }
  .name { max-width: 8.5em; }
  .confusion { font-size: .66rem; }
  .confusion th { padding: 1px 3px; }
  .confusion td { min-width: 2em; padding: 4px 1px; }
  .x span:nth-child(even) { visibility: hidden; }
  .wide-table th, .wide-table td { padding: 6px 10px; }
}
@media print { nav { display: none; } figure { break-inside: avoid; } }
)css";

}  // namespace mjolnir::train::detail
