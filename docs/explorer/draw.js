// The pictures of the explorer: a record of curves, and what is chosen of it, become figures.
import {areaY, axisX, barX, dot, line, lineY, plot, ruleX, ruleY, text} from "@observablehq/plot";

export const WORDS = ["synergy", "redundancy"];
const COLOUR = {synergy: "var(--synergy)", redundancy: "var(--redundancy)"};
const NULL_COLOUR = kind => `var(--null-${kind})`;
const BASELINE = "var(--baseline)";
const mean = values => values.reduce((sum, one) => sum + one, 0) / values.length;

// Mean and one standard deviation over the chosen rows, at one place; null where nothing is known.
function spread(rows, place) {
  const known = rows.map(row => row[place]).filter(one => one !== null);
  if (!known.length) return null;
  const middle = mean(known), sd = Math.sqrt(mean(known.map(one => (one - middle) ** 2)));
  return {value: middle, low: middle - sd, high: middle + sd};
}

const chosenRows = (rows, record, state) =>
  state.seed === "all" ? rows : [rows[record.seeds.indexOf(Number(state.seed))]];

function points(rows, record, state, steps = record.steps) {
  const chosen = chosenRows(rows, record, state);
  return steps.map((step, place) => ({step, ...spread(chosen, place)})).filter(one => "value" in one);
}

// What is known of one measure: its curve, its null, its excess and its baselines.
function view(record, state, word) {
  const rows = record.measures[state.ties][word], found = {reading: points(rows, record, state)};
  found.untrained = at(found.reading, 0)?.value ?? null;
  const drawn = record.nulls?.[state.ties]?.[state.null];
  if (drawn) {
    const steps = drawn.at.map(place => record.steps[place]), {median, low, high} = drawn[word];
    const [lows, highs] = [low, high].map(one => points(one, record, state, steps));
    found.null = points(median, record, state, steps)
      .map((one, i) => ({step: one.step, value: one.value, low: lows[i].value, high: highs[i].value}));
    const excess = median.map((row, seed) => row.map((one, k) => {
      const reading = rows[seed][drawn.at[k]];
      return one === null || reading === null ? null : reading - one;
    }));
    found.excess = points(excess, record, state, steps);
  }
  const twin = record.shuffled?.measures[state.ties]?.[word];
  if (twin) found.shuffled = points(twin, record.shuffled, {seed: "all"});
  return found;
}

export const views = (record, state) => Object.fromEntries(WORDS.map(word => [word, view(record, state, word)]));

export const at = (curve, step) => curve?.find(one => one.step === step) ?? null;

// The point of a curve that is nearest to a step on the log axis.
export function nearest(curve, step) {
  const apart = one => Math.abs(Math.log(one.step + 0.5) - Math.log(step + 0.5));
  return curve?.length ? curve.reduce((best, one) => apart(one) < apart(best) ? one : best) : null;
}

// Step 0 stands at 0.5 on the log axis.
const place = one => Math.max(one.step, 0.5);

// The axis of steps is a mark: a log scale leaves no say in how its ticks read.
function steps(record) {
  const last = Math.max(...record.steps, 2), first = record.steps[0] ? Math.max(1, record.steps[0]) : 0.5;
  const ticks = [0.5, 1, 10, 100, 1000, 1e4, 1e5, 1e6].filter(one => one >= first && one <= last);
  return {scale: {type: "log", domain: [first, last], axis: null}, axis: axisX(ticks, {tickSize: 4, labelArrow: "none",
    text: one => one === 0.5 ? "0" : one.toLocaleString("en"), label: "step", labelOffset: 28})};
}

const frame = (width, height, label, options) => plot({
  width, height, marginLeft: 44, marginRight: 14, marginTop: 14, marginBottom: 34, ariaLabel: label,
  style: {background: "none", color: "inherit", fontFamily: "inherit", fontSize: "12px", overflow: "visible"},
  ...options,
});

