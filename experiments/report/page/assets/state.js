// The position of every arm. All arms share a mode; "hand" remembers a stop for each arm and mask.

const lines = data.arms.map((_, arm) => arm);
const baseline = data.arms.findIndex((arm) => arm.baseline);

const state = {
  mask: 0,
  mode: "natural",
  stops: masks.map((mask) => mask.arms.map((arm) => arm.natural)),
  level: 0,
};
// The lock starts at the baseline's tuned point, at a level that the table has.
state.level = nearest(data.recalls, Math.min(0.95, Math.max(0.05, Math.round(20 * (masks[0].arms[baseline].atTuned().recall || 0.5)) / 20)));

function nearest(values, wanted) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (Math.abs(values[i] - wanted) < Math.abs(values[best] - wanted)) best = i;
  return best;
}

function standing(arm, mask = state.mask, mode = state.mode) {
  const here = masks[mask].arms[arm];
  if (mode === "recall") return here.atRecall(state.level);
  if (mode === "tuned") return here.atTuned();
  return here.atStop(mode === "natural" ? here.natural : state.stops[mask][arm]);
}

// The stop of the slider that is nearest to the runs' position.
function stopOf(arm, point) {
  const codes = masks[state.mask].arms[arm].codes;
  const known = point.codes.filter((code) => code <= 0xffff);
  if (!known.length) return masks[state.mask].arms[arm].natural;
  const wanted = known.reduce((a, b) => a + b, 0) / known.length;
  let low = 0;
  let high = codes.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (codes[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low && wanted - codes[low - 1] < codes[low] - wanted ? low - 1 : low;
}

const maskListeners = [];
const pointListeners = [];
function setMask(mask) {
  state.mask = mask;
  for (const listener of maskListeners) listener();
  moved(lines);
}
// Only arms that moved are redrawn; `arms` lists them.
function moved(arms) {
  for (const listener of pointListeners) listener(arms);
}
function setMode(mode) {
  if (mode === "hand" && state.mode !== "hand") {
    state.stops[state.mask] = lines.map((arm) => stopOf(arm, standing(arm)));
  }
  state.mode = mode;
  moved(lines);
}
function setStop(arm, stop) {
  if (state.mode === "recall") {
    setLevel(nearest(data.recalls, masks[state.mask].arms[arm].stopRecalls[stop]));
    return;
  }
  const before = state.mode;
  if (before !== "hand") {
    state.stops[state.mask] = lines.map((each) => stopOf(each, standing(each)));
    state.mode = "hand";
  }
  state.stops[state.mask][arm] = stop;
  moved(before === "tuned" ? lines : [arm]);
}
function setLevel(level) {
  state.level = level;
  state.mode = "recall";
  moved(lines);
}

// Every section can change the mask, and all show the same one.
for (const container of document.querySelectorAll("[data-mask-choice]")) {
  if (masks.length < 2) continue;
  const many = masks.length > 6;
  if (many) {
    const select = element("select");
    masks.forEach((mask, index) => select.append(element("option", { value: index }, mask.name)));
    select.addEventListener("change", () => setMask(Number(select.value)));
    container.append(element("label", { class: "pick" }, "mask ", select));
    maskListeners.push(() => (select.value = String(state.mask)));
  } else {
    const show = choice(container, "mask", masks.map((mask, index) => [index, mask.name]), 0, setMask);
    maskListeners.push(() => show(state.mask));
  }
}
function showMaskParts() {
  for (const part of document.querySelectorAll("[data-mask]")) part.hidden = Number(part.dataset.mask) !== state.mask;
}
maskListeners.push(() => {
  showMaskParts();
  for (const name of document.querySelectorAll("[data-mask-name]")) name.textContent = masks[state.mask].name;
});
