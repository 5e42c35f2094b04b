// Three pictures beside the ruler that follow it: the baseline, the arm in focus, and the pixels where they differ.

let showPair = () => {};
const beside = { arm: lines.find((arm) => arm !== baseline) ?? baseline };
const SPARED = word(rgbOf("#f5a3b5")); // a false alarm of the baseline that the arm does not raise

function startBeside() {
  const holder = document.getElementById("beside");
  if (!holder || !data.examples.length || !("DecompressionStream" in window)) {
    holder?.remove();
    return;
  }
  const parts = [baseline, null, null].map(() => {
    const [canvas, name, counts] = [element("canvas", { role: "img" }), element("b"), element("span", { class: "counts" })];
    holder.append(element("figure", {}, canvas, element("figcaption", {}, name, counts)));
    return { canvas, name, counts };
  });
  if (beside.arm === baseline) for (const part of parts.slice(1)) part.canvas.parentElement.remove();
  let picture = null;

  // The places of pictures are known before their pixels are.
  function frame() {
    const { width, height } = data.examples[pictures.index];
    for (const part of parts) [part.canvas.width, part.canvas.height] = [width, height];
    for (const part of parts) part.canvas.style.aspectRatio = `${width} / ${height}`;
  }

  function show(arms) {
    if (!picture || !(arms.includes(baseline) || arms.includes(beside.arm))) return;
    const outs = [baseline, beside.arm].map((arm, place) => {
      const out = new Uint32Array(picture.size);
      const found = outcomesAt(picture, arm, out);
      finish(parts[place], data.arms[arm].name, out, found.told);
      return out;
    });
    const [one, two, out] = [...outs, picture.pale.slice()];
    const counts = { [HIT]: 0, [MISS]: 0, [ALARM]: 0, [SPARED]: 0 };
    for (let i = 0; i < picture.size; i++) {
      if (one[i] === two[i]) continue;
      out[i] = two[i] === HIT || two[i] === MISS || two[i] === ALARM ? two[i] : SPARED;
      counts[out[i]]++;
    }
    const told = `${counts[HIT]} more found, ${counts[MISS]} more missed\n${counts[ALARM]} more false alarms, ${counts[SPARED]} fewer`;
    finish(parts[2], "where they differ", out, told);
  }

  function finish(part, name, out, told) {
    const context = part.canvas.getContext("2d");
    context.putImageData(new ImageData(new Uint8ClampedArray(out.buffer), part.canvas.width, part.canvas.height), 0, 0);
    part.canvas.setAttribute("aria-label", `${name}: ${told.replace("\n", ", ")}`);
    say(part.name, name);
    say(part.counts, told);
  }

  showPair = (arm) => {
    if (arm === baseline || arm === beside.arm) return;
    beside.arm = arm;
    show(lines);
  };
  pictures.listeners.push((loaded) => {
    picture = loaded;
    frame();
    show(lines);
  });
  pointListeners.push(show);
  frame();
}
