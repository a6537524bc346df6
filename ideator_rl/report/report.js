// The data, the table of ideas, and what starts it all. Whatever comes from the run enters the page
// as a text node or as an attribute that cannot act, never as markup.
const find = (id) => document.getElementById(id);
const { ideas, baseline, axes, shapes, training } = JSON.parse(find("data").textContent);
const [plot, table, tip] = [find("plot"), find("ideas"), find("tip")];
const svg = plot.querySelector("svg");
const MOST_LINKS = 12, MOST_IN_ROW = 4;
const view = { x: "count", whole: false, once: find("once")?.checked, hidden: new Set(), query: "", key: "reward", down: true };
const byId = new Map(ideas.map((idea) => [idea.id, idea]));
const bodies = new Map();
// By the place of the first of them: the ideas that came to the same code.
const alike = new Map(ideas.map((idea) => [idea.same, []]));
for (const idea of ideas) alike.get(idea.same).push(idea);

function make(tag, attributes, ...content) {
  const inSvg = ["svg", "path", "line", "rect", "text", "circle"].includes(tag);
  const node = inSvg ? document.createElementNS(svg.namespaceURI, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...content.filter((part) => part !== null));
  return node;
}
const priced = ideas.some((idea) => idea.money);
const money = (x) => (x >= 0.1 ? x.toFixed(2) : String(+x.toPrecision(2)));
const words = (name) => name.replaceAll("_", " ");
const number = (x) => (Math.abs(x) < 10 ? x.toFixed(4) : String(+x.toPrecision(5)));
const signed = (x) => (x < 0 ? "−" : "+") + number(Math.abs(x));
const gain = (idea) => (baseline && idea.reward !== null ? idea.reward - baseline.mean : null);
const kindOf = ({ survives }) => (survives === null ? "undecided" : survives ? "yes" : "no");
const href = (id) => "#idea-" + encodeURIComponent(id);
const glyph = (status) => make("svg", { class: "glyph s-" + status, viewBox: "-7 -7 14 14", "aria-hidden": "true" },
  make("path", { d: shapes[status] }));
const link = (id) => (byId.has(id) ? make("a", { href: href(id), class: "id" }, id) : make("span", { class: "id" }, id));
const links = (ids) => ids.flatMap((id, at) => (at ? [" ", link(id)] : [link(id)]));
const some = (ids, most) => [...links(ids.slice(0, most)), ids.length > most ? ` … (${ids.length} in all)` : ""];

function clock(seconds) {
  const s = Math.round(seconds), pad = (n) => String(n).padStart(2, "0");
  const minutes = Math.floor(s / 60);
  return minutes < 60 ? `${minutes}:${pad(s % 60)}` : `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(s % 60)}`;
}

function shown(idea) {
  const text = () => [idea.id, idea.status, idea.origin, idea.text, idea.detail].join("\n").toLowerCase();
  return !view.hidden.has(idea.status) && (!view.query || text().includes(view.query));
}

const first = (idea) => alike.get(idea.same)[0] === idea;

// ---- the table

function cell(kind, ...content) {
  return make("td", { class: kind }, ...content);
}

function badge({ confirmed }) {
  if (!confirmed) return null;
  return make("span", { class: "badge " + kindOf(confirmed), title: confirmed.reason }, confirmed.verdict);
}

function row(idea) {
  const delta = gain(idea);
  const button = make("button", { type: "button", class: "open-row id", "aria-expanded": "false" }, idea.id);
  const times = alike.get(idea.same).length;
  const again = times > 1 ? make("span", { class: "lineage", title: `${times} ideas came to this code` }, "×" + times) : null;
  const lineage = idea.parents.length ? make("span", { class: "lineage" }, "from ", ...some(idea.parents, MOST_IN_ROW)) : null;
  const line = make("tr", { class: "row" },
    cell("", button, badge(idea), again, lineage, make("p", { class: "about" }, idea.title)),
    cell("", glyph(idea.status), " ", words(idea.status)),
    cell("n", idea.reward === null ? "–" : number(idea.reward)),
    cell("n wide" + (delta > 0 ? " up" : ""), delta === null ? "–" : signed(delta)),
    cell("n mid", String(idea.epoch)),
    cell("n wide", idea.duration.toFixed(1) + " s"),
    cell("n mid", clock(idea.at)),
    ...(priced ? [cell("n wide", money(idea.money))] : []));
  line.addEventListener("click", (event) => {
    if (!event.target.closest("a") && !String(getSelection())) reveal(idea, line.nextSibling?.hidden ?? true);
  });
  const body = make("tbody", {}, line);
  body.id = "idea-" + idea.id;
  return body;
}

