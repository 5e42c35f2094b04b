// The frontiers of one mask, drawn once per mask and width; only markers move.

let focusArm = () => {};
const STAR = "M0-7L1.7-2.3L6.7-2.2L2.7 .9L4.1 5.7L0 2.8L-4.1 5.7L-2.7 .9L-6.7-2.2L-1.7-2.3Z";
const plot = { focus: baseline, level: null };

function startFrontier() {
  const holder = document.getElementById("frontier");
  const readout = document.getElementById("readout");
  const svg = shape("svg", { class: "plot", tabindex: 0, role: "group" });
  svg.setAttribute("aria-label", "Precision over recall. Left and right arrows go along a frontier, up and down to the next arm.");
  holder.append(svg);
  let width = 0;
  let x, y, current, seeds, guide, guideText, band, dot, curves;

  function draw() {
    if (!width) return;
    const side = Math.min(width, 620);
    const m = { left: 46, right: 44, top: 22, bottom: 42 };
    const w = width - m.left - m.right;
    const h = side - m.top - m.bottom;
    x = (value) => m.left + value * w;
    y = (value) => m.top + (1 - value) * h;
    svg.setAttribute("viewBox", `0 0 ${width} ${side}`);
    svg.setAttribute("height", side);
    svg.replaceChildren();
    const mask = masks[state.mask];
    const ticks = w < 330 ? [0, 0.5, 1] : [0, 0.2, 0.4, 0.6, 0.8, 1];
    for (const tick of ticks) {
      svg.append(shape("line", { x1: x(tick), x2: x(tick), y1: y(0), y2: y(0) + 5, class: "axis" }));
      svg.append(shape("line", { x1: x(0) - 5, x2: x(0), y1: y(tick), y2: y(tick), class: "axis" }));
      svg.append(shape("text", { x: x(tick), y: y(0) + 18, "text-anchor": "middle" }, tick.toFixed(1)));
      svg.append(shape("text", { x: x(0) - 9, y: y(tick) + 4, "text-anchor": "end" }, tick.toFixed(1)));
    }
    svg.append(shape("path", { d: `M${x(0)} ${y(1)}V${y(0)}H${x(1)}`, class: "axis" }));
    svg.append(shape("text", { x: x(0.5), y: side - 6, "text-anchor": "middle", class: "title" }, "recall"));
    svg.append(shape("text", { x: x(0) - 40, y: 12, class: "title" }, "precision"));
    const prevalence = mask.pixels ? mask.positives / mask.pixels : NaN;
    for (const f1 of [0.2, 0.4, 0.6, 0.8]) {
      const points = [];
      for (let step = 0; step <= 60; step++) {
        const recall = f1 / (2 - f1) + (step / 60) * (1 - f1 / (2 - f1));
        points.push([recall, (f1 * recall) / (2 * recall - f1)]);
      }
      svg.append(shape("path", { d: pathOf(points, x, y), class: "contour" }));
      const end = f1 / (2 - f1);
      if (!(Math.abs(y(end) - y(prevalence)) < 16)) svg.append(shape("text", { x: x(1) + 6, y: y(end) + 4, class: "faint" }, `F1 ${f1}`));
    }
    if (prevalence === prevalence) {
      svg.append(shape("line", { x1: x(0), x2: x(1), y1: y(prevalence), y2: y(prevalence), class: "floor" }));
      svg.append(shape("text", { x: x(1) + 6, y: y(prevalence) + 4, class: "faint" }, "chance"));
    }
    if (mask.ceiling) svg.append(shape("path", { d: pathOf(mask.ceiling, x, y), class: "ceiling" }));
    for (const point of mask.published) {
      const star = shape("path", { d: STAR, class: "published", transform: `translate(${x(point.recall)} ${y(point.precision)})` });
      const right = point.recall > 0.5;
      const at = { x: x(point.recall) + (right ? -9 : 9), y: y(point.precision) + 4, "text-anchor": right ? "end" : "start" };
      svg.append(star, shape("text", { ...at, class: "published-name" }, point.label));
    }
    band = shape("path", { class: "band" });
    svg.append(band);
    curves = [];
    // The baseline comes last, so that its dashes stay visible on top of a coinciding curve.
    for (const arm of [...lines.filter((each) => each !== baseline), baseline]) {
      const points = mask.arms[arm].frontier;
      // Levels that some run skips break the line.
      const d = points
        .map((p, i) => `${i && points[i - 1].index === p.index - 1 ? "L" : "M"}${x(p.recall).toFixed(1)} ${y(p.precision).toFixed(1)}`)
        .join("");
      const path = shape("path", { d, class: "curve", "stroke-dasharray": data.arms[arm].dashes });
      path.style.stroke = colourOf(data.arms[arm]);
      curves[arm] = path;
      svg.append(path);
    }
    guide = shape("line", { class: "guide", y1: y(1), y2: y(0) });
    guideText = shape("text", { class: "guide-text", y: 12, "text-anchor": "middle" });
    svg.append(guide, guideText);
    for (const arm of lines) {
      for (const [point, filled] of [["natural", true], ["tuned", false]]) {
        const at = standing(arm, state.mask, point);
        const path = markerPath(data.arms[arm], filled, 0.8);
        path.classList.add("rest");
        if (!at.none) place(path, x(at.recall), y(at.precision));
        else path.style.display = "none";
        svg.append(path);
      }
    }
    seeds = shape("g", { class: "seeds" });
    svg.append(seeds);
    current = lines.map((arm) => {
      const path = markerPath(data.arms[arm], true, 1.35);
      path.classList.add("current");
      svg.append(path);
      return path;
    });
    dot = shape("circle", { r: 4, class: "dot" });
    svg.append(dot);
    showPoints(lines);
    showFocus();
  }

  function showPoints(arms) {
    if (!current) return;
    const locked = state.mode === "recall";
    guide.style.display = guideText.style.display = locked ? "" : "none";
    if (locked) {
      const recall = data.recalls[state.level];
      guide.setAttribute("x1", x(recall));
      guide.setAttribute("x2", x(recall));
      guideText.setAttribute("x", Math.min(Math.max(x(recall), x(0) + 78), x(1) - 20));
      guideText.textContent = `recall ${recall.toFixed(3)}`;
    }
    for (const arm of arms) {
      const point = standing(arm);
      if (point.none) current[arm].style.display = "none";
      else place(current[arm], x(point.recall), y(point.precision));
    }
    if (arms.includes(plot.focus)) showSeeds();
  }

  // The runs of the arm in focus, one dot each; if they differ, their mean lies off the line.
  function showSeeds() {
    const point = standing(plot.focus);
    const count = point.none ? 0 : point.recalls.length;
    while (seeds.childNodes.length > count) seeds.lastChild.remove();
    while (seeds.childNodes.length < count) seeds.append(shape("circle", { r: 2.6 }));
    for (let run = 0; run < count; run++) {
      const known = point.precisions[run] === point.precisions[run];
      const circle = seeds.childNodes[run];
      circle.style.display = known ? "" : "none";
      circle.style.fill = colourOf(data.arms[plot.focus]);
      if (!known) continue;
      circle.setAttribute("cx", x(point.recalls[run]).toFixed(2));
      circle.setAttribute("cy", y(point.precisions[run]).toFixed(2));
    }
  }

  function showFocus() {
    if (!current) return;
    const arm = data.arms[plot.focus];
    const points = masks[state.mask].arms[plot.focus].frontier.filter((p) => p.bounds[2] === p.bounds[2]);
    const edge = [...points.map((p) => [p.recall, p.bounds[3]]), ...points.map((p) => [p.recall, p.bounds[2]]).reverse()];
    band.setAttribute("d", edge.length ? `${pathOf(edge, x, y)}Z` : "");
    band.style.fill = colourOf(arm);
    curves.forEach((curve, index) => curve.classList.toggle("focus", index === plot.focus));
    for (const each of [...rows.map(({ row }) => row), ...lanes.map(({ lane }) => lane)]) {
      each.classList.toggle("focus", Number(each.dataset.arm) === plot.focus);
    }
    showPair(plot.focus);
    showSeeds();
    showReadout();
  }

  function showReadout() {
    const arm = data.arms[plot.focus];
    dot.style.display = "none";
    if (plot.level === null) {
      readout.textContent = HINT;
      return;
    }
    const point = masks[state.mask].arms[plot.focus].atRecall(plot.level);
    const recall = data.recalls[plot.level];
    if (point.none) {
      readout.textContent = `${arm.name} at recall ${recall.toFixed(3)}: ${point.none}`;
      return;
    }
    dot.style.display = "";
    dot.setAttribute("cx", x(recall));
    dot.setAttribute("cy", y(point.precision));
    dot.style.stroke = colourOf(arm);
    const [threshold, logit] = thresholdWords(point.codes);
    const [, , low, high, lowF1, highF1] = point.bounds;
    const within = (from, to) => (from === from ? ` ${between(from, to, ratioWords)}` : "");
    const why = low === low ? "" : arm.whyNone ? ` (${arm.whyNone})` : "";
    readout.replaceChildren(
      element("b", {}, arm.name),
      ` at recall ${recall.toFixed(3)}: precision `,
      element("b", {}, ratioWords(point.precision, digitsOf(low, high))),
      `${within(low, high)}, F1 `,
      element("b", {}, ratioWords(point.f1, digitsOf(lowF1, highF1))),
      `${within(lowF1, highF1)}; threshold ${threshold} (${logit})${why}`,
    );
  }

  focusArm = (arm) => {
    if (plot.focus === arm) return;
    plot.focus = arm;
    showFocus();
  };

  let touched = false;
  const near = (event) => {
    touched = event.pointerType !== "mouse";
    const box = svg.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    let best = null;
    lines.forEach((arm) => {
      for (const p of masks[state.mask].arms[arm].frontier) {
        const distance = (x(p.recall) - px) ** 2 + (y(p.precision) - py) ** 2;
        if (!best || distance < best.distance) best = { distance, arm, level: p.index };
      }
    });
    if (!best || best.distance > 40 ** 2) return;
    const other = plot.focus !== best.arm;
    plot.focus = best.arm;
    plot.level = best.level;
    if (other) showFocus();
    else showReadout();
  };
  svg.addEventListener("pointermove", near);
  svg.addEventListener("pointerdown", near);
  svg.addEventListener("pointerleave", () => {
    if (touched) return; // after a tap the last point stays
    plot.level = null;
    showReadout();
  });
  svg.addEventListener("keydown", (event) => {
    const along = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 }[event.key];
    const across = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === "Escape") plot.level = null;
    else if (along) plot.level = plot.level === null ? state.level : Math.min(Math.max(plot.level + along, 0), data.recalls.length - 1);
    else if (across) plot.focus = (plot.focus + across + lines.length) % lines.length;
    else return;
    touched = false;
    event.preventDefault();
    if (across && plot.level === null) plot.level = state.level;
    showFocus();
  });
  svg.addEventListener("blur", () => {
    if (touched) return;
    plot.level = null;
    showReadout();
  });

  maskListeners.push(draw);
  pointListeners.push(showPoints);
  redrawn(holder, (now) => {
    width = now;
    draw();
  });
}


const HINT = "Point at a frontier or tap it, or focus the chart and use the arrow keys: threshold, precision and F1 at each recall.";
