"use strict";
// The plot: every idea's reward, what fresh seeds made of the best, the best so far, the noise floor. Comes before report.js in one script.
let points = [], current = null, selected = null;

function draw() {
  const width = plot.clientWidth, narrow = width < 560;
  const failed = Object.keys(shapes).filter((s) => ideas.some((i) => i.status === s && i.reward === null));
  const left = narrow ? 46 : 118, right = width - 10, top = 22, bottom = narrow ? 250 : 340, lane = 22;
  const lanes = bottom + 12, end = lanes + lane * failed.length, height = end + 46;
  const byTime = view.x === "time", across = byTime ? axes.time : axes.count;
  const { low, high, ticks } = (view.whole && axes.reward.whole) || axes.reward.fitted;
  find("whole-label").hidden = !axes.reward.whole;
  const x = (value) => left + 8 + ((right - left - 16) * value) / across.last;
  const y = (value) => bottom - ((bottom - top) * (value - low)) / (high - low);
  const parts = [];
  const add = (...arguments_) => parts.push(make(...arguments_));
  const line = (kind, x1, y1, x2, y2) => add("line", { class: kind, x1, y1, x2, y2 });
  const text = (kind, tx, ty, anchor, content) => add("text", { class: kind, x: tx, y: ty, "text-anchor": anchor }, content);

  for (const [value, label] of ticks) {
    line("grid", left, y(value), right, y(value));
    text("", left - 8, y(value) + 4, "end", label);
  }
  for (const [value, label] of narrow ? across.narrow : across.wide) text("", x(value), end + 18, "middle", label);
  text("", right, end + 38, "end", across.name);
  if (!narrow) text("", left - 8, 10, "end", "reward");
  failed.forEach((status, row) => {
    add("rect", { class: "lane", x: left, y: lanes + row * lane, width: right - left, height: lane - 2 });
    if (!narrow) text("", left - 8, lanes + row * lane + 14, "end", words(status));
  });
  if (baseline) {
    const spread = 2 * (baseline.sd ?? 0), at = y(baseline.mean);
    if (spread) add("rect", { class: "band", x: left, y: y(baseline.mean + spread), width: right - left, height: y(baseline.mean - spread) - y(baseline.mean + spread) });
    line("baseline", left, at, right, at);
  }
  points = ideas.filter(shown).map((idea) => {
    const below = idea.reward !== null && idea.reward < low;
    const py = idea.reward === null ? lanes + lane * (failed.indexOf(idea.status) + 0.5) - 1 : below ? bottom - 6 : y(idea.reward);
    return { idea, px: x(byTime ? idea.at : idea.order), py, shape: below ? "M-4-3H4L0 5z" : shapes[idea.status] };
  });
  const measured = ideas.filter((i) => i.best !== null);
  if (measured.length) {
    const steps = measured.map((i, k) => (k ? "H" : "M") + x(byTime ? i.at : i.order) + (k ? "V" : " ") + y(Math.max(i.best, low)));
    add("path", { class: "best", d: steps.join("") + "H" + right });
    text("label", right, y(measured.at(-1).best) - 8, "end", "best so far " + number(measured.at(-1).best));
  }
  if (baseline) {
    const spread = baseline.sd ? (narrow ? " ± " + number(2 * baseline.sd) : ` ± 2 s.d., ${baseline.n} seeds`) : "";
    const label = (spread ? "noise floor: " : "") + "baseline " + number(baseline.mean) + spread;
    text("label base", right, y(baseline.mean - 2 * (baseline.sd ?? 0)) + 15, "end", label);
  }
  for (const { idea, px, py } of points.filter((p) => p.idea.confirmed)) {
    const kind = kindOf(idea.confirmed), below = idea.confirmed.mean < low, at = below ? bottom - 6 : y(idea.confirmed.mean);
    line("whisker " + kind, px, py, px, at);
    add("path", { class: "mean " + kind, d: below ? "M-4-3H4L0 5z" : "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z", transform: `translate(${px} ${at})` });
  }
  const scale = ideas.length > 400 ? 0.7 : 1;
  for (const { idea, px, py, shape } of points) {
    const kind = `point s-${idea.status}${idea.record ? " record" : ""}`;
    add("path", { class: kind, d: shape, transform: `translate(${px} ${py}) scale(${scale})` });
  }
  svg.setAttribute("height", height);
  svg.replaceChildren(...parts, make("circle", { class: "ring", r: 8, visibility: "hidden" }));
  mark(null);
}

function mark(point) {
  current = point;
  const ringed = point ?? points.find((p) => p.idea === selected);
  const ring = svg.querySelector(".ring");
  ring.setAttribute("visibility", ringed ? "visible" : "hidden");
  if (ringed) ring.setAttribute("transform", `translate(${ringed.px} ${ringed.py})`);
  tip.hidden = !point;
  if (!point) return;
  const { idea } = point, delta = gain(idea);
  const value = idea.reward === null ? words(idea.status) : number(idea.reward) + (delta === null ? "" : ` (${signed(delta)})`);
  const fresh = idea.confirmed && make("p", {}, `on fresh seeds ${number(idea.confirmed.mean)}: ${idea.confirmed.verdict}`);
  tip.replaceChildren(make("span", { class: "id" }, idea.id), " ", make("b", {}, value), fresh ?? "", make("p", {}, idea.detail || idea.title));
  tip.style.left = Math.max(0, Math.min(point.px + 14, plot.clientWidth - tip.offsetWidth)) + "px";
  tip.style.top = (point.py > 170 ? point.py - tip.offsetHeight - 12 : point.py + 14) + "px";
}

function nearest(event) {
  const box = svg.getBoundingClientRect();
  const away = (p) => Math.hypot(p.px - event.clientX + box.left, p.py - event.clientY + box.top);
  const point = points.reduce((a, b) => (a && away(a) <= away(b) ? a : b), null);
  return point && away(point) < 22 ? point : null;
}

function onKey(event) {
  const at = points.indexOf(current), keys = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: points.length - 1 };
  if (event.key in keys && points.length) mark(points[Math.min(Math.max(keys[event.key], 0), points.length - 1)]);
  else if (event.key === "Enter" && current) reveal(current.idea, true, true);
  else if (event.key === "Escape") mark(null);
  else return;
  event.preventDefault();
}
