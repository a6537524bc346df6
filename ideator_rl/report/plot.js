"use strict";
// The plot: every idea's reward, what fresh seeds made of the best, the best so far, the noise floor. Comes before report.js in one script.
let points = [], current = null, selected = null;

function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((m) => m * power >= rough * 0.999) * power;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, k) => [(first + k) * step, ((first + k) * step).toFixed(digits)]);
}

function rewardRange() {
  const rewards = ideas.filter((i) => i.reward !== null).map((i) => i.reward).sort((a, b) => a - b);
  const base = baseline ? [baseline.mean - 2 * (baseline.sd ?? 0), baseline.mean + 2 * (baseline.sd ?? 0)] : [];
  const means = ideas.filter((i) => i.confirmed).map((i) => i.confirmed.mean);
  const high = Math.max(...rewards.slice(-1), ...means, ...base), low = Math.min(...rewards.slice(0, 1), ...base);
  // A few hopeless ideas must not squash the rest: they are drawn as arrows at the lower edge.
  const quartile = rewards[Math.floor(rewards.length / 4)] ?? low;
  const spread = Math.max(high - quartile, high - (base[0] ?? high));
  const fence = Math.min(high - 2.5 * spread, ...base.slice(0, 1));
  const cut = spread > 0 && low < fence;
  find("whole-label").hidden = !cut;
  const bottom = cut && !view.whole ? Math.min(rewards.find((r) => r >= fence), ...base) : low;
  const room = (high - bottom) * 0.07 || Math.abs(high) * 0.1 || 1;
  return Number.isFinite(high) ? [bottom - room, high + room] : [0, 1];
}

function draw() {
  const width = plot.clientWidth, narrow = width < 560;
  const failed = Object.keys(shapes).filter((s) => ideas.some((i) => i.status === s && i.reward === null));
  const left = narrow ? 46 : 118, right = width - 10, top = 22, bottom = narrow ? 250 : 340, lane = 22;
  const lanes = bottom + 12, end = lanes + lane * failed.length, height = end + 46;
  const byTime = view.x === "time", last = byTime ? Math.max(...ideas.map((i) => i.at), 0) : ideas.length;
  const [unit, name] = !byTime ? [1, "ideas executed"] : last < 180 ? [1, "wall time, seconds"]
    : last < 10800 ? [60, "wall time, minutes"] : [3600, "wall time, hours"];
  const [low, high] = rewardRange();
  const x = (value) => left + 8 + ((right - left - 16) * value) / (last || 1);
  const y = (value) => bottom - ((bottom - top) * (value - low)) / (high - low);
  const parts = [];
  const add = (...arguments_) => parts.push(make(...arguments_));
  const line = (kind, x1, y1, x2, y2) => add("line", { class: kind, x1, y1, x2, y2 });
  const text = (kind, tx, ty, anchor, content) => add("text", { class: kind, x: tx, y: ty, "text-anchor": anchor }, content);

  for (const [value, label] of ticks(low, high, 6)) {
    line("grid", left, y(value), right, y(value));
    text("", left - 8, y(value) + 4, "end", label);
  }
  for (const [value, label] of ticks(0, (last || 1) / unit, narrow ? 4 : 8)) {
    if (byTime || Number.isInteger(value)) text("", x(value * unit), end + 18, "middle", label);
  }
  text("", right, end + 38, "end", name);
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