// One measure over the steps: reading or excess, its null, its baselines.
export function curves(record, state, found, word, width) {
  const excess = state.show === "excess" && found.excess, main = excess ? found.excess : found.reading;
  const colour = COLOUR[word], shade = NULL_COLOUR(state.null), here = place({step: state.step});
  const now = excess ? nearest(main, state.step) : at(main, state.step);
  const marks = [ruleY([0], {stroke: "currentColor", strokeOpacity: 0.35})];
  if (found.null && !excess) marks.push(
    areaY(found.null, {x: place, y1: "low", y2: "high", fill: shade, fillOpacity: 0.25}),
    lineY(found.null, {x: place, y: "value", stroke: shade, strokeWidth: 1.75, strokeDasharray: "5 3"}),
    dot(found.null, {x: place, y: "value", r: 2, fill: shade}));
  if (found.shuffled && state.shuffled && !excess) marks.push(
    lineY(found.shuffled, {x: place, y: "value", stroke: BASELINE, strokeWidth: 1.75, strokeDasharray: "1.5 3"}));
  if (found.untrained !== null && state.untrained && !excess) marks.push(
    ruleY([found.untrained], {stroke: BASELINE, strokeDasharray: "8 3 2 3"}));
  if (state.seed === "all") marks.push(areaY(main, {x: place, y1: "low", y2: "high", fill: colour, fillOpacity: 0.18}));
  marks.push(lineY(main, {x: place, y: "value", stroke: colour, strokeWidth: 2}));
  if (excess) marks.push(dot(main, {x: place, y: "value", r: 2, fill: colour}));
  marks.push(ruleX([here], {stroke: "currentColor", strokeOpacity: 0.6}));
  if (now) marks.push(dot([now], {x: place, y: "value", r: 5, fill: colour, stroke: "var(--paper)"}));
  const label = `${word}${excess ? ", excess over the null" : ""} over training steps, in bits`;
  const {scale, axis} = steps(record);
  return frame(width, 176, label, {x: scale, y: {grid: true, ticks: 4, label: null}, marks: [...marks, axis]});
}

export function accuracy(record, state, width) {
  const marks = [ruleX([place({step: state.step})], {stroke: "currentColor", strokeOpacity: 0.6})];
  for (const [name, dashes] of [["train_acc", "5 3"], ["test_acc", null]]) {
    if (!record.metrics?.[name]) continue;
    const curve = points(record.metrics[name], record, state);
    marks.push(lineY(curve, {x: place, y: one => 100 * one.value, stroke: `var(--${name.slice(0, -4)})`,
      strokeWidth: 2, strokeDasharray: dashes}));
  }
  const {scale, axis} = steps(record);
  return frame(width, 106, "training and test accuracy over training steps, in per cent",
    {x: scale, y: {domain: [0, 100], ticks: 3, grid: true, label: null}, marks: [...marks, axis]});
}

// Synergy against redundancy, from the first step to the chosen one and on.
export function path(record, state, found, width) {
  const excess = state.show === "excess" && found.synergy.excess;
  const of = word => excess ? found[word].excess : found[word].reading;
  const whole = of("synergy").map(one => ({step: one.step, y: one.value, x: at(of("redundancy"), one.step)?.value}))
    .filter(one => one.x !== undefined);
  const past = whole.filter(one => one.step <= state.step), now = past.at(-1) ?? whole[0];
  const marked = whole.filter((one, i) => i === 0 || i === whole.length - 1 || [10, 100, 1000].some(goal =>
    nearest(whole, goal) === one));
  const marks = [line(whole, {x: "x", y: "y", stroke: "currentColor", strokeOpacity: 0.3}),
    dot(whole, {x: "x", y: "y", r: 1.5, fill: "currentColor", fillOpacity: 0.35}),
    line(past, {x: "x", y: "y", stroke: "currentColor", strokeWidth: 2}),
    dot(marked, {x: "x", y: "y", r: 3, fill: "var(--paper)", stroke: "currentColor"}),
    text(marked, {x: "x", y: "y", text: one => `${one.step}`, dx: 5, dy: -7, textAnchor: "start", fill: "currentColor",
      stroke: "var(--paper)", strokeWidth: 4})];
  if (found.synergy.null && !excess) {
    const one = {y: nearest(found.synergy.null, state.step)?.value, x: nearest(found.redundancy.null, state.step)?.value};
    marks.push(dot([one], {x: "x", y: "y", symbol: "diamond", r: 6, fill: NULL_COLOUR(state.null), stroke: "var(--paper)"}));
  }
  if (now) marks.push(dot([now], {x: "x", y: "y", r: 6, fill: "var(--now)", stroke: "var(--paper)", strokeWidth: 1.5}));
  return frame(width, 290, `synergy against redundancy up to step ${state.step}, in bits`, {
    marginRight: 34, marginTop: 26, inset: 8, marks, x: {label: `${excess ? "excess of " : ""}redundancy (bits) →`, grid: true,
      ticks: 5, labelArrow: "none", labelAnchor: "right"},
    y: {label: `↑ ${excess ? "excess of " : ""}synergy (bits)`, grid: true, ticks: 5, labelArrow: "none"}});
}