function detail(idea) {
  const [experiment, changes] = idea.text.replace("[Experiment]", "").split("[Code Changes]");
  const facts = { ...idea.metrics, "ended in": idea.stage, "budget charged": idea.charged.toFixed(2) + " s", origin: idea.origin };
  facts["slot time"] = idea.slot.toFixed(1) + " s";
  if (idea.kind) facts["kind of change"] = idea.kind;
  if (idea.answers) facts.answers = `${idea.answers} of the implementer, ${idea.tokens} tokens`;
  if (idea.money) facts["US dollars"] = `${money(idea.money)}, without answers that were cancelled or failed`;
  if (idea.cached) facts.known = "an identical codebase had run before";
  if (baseline?.sd && idea.reward !== null) facts["vs. baseline"] = `${signed(gain(idea))}, ${(gain(idea) / baseline.sd).toFixed(1)} s.d.`;
  if (idea.confirmed) facts["on fresh seeds"] = [number(idea.confirmed.mean), idea.confirmed.verdict, idea.confirmed.reason].filter(Boolean).join(", ");
  for (const again of idea.repeats) facts["seed " + again.seed] = again.reward === null ? words(again.status) : number(again.reward);
  const list = make("dl", { class: "facts" });
  for (const [name, value] of Object.entries(facts)) {
    list.append(make("dt", {}, words(name)), make("dd", {}, typeof value === "number" ? number(value) : value || "–"));
  }
  const children = ideas.filter((other) => other.parents.includes(idea.id)).map((other) => other.id);
  const others = alike.get(idea.same).filter((other) => other !== idea).map((other) => other.id);
  if (others.length) list.append(make("dt", {}, "same code"), make("dd", {}, ...some(others, MOST_LINKS)));
  if (idea.parents.length) list.append(make("dt", {}, "builds on"), make("dd", {}, ...some(idea.parents, MOST_LINKS)));
  if (children.length) list.append(make("dt", {}, "led to"), make("dd", {}, ...some(children, MOST_LINKS)));
  const block = (name, node) => (node ? [make("h3", {}, name), node] : []);
  const plain = (text) => (text?.trim() ? make("pre", { tabindex: "0" }, text.trim()) : null);
  return make("tr", { class: "detail" }, make("td", { colspan: priced ? "8" : "7" },
    idea.detail ? make("p", { class: "why" }, idea.detail) : null,
    make("div", { class: "panes" },
      make("div", {}, ...block("Thinking", idea.thinking.trim() ? make("p", { class: "prose" }, idea.thinking.trim()) : null),
        ...block("Idea", make("p", { class: "prose" }, experiment.trim() || "–")),
        ...block("Result", list), ...block("Code changes asked for", plain(changes))),
      make("div", {}, ...block("Difference to its parent's code, " + idea.base, idea.base_diff ? diff(idea.base_diff) : null),
        ...block("Difference to the baseline's code", idea.diff ? diff(idea.diff) : null),
        ...block("End of the log", plain(idea.log))))));
}

function diff(text) {
  const kind = (line) => (/^(\+\+\+|---|diff|index) /.test(line) ? "file"
    : { "+": "add", "-": "del", "@": "hunk" }[line[0]] ?? "same");
  const lines = text.replace(/\n$/, "").split("\n");
  return make("pre", { class: "diff", tabindex: "0" }, ...lines.map((line) => make("span", { class: kind(line) }, line)));
}

function reveal(idea, open, scroll = false) {
  const body = bodies.get(idea), line = body.firstChild;
  if (open && !line.nextSibling) body.append(detail(idea));
  if (line.nextSibling) line.nextSibling.hidden = !open;
  line.classList.toggle("open", open);
  line.querySelector(".open-row").setAttribute("aria-expanded", String(open));
  if (open) [body.hidden, selected] = [false, idea];
  mark(null);
  if (scroll) {
    body.scrollIntoView();
    line.querySelector(".open-row").focus({ preventScroll: true });
  }
}

function order() {
  const { key, down } = view;
  const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
  const sorted = [...ideas].sort((a, b) => {
    // What has no reward comes last, whichever way the others are sorted.
    if (a[key] === null || b[key] === null) return (a[key] === null) - (b[key] === null);
    return (down ? -1 : 1) * compare(a[key], b[key]) || a.order - b.order;
  });
  table.append(...sorted.map((idea) => bodies.get(idea)));
  for (const button of table.querySelectorAll("th button")) {
    const heading = button.parentNode;
    if (button.dataset.key === key) heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    else heading.removeAttribute("aria-sort");
  }
}

function filter() {
  // Who looks for words may find them in a later idea with the same code.
  const listed = (idea) => shown(idea) && (!view.once || view.query || first(idea));
  for (const idea of ideas) bodies.get(idea).hidden = !listed(idea);
  find("none").hidden = ideas.some(listed);
  draw();
}

function follow() {
  const idea = byId.get(decodeURIComponent(location.hash.slice("#idea-".length)));
  if (idea) reveal(idea, true, true);
}

// ---- the start

let bestYet = null;
ideas.forEach((idea, index) => {
  idea.order = index + 1;
  idea.record = idea.reward !== null && (bestYet === null || idea.reward > bestYet);
  bestYet = idea.best;
  bodies.set(idea, row(idea));
});
order();
filter();
follow();
addEventListener("hashchange", follow);
// A page that is put away has no width.
new ResizeObserver(() => plot.clientWidth && draw()).observe(plot);
plot.addEventListener("pointermove", (event) => mark(nearest(event)));
plot.addEventListener("pointerleave", () => mark(null));
plot.addEventListener("blur", () => mark(null));
plot.addEventListener("keydown", onKey);
plot.addEventListener("click", (event) => {
  const point = nearest(event);
  if (point) reveal(point.idea, true, true);
});
find("find").addEventListener("input", (event) => {
  view.query = event.target.value.trim().toLowerCase();
  filter();
});
find("once")?.addEventListener("change", (event) => {
  view.once = event.target.checked;
  filter();
});
find("whole").addEventListener("change", (event) => {
  view.whole = event.target.checked;
  draw();
});
for (const radio of document.querySelectorAll("[name=x]")) {
  radio.addEventListener("change", () => {
    view.x = radio.value;
    draw();
  });
}
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const { key } = button.dataset;
    view.down = view.key === key ? !view.down : key === "reward";
    view.key = key;
    order();
  });
}
for (const button of document.querySelectorAll("[data-status]")) {
  button.addEventListener("click", () => {
    const { status } = button.dataset, hide = !view.hidden.has(status);
    view.hidden[hide ? "add" : "delete"](status);
    button.setAttribute("aria-pressed", String(!hide));
    filter();
  });
}
