// The plank: precision on its left end, recall on its right, F1 where the fulcrum is.

const seesaw = { step: 0, point: "natural" };

// In a weight study the slider goes over the weights, ascending; else over the arms in the order of the report.
const weighted = lines.filter((arm) => data.arms[arm].weight !== null);
const steps = weighted.length ? weighted.sort((a, b) => data.arms[a].weight - data.arms[b].weight) : lines;
const weightOf = (arm) => String(Number(data.arms[arm].weight.toPrecision(4)));
const stepName = (arm) => (weighted.length ? `weight ${weightOf(arm)}` : data.arms[arm].name);

// Mean over runs of F-beta = 1 / ((1 - t) / P + t / R), where t = beta^2 / (1 + beta^2) weighs recall: from
// precision (t = 0) by F1 (t = 1/2) to recall (t = 1).
function plankAt(point, t) {
  return meanOf(
    point.recalls.map((recall, run) => {
      const precision = point.precisions[run];
      if (!(recall > 0 && precision > 0)) return recall === 0 || precision === 0 ? 0 : NaN;
      return 1 / ((1 - t) / precision + t / recall);
    }),
  );
}

function startSeesaw() {
  const holder = document.getElementById("plank");
  const traceHolder = document.getElementById("trace");
  const slider = document.getElementById("step");
  const title = document.getElementById("step-name");
  const sentence = document.getElementById("seesaw-text");
  const answer = document.getElementById("seesaw-answer");
  const svg = shape("svg", { class: "plot", role: "img" });
  const trace = shape("svg", { class: "plot", role: "img" });
  holder.append(svg);
  traceHolder.append(trace);
  slider.max = String(steps.length - 1);
  document.getElementById("step-label").textContent = weighted.length ? "positive-class weight" : "arm";
  // Each weight goes below its stop of the slider; names of arms would not fit.
  if (weighted.length) document.getElementById("stops").append(...steps.map((arm) => element("span", {}, weightOf(arm))));
  document.getElementById("trace-title").textContent = weighted.length ? "All measured weights" : "All arms";
  slider.addEventListener("input", () => {
    seesaw.step = Number(slider.value);
    show();
  });
  choice(
    document.getElementById("seesaw-point"),
    "each run at its",
    [["natural", "natural point, 0.5"], ["tuned", "tuned point"]],
    "natural",
    (point) => {
      seesaw.point = point;
      drawTrace();
      show();
    },
  );
  const others = lines.filter((arm) => !steps.includes(arm)).map((arm) => data.arms[arm].name);
  if (others.length) document.getElementById("trace-note").textContent = ` Not on this slider, because the weight is not all that differs: ${others.join(", ")}.`;
  let width = 0;
  let traceWidth = 0;
  let parts = null;
  let y = null;
  let left = 0;
  let right = 0;
  let marks = [];
  let ticks = [];

  function draw() {
    if (!width) return;
    const height = Math.min(360, Math.max(300, 0.62 * width));
    const top = 30;
    const bottom = height - 34;
    y = (value) => bottom - value * (bottom - top);
    left = 78;
    right = width - 78;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    svg.replaceChildren();
    ticks = [];
    for (const [at, name, anchor] of [[left, "precision", "end"], [right, "recall", "start"]]) {
      svg.append(shape("line", { x1: at, x2: at, y1: y(0), y2: y(1), class: "axis" }));
      for (const tick of [0, 0.5, 1]) {
        const inward = anchor === "end" ? 1 : -1;
        svg.append(shape("line", { x1: at, x2: at + 5 * inward, y1: y(tick), y2: y(tick), class: "axis" }));
        const label = shape("text", { x: at + 11 * inward, y: y(tick) + 4, class: "faint", "text-anchor": anchor === "end" ? "start" : "end" }, tick.toFixed(1));
        ticks.push({ label, end: anchor === "end" ? 0 : 1, y: y(tick) - (tick ? 0 : 8) });
        if (!tick) label.setAttribute("y", y(0) - 4);
        svg.append(label);
      }
      svg.append(shape("text", { x: at, y: 14, "text-anchor": "middle", class: "title" }, name));
    }
    svg.append(shape("line", { x1: left - 30, x2: right + 30, y1: y(0), y2: y(0), class: "ground" }));
    parts = {
      ghost: shape("path", { class: "ghost" }),
      chord: shape("line", { class: "chord" }),
      fulcrum: shape("path", { class: "fulcrum" }),
      plank: shape("path", { class: "plank" }),
      ends: [shape("circle", { r: 8, class: "end" }), shape("circle", { r: 8, class: "end" })],
      bars: [shape("line", { class: "bar" }), shape("line", { class: "bar" }), shape("line", { class: "bar f1" })],
      hub: shape("circle", { r: 8, class: "hub" }),
      numbers: [
        shape("text", { class: "big", "text-anchor": "end", x: left - 14 }),
        shape("text", { class: "big", "text-anchor": "start", x: right + 14 }),
        shape("text", { class: "big f1", "text-anchor": "middle", x: width / 2 }),
      ],
    };
    svg.append(parts.ghost, parts.chord, parts.fulcrum, ...parts.bars, parts.plank, ...parts.ends, parts.hub, ...parts.numbers);
    show();
  }

  function show() {
    const arm = steps[seesaw.step];
    const point = standing(arm, state.mask, seesaw.point);
    slider.value = String(seesaw.step);
    slider.setAttribute("aria-valuetext", stepName(arm));
    title.textContent = (weighted.length ? weightOf(arm) : data.arms[arm].name) + (data.arms[arm].baseline ? " (baseline)" : "");
    marks.forEach((mark, index) => mark.classList.toggle("now", index === seesaw.step));
    const base = ghostOf(arm);
    sentence.textContent = tell(point, data.arms[arm], base);
    say(answer, answerOf());
    svg.setAttribute("aria-label", sentence.textContent);
    if (!parts) return;
    const known = complete(point);
    for (const part of [parts.ghost, parts.chord, parts.plank, parts.fulcrum, parts.hub, ...parts.ends, ...parts.bars, ...parts.numbers]) {
      part.style.display = known ? "" : "none";
    }
    if (!known) return;
    const middle = (left + right) / 2;
    parts.plank.setAttribute("d", pathOfPlank(point));
    parts.ghost.style.display = base && complete(base) ? "" : "none";
    if (base && complete(base)) parts.ghost.setAttribute("d", pathOfPlank(base));
    parts.chord.setAttribute("x1", left);
    parts.chord.setAttribute("x2", right);
    parts.chord.setAttribute("y1", y(point.precision));
    parts.chord.setAttribute("y2", y(point.recall));
    const hub = y(point.f1);
    const foot = Math.min(46, 16 + 0.4 * (y(0) - hub));
    parts.fulcrum.setAttribute("d", `M${middle} ${hub}L${middle + foot} ${y(0)}H${middle - foot}Z`);
    parts.hub.setAttribute("cx", middle);
    parts.hub.setAttribute("cy", hub);
    const b = point.bounds;
    const at = [[left, point.precision, b[2], b[3]], [right, point.recall, b[0], b[1]], [middle, point.f1, b[4], b[5]]];
    at.forEach(([place, value, low, high], index) => {
      const bar = parts.bars[index];
      bar.style.display = low === low ? "" : "none";
      if (low === low) for (const [name, to] of [["x1", place], ["x2", place], ["y1", y(low)], ["y2", y(high)]]) bar.setAttribute(name, to);
      if (index < 2) {
        parts.ends[index].setAttribute("cx", place);
        parts.ends[index].setAttribute("cy", y(value));
        parts.numbers[index].setAttribute("y", y(value) + 6);
        parts.numbers[index].textContent = ratioWords(value, digitsOf(low, high));
      }
    });
    // A tick's label makes room for the plank's end.
    for (const tick of ticks) {
      tick.label.style.display = Math.abs(tick.y - y(tick.end ? point.recall : point.precision)) < 22 ? "none" : "";
    }
    // Above the plank, where the fulcrum leaves room.
    parts.numbers[2].setAttribute("y", Math.min(hub, y((point.precision + point.recall) / 2)) - 16);
    parts.numbers[2].textContent = `F1 ${ratioWords(point.f1, digitsOf(point.bounds[4], point.bounds[5]))}`;
  }

  // What the plank stands against: the baseline where theory expects the arm, else at the same kind of point.
  function ghostOf(arm) {
    if (arm === baseline) return null;
    const { theory } = masks[state.mask].arms[arm];
    return seesaw.point === "natural" && theory ? theory : standing(baseline, state.mask, seesaw.point);
  }

  // The section's question, answered from the points that it shows.
  function answerOf() {
    const found = steps.map((arm) => [arm, standing(arm, state.mask, seesaw.point)]).filter(([, point]) => complete(point));
    if (!found.length) return "";
    const by = (value) => found.reduce((a, b) => (value(b[1]) > value(a[1]) ? b : a));
    const [best, least] = [by((point) => point.f1), by((point) => -point.f1)];
    const named = (arm) => (weighted.length ? `weight ${weightOf(arm)}` : data.arms[arm].name);
    const range = `F1 is highest at ${named(best[0])}, ${two(best[1].f1)}, and lowest at ${named(least[0])}, ${two(least[1].f1)}.`;
    if (!weighted.length || found.length < 2) return range;
    const [[from, a], [to, b]] = [found[0], found[found.length - 1]];
    return `From ${named(from)} to ${named(to)}, recall ${changed(a.recall, b.recall)}, precision ${changed(a.precision, b.precision)}, F1 ${changed(a.f1, b.f1)}. ${range}`;
  }

  function changed(from, to) {
    if (two(from) === two(to)) return `stays ${two(to)}`;
    return `${to > from ? "rises" : "falls"} from ${two(from)} to ${two(to)}`;
  }

  const complete = (point) => !point.none && point.precision === point.precision && point.recall === point.recall;

  function pathOfPlank(point) {
    const curve = [];
    for (let step = 0; step <= 40; step++) curve.push([step / 40, plankAt(point, step / 40)]);
    curve[0][1] = point.precision;
    curve[40][1] = point.recall;
    return pathOf(curve, (t) => left + t * (right - left), y);
  }

  // What the plank shows; against the baseline's, where it is another's and both are there.
  function tell(point, arm, base) {
    if (point.none) return point.none;
    if (!complete(point)) return "Nothing is found here, or there is nothing to find: precision or recall is undefined.";
    const b = point.bounds;
    const mean = (point.precision + point.recall) / 2;
    const [weaker, stronger] = point.precision < point.recall ? ["precision", "recall"] : ["recall", "precision"];
    const level = Math.abs(point.precision - point.recall) < 0.1;
    const shown = level
      ? "Precision and recall are close, so the plank is nearly level and F1 lies in their middle."
      : `The plank tilts to ${stronger}. F1 lies ${ratioWords(mean - point.f1, digitsOf(b[4], b[5]))} below the middle of the ends, drawn down by the weaker one, ${weaker}.`;
    const against = !base
      ? ` Move the slider: every stop is another measured ${weighted.length ? "weight" : "arm"}.`
      : complete(base)
        ? ` Against ${data.arms[baseline].name}${base.threshold ? ` at threshold ${base.threshold}, where theory expects the same point` : ""} (the faint plank): recall ${signed(point.recall - base.recall, digitsOf(b[0], b[1]))}, precision ${signed(point.precision - base.precision, digitsOf(b[2], b[3]))}, F1 ${signed(point.f1 - base.f1, digitsOf(b[4], b[5]))}.`
        : "";
    const intervals = arm.whyNone
      ? ` (${arm.whyNone})`
      : `: precision ${between(b[2], b[3], ratioWords)}, F1 ${between(b[4], b[5], ratioWords)}, recall ${between(b[0], b[1], ratioWords)}`;
    return `${shown}${against} ${data.interval} intervals${intervals}.`;
  }

  function drawTrace() {
    if (!traceWidth) return;
    trace.replaceChildren();
    const names = steps.map(stepName);
    const longest = Math.max(...names.map((name) => name.length));
    const m = { left: Math.min(7.4 * longest + 22, 0.42 * traceWidth), right: 18, top: 34, bottom: 26 };
    const row = Math.min(46, Math.max(32, 300 / steps.length));
    const height = m.top + m.bottom + row * steps.length;
    const x = (value) => m.left + value * (traceWidth - m.left - m.right);
    trace.setAttribute("viewBox", `0 0 ${traceWidth} ${height}`);
    trace.setAttribute("height", height);
    trace.setAttribute("aria-label", "Precision, F1 and recall of every arm; the same numbers as in metrics.csv.");
    for (const tick of [0, 0.5, 1]) {
      trace.append(shape("line", { x1: x(tick), x2: x(tick), y1: m.top, y2: height - m.bottom, class: "contour" }));
      trace.append(shape("text", { x: x(tick), y: height - 8, "text-anchor": "middle", class: "faint" }, tick.toFixed(1)));
    }
    const key = [["precision", "end hollow"], ["F1", "hub"], ["recall", "end"]];
    key.forEach(([name, kind], index) => {
      const at = m.left + [0, 92, 140][index];
      trace.append(shape("circle", { cx: at + 5, cy: 12, r: kind === "hub" ? 5.4 : 4.5, class: kind }));
      trace.append(shape("text", { x: at + 14, y: 16 }, name));
    });
    const room = Math.floor((m.left - 14) / 7.2);
    marks = steps.map((arm, index) => {
      const point = standing(arm, state.mask, seesaw.point);
      const at = m.top + row * (index + 0.5);
      const group = shape("g", { class: "mark" });
      group.append(shape("rect", { x: 0, y: at - row / 2, width: traceWidth, height: row, class: "hit" }));
      const name = names[index].length > room ? `${names[index].slice(0, room - 1)}\u2026` : names[index];
      group.append(shape("text", { x: m.left - 12, y: at + 4, "text-anchor": "end", class: "row-name" }, name));
      const b = point.bounds;
      if (!point.none) {
        // Stacked, so that intervals do not hide each other.
        for (const [value, low, high, kind, down] of [
          [point.precision, b[2], b[3], "end hollow", -0.22],
          [point.f1, b[4], b[5], "hub", 0],
          [point.recall, b[0], b[1], "end", 0.22],
        ]) {
          if (value !== value) continue;
          const cy = at + down * row;
          if (low === low) group.append(shape("line", { x1: x(low), x2: x(high), y1: cy, y2: cy, class: kind === "hub" ? "bar f1" : "bar" }));
          group.append(shape("circle", { cx: x(value), cy, r: kind === "hub" ? 5.4 : 4.2, class: kind }));
        }
      }
      group.addEventListener("click", () => {
        seesaw.step = index;
        show();
      });
      trace.append(group);
      return group;
    });
  }

  maskListeners.push(() => {
    drawTrace();
    show();
  });
  redrawn(holder, (now) => {
    width = now;
    draw();
  });
  redrawn(traceHolder, (now) => {
    traceWidth = now;
    drawTrace();
    show();
  });
  // The baseline comes first, because the others tilt against it.
  seesaw.step = Math.max(steps.indexOf(baseline), 0);
}