// Which neurons a base-64 text of packed bits names.
function members(packed, width) {
  const bytes = Uint8Array.from(atob(packed), one => one.charCodeAt(0));
  return Array.from({length: width}, (_, i) => Boolean(bytes[i >> 3] & 128 >> (i & 7)));
}

export const shownSeed = (record, state) => state.seed === "all" ? record.seeds[0] : Number(state.seed);

export const KINDS = {both: ["diamond", "var(--both)"], synergy: ["circle", COLOUR.synergy],
  redundancy: ["square", COLOUR.redundancy], neither: ["circle", "none"]};

// The network's neurons, with those of either winning multiplet; null where the file does not name them.
export function units(record, state, width) {
  const stored = record.neurons?.[state.ties], step = record.steps.indexOf(state.step);
  if (!stored) return null;
  const seed = record.seeds.indexOf(shownSeed(record, state));
  const [synergy, redundancy] = WORDS.map(word => members(stored[word][seed][step], record.width));
  const columns = Math.min(25, Math.ceil(Math.sqrt(2.5 * record.width)));
  const kinds = synergy.map((one, i) => one && redundancy[i] ? "both" : one ? "synergy" : redundancy[i] ? "redundancy" : "neither");
  const rows = Math.ceil(kinds.length / columns), cell = Math.min(20, (width - 16) / columns);
  const all = kinds.map((kind, i) => ({x: i % columns, y: Math.floor(i / columns), kind}));
  const marks = Object.entries(KINDS).map(([kind, [symbol, fill]]) => dot(all.filter(one => one.kind === kind), {
    x: "x", y: "y", r: kind === "neither" ? cell * 0.16 : cell * 0.34, symbol, fill,
    stroke: kind === "neither" ? "currentColor" : "none", strokeOpacity: 0.5}));
  const count = kind => kinds.filter(one => one === kind).length;
  return frame(cell * columns + 16, cell * rows + 12, `${record.width} neurons: ${count("synergy") + count("both")} in the multiplet of `
    + `synergy, ${count("redundancy") + count("both")} in that of redundancy, ${count("both")} in both`, {
    margin: 0, marginLeft: 8, marginRight: 8, marginTop: 6, marginBottom: 6, axis: null,
    x: {domain: [-0.5, columns - 0.5]}, y: {domain: [rows - 0.5, -0.5]}, marks});
}

// How many neurons the winning multiplets have, where their names are not stored.
export function sizes(record, state, width) {
  const step = record.steps.indexOf(state.step);
  const bars = WORDS.map(word => ({word, ...spread(chosenRows(record.measures[state.ties][`${word}_size`], record, state), step)}))
    .filter(one => "value" in one);
  return frame(width, 96, "number of neurons in the winning multiplets", {
    marginLeft: 80, marginRight: 34, x: {domain: [0, record.width], label: "neurons", labelArrow: "none", ticks: 4},
    y: {label: null, domain: WORDS, tickSize: 0}, color: {type: "identity"}, marks: [barX(WORDS.map(word => ({word})), {x: record.width, y: "word", fill: "currentColor", fillOpacity: 0.1}),
      barX(bars, {x: "value", y: "word", fill: one => COLOUR[one.word]}),
      text(bars, {x: "value", y: "word", text: one => one.value.toFixed(0), dx: 6, textAnchor: "start",
        stroke: "var(--paper)", strokeWidth: 4, fill: "currentColor"})]});
}
