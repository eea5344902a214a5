// Bars over time, as SVG; the same numbers are a table below, for whoever cannot see them or wants them exactly.

import { el, svg } from "./dom.js";
import { number, shortTime } from "./format.js";
import { table } from "./parts.js";

const HEIGHT = 100;

// steps: times, as RFC 3339; series: [{name, tone, values}], stacked in this order
export function bars(title, steps, series) {
  const totals = steps.map((_, at) => series.reduce((sum, each) => sum + (each.values[at] || 0), 0));
  const most = Math.max(1, ...totals);
  const sum = totals.reduce((all, each) => all + each, 0);
  const drawn = steps.map((step, at) => {
    let top = HEIGHT;
    return series.map((each) => {
      const height = ((each.values[at] || 0) / most) * HEIGHT;
      top -= height;
      const said = `${shortTime(step)} ${each.name}: ${number(each.values[at] || 0)}`;
      return (
        height > 0 && svg("rect", { x: at + 0.1, y: top, width: 0.8, height, class: each.tone }, svg("title", {}, said))
      );
    });
  });
  const columns = [
    { label: "From", cell: (at) => shortTime(steps[at]) },
    ...series.map((each) => ({ label: each.name, cell: (at) => number(each.values[at] || 0), numeric: true })),
  ];
  return el(
    "figure",
    { class: "chart" },
    el(
      "figcaption",
      {},
      el("strong", {}, title),
      series.length > 1 && series.map((each) => el("span", { class: `key ${each.tone}` }, each.name)),
      el("span", { class: "soft most" }, `at most ${number(most)}`),
    ),
    svg(
      "svg",
      {
        viewBox: `0 0 ${Math.max(1, steps.length)} ${HEIGHT}`,
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": `${title}: ${number(sum)} in all, at most ${number(Math.max(0, ...totals))} in a step`,
      },
      drawn,
    ),
    steps.length > 0 &&
      el("p", { class: "axis" }, el("span", {}, shortTime(steps[0])), el("span", {}, shortTime(steps.at(-1)))),
    el(
      "details",
      {},
      el("summary", {}, "As a table", el("span", { class: "hidden" }, `: ${title}`)),
      table(title, columns, [...steps.keys()]),
    ),
  );
}
