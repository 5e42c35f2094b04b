// One ruler of logits for all thresholds: the distance between two marks is how far one arm slid from the other.

function startRuler() {
  const holder = document.getElementById("ruler");
  const svg = shape("svg", { class: "plot", role: "img" });
  const told = element("p", { class: "fine" });
  holder.append(svg, told);
  const HEIGHT = 58;
  let width = 0;
  let marks = [];

  // The mean threshold of an arm's runs, as a logit.
  const thresholdOf = (arm) => {
    const point = standing(arm);
    return point.none ? NaN : meanOf(point.codes.map(logitOf));
  };

  function draw() {
    if (!width) return;
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.setAttribute("height", HEIGHT);
    svg.replaceChildren();
    svg.append(shape("path", { d: `M${x(-LIMIT)} 30H${x(LIMIT)}`, class: "axis" }));
    for (const logit of [-6, -4, -2, 0, 2, 4, 6]) {
      svg.append(shape("path", { d: `M${x(logit)} 30v5`, class: "axis" }));
      svg.append(shape("text", { x: x(logit), y: 47, "text-anchor": "middle" }, logit === 0 ? "0" : logitWords(logit).replace(".00", "")));
    }
    svg.append(shape("text", { x: x(-LIMIT), y: 11 }, "threshold, logits"));
    marks = lines.map((arm) => {
      const path = markerPath(data.arms[arm], true, 1.1);
      path.classList.add("current");
      svg.append(path);
      return path;
    });
    show(lines);
  }

  // Thresholds beyond the ruler stand at its end.
  const LIMIT = 8;
  const x = (logit) => 10 + ((Math.min(Math.max(logit, -LIMIT), LIMIT) + LIMIT) / (2 * LIMIT)) * (width - 20);

  function show(arms) {
    if (marks.length) for (const arm of arms) place(marks[arm], x(thresholdOf(arm)), 30);
    const base = thresholdOf(baseline);
    const slides = lines
      .filter((arm) => arm !== baseline && thresholdOf(arm) - base === thresholdOf(arm) - base)
      .map((arm) => `${data.arms[arm].name} ${slideWords(thresholdOf(arm) - base)}`);
    const apart = slides.length ? `From ${data.arms[baseline].name}: ${slides.join(", ")} logits.` : "";
    const text = state.mode === "natural" ? "All at logit 0, probability 0.5." : apart;
    say(told, text);
    svg.setAttribute("aria-label", `Thresholds of all arms on one scale of logits. ${text}`);
  }

  const slideWords = (difference) => (difference < 0 ? "" : "+") + logitWords(difference);

  maskListeners.push(draw);
  pointListeners.push(show);
  redrawn(holder, (now) => {
    width = now;
    draw();
  });
}
