// The curves of training: every value at the step under the pointer, in all charts at once; else at the last step.
const charts = [...document.querySelectorAll("#training figure")];
let step = null;

function markStep(index) {
  step = index;
  const at = index ?? training.steps.length - 1;
  charts.forEach((chart, which) => {
    chart.querySelectorAll("b").forEach((value, series) => (value.textContent = training.values[which][series][at]));
    const cursor = chart.querySelector(".cursor");
    cursor.setAttribute("visibility", index === null ? "hidden" : "visible");
    cursor.setAttribute("transform", `translate(${training.x[at]} 0)`);
    cursor.querySelector("text").textContent = training.steps[at];
  });
}

function stepUnder(event) {
  const box = event.currentTarget.getBoundingClientRect();
  const px = ((event.clientX - box.left) * event.currentTarget.viewBox.baseVal.width) / box.width;
  return training.x.reduce((a, x, b) => (Math.abs(training.x[a] - px) <= Math.abs(x - px) ? a : b), 0);
}

for (const chart of charts) {
  const picture = chart.querySelector(".chart");
  picture.addEventListener("pointermove", (event) => markStep(stepUnder(event)));
  picture.addEventListener("pointerleave", () => markStep(null));
  chart.addEventListener("blur", () => markStep(null));
  chart.addEventListener("keydown", (event) => {
    const last = training.steps.length - 1;
    const keys = { ArrowRight: (step ?? -1) + 1, ArrowLeft: (step ?? last + 1) - 1, Home: 0, End: last };
    if (event.key in keys) markStep(Math.min(Math.max(keys[event.key], 0), last));
    else if (event.key === "Escape") markStep(null);
    else return;
    event.preventDefault();
  });
}
