// One row per arm: its present position.

const rows = [];

function makeRows() {
  const body = document.getElementById("arms");
  data.arms.forEach((arm, index) => {
    const cells = {};
    const values = ["recall", "precision", "F1", "gain"].map((name) => {
      const label = name === "gain" ? `precision vs ${data.arms[baseline].name}` : name;
      cells[name] = [element("b"), element("small", { class: "interval" })];
      return element("div", { class: `value ${name}` }, element("i", {}, label), ...cells[name]);
    });
    const name = element("span", { class: "name" }, arm.name);
    if (arm.baseline) name.append(element("span", { class: "tag" }, "baseline"));
    const head = element("div", { class: "head" }, swatch(arm), name);
    cells.threshold = [element("b"), element("span")];
    const threshold = element("span", { class: "threshold" }, ...cells.threshold);
    const control = element("div", { class: "control" }, head, threshold);
    const row = element("div", { class: "arm", "data-arm": index }, control, ...values);
    row.addEventListener("pointerenter", () => focusArm(index));
    body.append(row);
    rows.push({ row, cells });
  });
}

function showRow(arm) {
  const { row, cells } = rows[arm];
  const point = standing(arm);
  const put = (name, value, small) => {
    say(cells[name][0], value);
    say(cells[name][1], small);
    cells[name][1].classList.toggle("interval", small.startsWith("["));
  };
  const b = point.bounds;
  row.classList.toggle("off", Boolean(point.none));
  if (point.none) {
    put("threshold", "", point.none);
    for (const name of ["recall", "precision", "F1", "gain"]) put(name, "\u2013", "");
    return;
  }
  const [threshold, logit] = thresholdWords(point.codes);
  put("threshold", threshold, ` ${logit}`);
  const silent = point.precisions.filter((value) => value !== value).length;
  const ratio = (name, value, low, high) => put(name, ratioWords(value, digitsOf(low, high)), between(low, high, ratioWords));
  ratio("recall", point.recall, b[0], b[1]);
  ratio("precision", point.precision, b[2], b[3]);
  if (silent) put("precision", ratioWords(point.precision), `nothing found in ${silent} of ${point.precisions.length} seeds`);
  ratio("F1", point.f1, b[4], b[5]);
  if (state.mode === "recall") {
    const [gain, low, high] = point.gain;
    if (arm === baseline) put("gain", "\u2013", "");
    else if (gain === gain) put("gain", signed(gain, digitsOf(low, high)), between(low, high, signed));
    else put("gain", "\u2013", `unreachable for ${data.arms[baseline].name}`);
  }
}

function startRows() {
  makeRows();
  for (const container of document.querySelectorAll("[data-mode-choice]")) {
    const show = choice(container, "all arms at", MODES, "natural", setMode);
    pointListeners.push(() => show(state.mode));
  }
  document.querySelectorAll("[data-lock]").forEach(makeLock);
  const panel = document.getElementById("panel");
  const note = document.getElementById("mode-note");
  document.getElementById("same-recall").addEventListener("click", () => setMode("recall"));
  pointListeners.push((arms) => {
    panel.classList.toggle("locked", state.mode === "recall");
    say(note, NOTES[state.mode]);
    for (const arm of arms) showRow(arm);
  });
}

// The slider for the common recall, in each place of the page that has one.
function makeLock(container, index) {
  const level = element("input", { type: "range", id: `level-${index}`, min: 0, max: data.recalls.length - 1, step: 1 });
  const text = element("output", { for: level.id });
  level.addEventListener("input", () => setLevel(Number(level.value)));
  container.append(element("label", { for: level.id }, "recall of every arm"), level, text);
  pointListeners.push(() => {
    container.hidden = state.mode !== "recall";
    level.value = String(state.level);
    const words = data.recalls[state.level].toFixed(3);
    say(text, words);
    level.setAttribute("aria-valuetext", `recall ${words}`);
  });
}

const MODES = [["natural", "natural point, 0.5"], ["tuned", "tuned on validation"], ["recall", "same recall"], ["hand", "by hand"]];
const NOTES = {
  natural: "Every run at probability 0.5. Differences mix two things: how good the arm is, and how eagerly it fires.",
  tuned: "Every run at the threshold with the best F1 on its validation images, frozen there.",
  recall: "Every run at its own highest threshold with this recall. What differs now is the frontier itself.",
  hand: "Each arm at one threshold for all of its runs. A point is measured, never interpolated.",
};
