// One ruler of logits for all thresholds: a lane and a thumb per arm, so that the distance between thumbs is the slide.

const LIMIT = 8; // logits; thresholds beyond the ruler stand at its end
const lanes = [];

function startRuler() {
  const holder = document.getElementById("ruler");
  const told = element("p", { class: "fine" });
  const ticks = element("div", { class: "ticks", "aria-hidden": "true" });
  for (const logit of [-8, -6, -4, -2, 0, 2, 4, 6, 8]) {
    const tick = element("span", {}, minus(String(logit)));
    tick.style.setProperty("--at", shareOf(logit));
    ticks.append(tick);
  }
  holder.append(
    element("div", { class: "lane top" }, element("span", {}), element("span", { class: "axis-name" }, "threshold, logits"), element("span", {}, "slide")),
    ...data.arms.map(makeLane),
    element("div", { class: "lane foot" }, element("span", {}), ticks, element("span", {})),
    told,
  );

  // The slides of arms that moved; where the baseline moved, of all.
  function show(arms) {
    const base = thresholdOf(baseline);
    for (const arm of arms.includes(baseline) ? lines : arms) showLane(arm, base);
    say(told, state.mode === "natural" ? "All at logit 0, probability 0.5. Drag a thumb, or use the arrow keys." : RULER_NOTES[state.mode]);
  }
  pointListeners.push(show);
}

const RULER_NOTES = {
  tuned: "Each arm at its tuned threshold. A bar is its distance from the baseline's: the slide.",
  recall: "Locked: a thumb takes all others along to its recall. Each bar is the slide between two arms of the same recall.",
  hand: "A bar is an arm's distance from the baseline.",
};

// The mean threshold of an arm's runs, as a logit.
function thresholdOf(arm) {
  const point = standing(arm);
  return point.none ? NaN : meanOf(point.codes.map(logitOf));
}
const onRuler = (logit) => Math.min(Math.max(logit, -LIMIT), LIMIT);
const shareOf = (logit) => (onRuler(logit) + LIMIT) / (2 * LIMIT);

function makeLane(arm, index) {
  const slider = element("input", { type: "range", min: -LIMIT, max: LIMIT, step: "any", "aria-label": `threshold of ${arm.name}` });
  slider.style.setProperty("--thumb", colourOf(arm));
  slider.addEventListener("input", () => setStop(index, stopAt(index, Number(slider.value))));
  // Keys go from one measured threshold to the next, which may be less than a pixel away.
  slider.addEventListener("keydown", (event) => {
    const last = masks[state.mask].arms[index].codes.length - 1;
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity }[event.key];
    if (!by || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    if (state.mode === "recall") setLevel(Math.min(Math.max(state.level - (Math.abs(by) > 10 ? Math.sign(by) * data.recalls.length : by), 0), data.recalls.length - 1));
    else setStop(index, Math.min(Math.max(stopNow(index) + by, 0), last));
  });
  const bar = element("span", { class: "slide-bar" });
  bar.style.background = colourOf(arm);
  const slide = element("span", { class: "slide-of" });
  const name = element("span", { class: "lane-name" }, swatch(arm), element("span", { class: "lane-arm" }, arm.name));
  const lane = element("div", { class: "lane", "data-arm": index }, name, element("span", { class: "track" }, bar, slider), slide);
  lane.addEventListener("pointerenter", () => focusArm(index));
  lane.addEventListener("focusin", () => focusArm(index));
  lanes.push({ lane, slider, bar, slide });
  return lane;
}

function showLane(arm, base) {
  const { lane, slider, bar, slide } = lanes[arm];
  const point = standing(arm);
  const logit = thresholdOf(arm);
  lane.classList.toggle("off", Boolean(point.none));
  if (!point.none) slider.value = String(onRuler(logit));
  slider.setAttribute("aria-valuetext", valueText(point));
  const apart = logit - base;
  const [from, to] = [shareOf(base), shareOf(logit)];
  bar.style.setProperty("--from", apart === apart ? Math.min(from, to) : 0);
  bar.style.setProperty("--long", apart === apart ? Math.abs(to - from) : 0);
  say(slide, arm === baseline ? "baseline" : apart === apart ? (apart < 0 ? "" : "+") + logitWords(apart) : "\u2013");
}

function valueText(point) {
  if (point.none) return point.none;
  const [threshold, logit] = thresholdWords(point.codes);
  return `threshold ${threshold}, ${logit}, recall ${ratioWords(point.recall)}, precision ${ratioWords(point.precision)}, F1 ${ratioWords(point.f1)}`;
}

// The measured threshold nearest to a place on the ruler; its ends stand for the first and the last.
function stopAt(arm, logit) {
  const { codes } = masks[state.mask].arms[arm];
  if (logit <= -LIMIT) return 0;
  if (logit >= LIMIT) return codes.length - 1;
  let [low, high] = [0, codes.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (logitOf(codes[middle]) < logit) low = middle + 1;
    else high = middle;
  }
  return low && logit - logitOf(codes[low - 1]) < logitOf(codes[low]) - logit ? low - 1 : low;
}
const stopNow = (arm) => (state.mode === "hand" ? state.stops[state.mask][arm] : stopOf(arm, standing(arm)));
