// Example predictions: the page holds scores as ranks, and thresholds the pictures here.

const pictures = { index: 0, ready: [], canvases: [], listeners: [] };

const word = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0; // as a Uint32Array gives it back
const rgbOf = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

const [HIT, ALARM, MISS] = Object.values(data.outcomes).map((hex) => word(rgbOf(hex)));

async function loadPicture(example) {
  const [image, target, valid] = await Promise.all([
    inflate(example.image),
    inflate(example.target),
    example.valid ? inflate(example.valid) : null,
  ]);
  const ranks = await Promise.all(
    example.scores.map((mask) =>
      Promise.all(
        data.arms.map(async (arm) => {
          const pack = mask[arm.id];
          return pack ? { levels: unpack(pack.levels), ranks: await inflate(pack.ranks) } : null;
        }),
      ),
    ),
  );
  const size = example.width * example.height;
  const channels = image.length / size;
  const pixels = new Uint32Array(size);
  const pale = new Uint32Array(size);
  for (let i = 0; i < size; i++) {
    const rgb = channels === 3 ? [image[3 * i], image[3 * i + 1], image[3 * i + 2]] : Array(3).fill(image[i]);
    pixels[i] = word(rgb);
    // Washed out, so that the three colours are on light grey whatever the image.
    pale[i] = valid && !valid[i] ? word([128, 128, 128]) : word(rgb.map((value) => 140 + 0.45 * value));
  }
  return { example, pixels, pale, target, valid, ranks, size };
}

// Colour a picture by what an arm finds where it stands, and tell its ratios, or why there are none.
function outcomesAt(picture, arm, out) {
  const scores = picture.ranks[state.mask][arm];
  const point = standing(arm);
  if (!scores || point.none) {
    out.set(picture.pale);
    return { told: point.none || "no scores of this image were kept" };
  }
  const labels = picture.target.subarray(state.mask * picture.size, (state.mask + 1) * picture.size);
  const run = data.arms[arm].seeds.indexOf(picture.example.seed);
  const least = nearestLevel(scores.levels, point.codes[run]) + 1; // a pixel of rank r has passed r thresholds
  const [hit, alarm, miss] = [HIT, ALARM, MISS]; // a local constant is read faster
  const { ranks } = scores;
  const { pale, valid, size } = picture;
  let [tp, fp, fn] = [0, 0, 0];
  for (let i = 0; i < size; i++) {
    if (valid && !valid[i]) {
      out[i] = pale[i];
    } else if (ranks[i] >= least) {
      if (labels[i]) {
        tp++;
        out[i] = hit;
      } else {
        fp++;
        out[i] = alarm;
      }
    } else if (labels[i]) {
      fn++;
      out[i] = miss;
    } else out[i] = pale[i];
  }
  const found = ratios([tp], [fp], tp + fn);
  return { told: `F1 ${two(found.f1)}\nprecision ${two(found.precision)}\nrecall ${two(found.recall)}` };
}

function startPictures() {
  const section = document.getElementById("pictures");
  if (!data.examples.length) {
    section.remove();
    return;
  }
  const holder = document.getElementById("picture-grid");
  const caption = document.getElementById("picture-caption");
  const modeNote = document.getElementById("picture-mode");
  if (!("DecompressionStream" in window)) {
    caption.textContent = "This browser is too old to unpack the pictures; everything else works.";
    return;
  }
  // The pictures beside the ruler are of the same image.
  const shows = [...document.querySelectorAll("[data-picture-choice]")].map((container) =>
    choice(container, "image", data.examples.map((example, index) => [index, example.title]), 0, (index) => {
      pictures.index = index;
      for (const show of shows) show(index);
      build();
    }),
  );
  const key = document.getElementById("outcomes");
  for (const [name, hex] of Object.entries(data.outcomes)) {
    const chip = element("i", { "aria-hidden": "true" });
    chip.style.background = hex;
    key.append(element("span", {}, chip, name));
  }
  let shown = null;

  function canvas(name, extra = null) {
    const made = element("canvas", { width: shown.example.width, height: shown.example.height, role: "img" });
    made.setAttribute("aria-label", name);
    const text = element("span", { class: "counts" });
    const head = element("figcaption", {});
    if (extra) head.append(swatch(extra), " ");
    head.append(element("span", { class: "name" }, name), text);
    holder.append(element("figure", {}, made, head));
    const context = made.getContext("2d");
    const picture = context.createImageData(shown.example.width, shown.example.height);
    return { context, picture, out: new Uint32Array(picture.data.buffer), text };
  }
  function paint(target) {
    target.context.putImageData(target.picture, 0, 0);
  }

  async function build() {
    const index = pictures.index;
    pictures.ready[index] ??= loadPicture(data.examples[index]);
    const loaded = await pictures.ready[index];
    if (index !== pictures.index) return;
    shown = loaded;
    drawAll();
    for (const listener of pictures.listeners) listener(loaded);
  }

  function drawAll() {
    if (!shown) return;
    holder.replaceChildren();
    const { example } = shown;
    holder.style.setProperty("--wide", String(example.width / example.height));
    const raw = canvas("image");
    raw.out.set(shown.pixels);
    paint(raw);
    const truth = canvas("truth");
    const labels = shown.target.subarray(state.mask * shown.size, (state.mask + 1) * shown.size);
    const ink = HIT;
    for (let i = 0; i < shown.size; i++) truth.out[i] = labels[i] ? ink : shown.pale[i];
    paint(truth);
    pictures.canvases = data.arms.map((arm, place) => (shown.ranks[state.mask][place] ? canvas(arm.name, arm) : null));
    caption.textContent = `${example.id}, ${example.width} \u00d7 ${example.height} pixels, seed ${example.seed}. Each picture stands where its slider above stands, at the nearest of at most 255 thresholds. The numbers under a picture count its own pixels, of this mask and seed; those beside the sliders count the pixels of all test images, mean over seeds.`;
    show(lines);
    document.dispatchEvent(new Event("pictures"));
  }

  function show(arms) {
    if (!shown) return;
    for (const arm of arms) {
      const target = pictures.canvases[arm];
      if (!target) continue;
      const { told } = outcomesAt(shown, arm, target.out);
      paint(target);
      say(target.text, told);
    }
    const held = `Recall ${data.recalls[state.level].toFixed(3)} is held over all test images together, so one picture may lie above or below it; what to compare at that recall is the false alarms.`;
    say(modeNote, state.mode === "recall" ? held : "");
  }

  maskListeners.push(drawAll);
  pointListeners.push(show);
  build();
}

const two = (value) => (value === value ? value.toFixed(2) : "\u2013");
function nearestLevel(levels, code) {
  let best = 0;
  for (let i = 1; i < levels.length; i++) if (Math.abs(levels[i] - code) < Math.abs(levels[best] - code)) best = i;
  return best;
}
