// Makes elements, and the few shapes that all drawings share.

const SVG = "http://www.w3.org/2000/svg";

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function shape(tag, attributes = {}, text = null) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== null) made.textContent = text;
  return made;
}

// Setting an unchanged text would still cost a layout.
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Markers as matplotlib names them, around 0, 0 with a radius of about 5.
const MARKERS = {
  o: "M5 0A5 5 0 1 1-5 0A5 5 0 1 1 5 0Z",
  s: "M-4.4-4.4H4.4V4.4H-4.4Z",
  "^": "M0-5.6L5.2 4H-5.2Z",
  D: "M0-6L6 0L0 6L-6 0Z",
  v: "M0 5.6L5.2-4H-5.2Z",
  P: "M-1.8-5.4H1.8V-1.8H5.4V1.8H1.8V5.4H-1.8V1.8H-5.4V-1.8H-1.8Z",
  X: "M-5-2.6L-2.6-5L0-2.4L2.6-5L5-2.6L2.4 0L5 2.6L2.6 5L0 2.4L-2.6 5L-5 2.6L-2.4 0Z",
  "<": "M-5.6 0L4-5.2V5.2Z",
  ">": "M5.6 0L-4-5.2V5.2Z",
  p: "M0-5.6L5.3-1.7L3.3 4.5H-3.3L-5.3-1.7Z",
};

function markerPath(arm, filled, scale = 1) {
  const path = shape("path", { d: MARKERS[arm.marker] || MARKERS.o, class: "marker", "vector-effect": "non-scaling-stroke" });
  path.style.stroke = colourOf(arm);
  path.style.fill = filled ? colourOf(arm) : "var(--paper)";
  path.dataset.scale = scale;
  return path;
}

function place(path, x, y) {
  const off = !(x === x && y === y);
  path.style.display = off ? "none" : "";
  if (!off) path.setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)}) scale(${path.dataset.scale})`);
}

// The baseline has the colour of the text: black on a white page, white on a black one.
const colourOf = (arm) => (arm.baseline ? "var(--ink)" : arm.colour);

function swatch(arm) {
  const box = shape("svg", { width: 34, height: 14, viewBox: "-17 -7 34 14", class: "swatch", "aria-hidden": "true" });
  const line = shape("line", { x1: -16, x2: 16, y1: 0, y2: 0, "stroke-width": 2, "stroke-dasharray": arm.dashes });
  line.style.stroke = colourOf(arm);
  box.append(line, markerPath(arm, true, 0.9));
  return box;
}

function pathOf(points, x, y) {
  return points.map(([a, b], i) => `${i ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("");
}

// Radio buttons in a row: arrow keys move between them, as in any browser.
let groups = 0;
function choice(container, legend, options, value, chosen) {
  const name = `choice-${groups++}`;
  const set = element("fieldset", { class: "choice" }, element("legend", {}, legend));
  const inputs = options.map(([key, label]) => {
    const input = element("input", { type: "radio", name, value: String(key) });
    input.checked = key === value;
    input.addEventListener("change", () => chosen(key));
    set.append(element("label", {}, input, element("span", {}, label)));
    return input;
  });
  container.append(set);
  return (key) => inputs.forEach((input) => (input.checked = input.value === String(key)));
}

// Redraw when the width changes, but not when only the height does.
function redrawn(container, draw) {
  let width = 0;
  new ResizeObserver((entries) => {
    const now = Math.round(entries[0].contentRect.width);
    if (now && now !== width) draw((width = now));
  }).observe(container);
}
