// The counts stored in the page, and the numbers that follow from them.

const data = JSON.parse(document.getElementById("numbers").textContent);

const TYPES = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, float32: Float32Array, float64: Float64Array };

function bytesOf(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function unpack(pack) {
  return new TYPES[pack.type](bytesOf(pack.data).buffer);
}

async function inflate(pack) {
  const stream = new Blob([bytesOf(pack.data)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new TYPES[pack.type](await new Response(stream).arrayBuffer());
}

// A score code is the rank of a float16 logit among all of them.
const NATURAL_CODE = 0x8000;
function logitOf(code) {
  if (code > 0xffff) return NaN;
  const bits = code & 0x8000 ? code ^ 0x8000 : ~code & 0xffff;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
  return bits & 0x8000 ? -size : size;
}
const probabilityOf = (logit) => 0.5 * (1 + Math.tanh(0.5 * logit));

function meanOf(values) {
  let sum = 0;
  let count = 0;
  for (const value of values) {
    if (value === value) {
      sum += value;
      count += 1;
    }
  }
  return count ? sum / count : NaN;
}

// Recall, precision and F1 of every run, and their means over the runs that define them.
function ratios(tp, fp, positives) {
  const recalls = [];
  const precisions = [];
  const f1s = [];
  for (let run = 0; run < tp.length; run++) {
    recalls.push(positives ? tp[run] / positives : NaN);
    precisions.push(tp[run] + fp[run] ? tp[run] / (tp[run] + fp[run]) : NaN);
    f1s.push(positives ? (2 * tp[run]) / (tp[run] + fp[run] + positives) : NaN);
  }
  return { recalls, precisions, f1s, recall: meanOf(recalls), precision: meanOf(precisions), f1: meanOf(f1s) };
}

const masks = data.masks.map((mask) => ({
  ...mask,
  arms: mask.arms.map((arm, place) => {
    const runs = data.arms[place].seeds.length;
    const column = (table, width, index) => Array.from({ length: runs }, (_, run) => table[run * width + index]);
    const codes = unpack(arm.codes);
    const parts = { tp: unpack(arm.tp), fp: unpack(arm.fp), bounds: unpack(arm.bounds) };
    const line = {};
    for (const name of ["codes", "tp", "fp", "reached", "bounds", "gain"]) line[name] = unpack(arm.line[name]);
    const tuned = {};
    for (const name of ["codes", "tp", "fp", "bounds"]) tuned[name] = unpack(arm.tuned[name]);
    const levels = data.recalls.length;

    // At stop `index` of the slider: one threshold for all runs.
    function atStop(index) {
      const found = ratios(column(parts.tp, codes.length, index), column(parts.fp, codes.length, index), mask.positives);
      const code = codes[index];
      return { ...found, codes: Array(runs).fill(code), bounds: parts.bounds.subarray(6 * index, 6 * index + 6) };
    }
    // At each run's threshold from validation.
    function atTuned() {
      const known = tuned.codes.every((code) => code <= 0xffff);
      const found = ratios(tuned.tp, tuned.fp, mask.positives);
      const none = known ? "" : "no threshold was tuned: no positives in validation";
      return { ...found, codes: [...tuned.codes], bounds: tuned.bounds, none };
    }
    // At level `index` of recall, each run at its own threshold.
    function atRecall(index) {
      const found = ratios(column(line.tp, levels, index), column(line.fp, levels, index), mask.positives);
      const missed = runs - line.reached[index];
      const none = missed ? `unreachable${runs > 1 ? ` in ${missed} of ${runs} seeds` : ""}` : "";
      const [low, high, lowF1, highF1] = line.bounds.subarray(4 * index, 4 * index + 4);
      return {
        ...found,
        codes: column(line.codes, levels, index),
        bounds: [NaN, NaN, low, high, lowF1, highF1],
        gain: line.gain.subarray(3 * index, 3 * index + 3),
        none,
      };
    }
    // The drawn frontier: [level index, recall, precision] for the levels that every run reaches.
    const frontier = [];
    for (let index = 0; index < levels; index++) {
      if (line.reached[index] < runs) continue;
      const point = atRecall(index);
      frontier.push({ index, recall: data.recalls[index], precision: point.precision, bounds: point.bounds });
    }
    const stopRecalls = Array.from(codes, (_, index) => atStop(index).recall);
    // The baseline at the threshold where theory expects this arm's natural point.
    const theory = arm.theory && {
      ...ratios(unpack(arm.theory.tp), unpack(arm.theory.fp), mask.positives),
      threshold: probabilityWords(logitOf(arm.theory.code)),
      none: "",
    };
    return { codes, natural: arm.natural, atStop, atTuned, atRecall, frontier, stopRecalls, theory };
  }),
}));

// Words for numbers.
const minus = (text) => text.replace("-", "\u2212");
// The decimals that an interval justifies, as wording.digits_of: what it is unsure of by 0.02 has no third.
const digitsOf = (low, high) => (high - low >= 0.04 ? 2 : 3);
const ratioWords = (value, digits = 3) => (value === value ? value.toFixed(digits) : "\u2013");
// A value that rounds to 0 is +0.000.
function signed(value, digits = 3) {
  if (value !== value) return "\u2013";
  const rounded = Number(value.toFixed(digits)) + 0;
  return minus((rounded < 0 ? "" : "+") + rounded.toFixed(digits));
}
function between(low, high, words) {
  const digits = digitsOf(low, high);
  return low === low && high === high ? `[${words(low, digits)}, ${words(high, digits)}]` : "";
}
const logitWords = (logit) => minus(Math.abs(logit) < 100 ? (Number(logit.toFixed(2)) + 0).toFixed(2) : logit.toPrecision(3));
function probabilityWords(logit) {
  const value = probabilityOf(logit);
  if (value >= 0.001 && value <= 0.999) return value.toFixed(3);
  if (value < 0.001) return value === 0 ? "0" : value.toExponential(0).replace("e-", "e\u2212");
  return "> 0.999";
}
// The threshold of one operating point: a number, or the range of the runs' thresholds.
function thresholdWords(codes) {
  const logits = codes.map(logitOf).filter((logit) => logit === logit);
  if (!logits.length) return ["\u2013", ""];
  const low = Math.min(...logits);
  const high = Math.max(...logits);
  if (low === high) return [probabilityWords(low), `logit ${logitWords(low)}`];
  const [from, to] = [probabilityWords(low), probabilityWords(high)];
  return [from === to ? from : `${from}\u2013${to}`, `logit ${logitWords(low)}\u2026${logitWords(high)}`];
}
