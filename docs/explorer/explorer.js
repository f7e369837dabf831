// The explorer: controls, figures and numbers of one choice. The page and the widget both mount it.
import {KINDS, WORDS, accuracy, at, curves, nearest, path, shownSeed, sizes, units, views} from "./draw.js";

const TIES = {published: "published", mid_ranks: "mid-ranks"};
const NULLS = {none: "none", responses: "responses", chimera: "chimera", columns: "columns"};
const bits = value => value === null || value === undefined ? "–" : value.toFixed(2).replace("-", "−");
let instances = 0;

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  if (["input", "select", "button"].includes(tag)) node.setAttribute("data-lm-suppress-shortcuts", ""); // or JupyterLab takes the keys
  node.append(...children.filter(one => one !== null));
  return node;
}

// A choice among names that a record does not have falls back on the first it has.
const among = (wanted, names, otherwise = names[0]) =>
  names.includes(wanted) ? wanted : names.includes(otherwise) ? otherwise : names[0];

function settled(state, entry, record) {
  const presets = Object.keys(record.measures), ties = among(state.ties, presets, "mid_ranks");
  const kinds = ["none", ...Object.keys(record.nulls?.[ties] ?? {})];
  const kind = among(state.null ?? "responses", kinds, state.null === "none" ? "none" : kinds.at(1) ?? "none");
  const seeds = record.seeds.length > 1 ? ["all", ...record.seeds.map(String)] : record.seeds.map(String);
  const wanted = Number(state.step ?? NaN), steps = record.steps;
  const step = Number.isFinite(wanted) ? nearest(steps.map(one => ({step: one})), wanted).step : steps[Math.floor(0.6 * steps.length)];
  return {condition: entry.name, group: among(state.group, entry.groups.map(one => one.name)), ties, null: kind,
    show: kind === "none" ? "bits" : among(state.show, ["bits", "excess"]), seed: among(String(state.seed ?? "all"), seeds),
    untrained: state.untrained ?? true, shuffled: state.shuffled ?? true, step};
}

class Explorer {
  constructor(root, {index, load, state, changed}) {
    Object.assign(this, {root, index, load, changed, state: {...state}, id: `gs${instances++}`, loaded: new Map()});
    root.classList.add("gs-explorer");
    this.frame();
    this.observer = new ResizeObserver(() => this.redraw());
    this.observer.observe(root);
  }

  frame() {
    const part = (name, title, note) => {
      this[name] = make("div", {class: "gs-plot"});
      this[`${name}Key`] = make("p", {class: "gs-key"});
      return make("figure", {class: `gs-${name}`}, make("figcaption", {}, make("strong", {}, title), note ? ` ${note}` : ""),
        this[`${name}Key`], this[name]);
    };
    this.slider = make("input", {type: "range", id: `${this.id}-step`, min: 0, step: 1,
      oninput: () => this.choose({step: this.record.steps[this.slider.value]})});
    this.shownStep = make("output", {for: `${this.id}-step`, class: "gs-now"});
    this.play = make("button", {type: "button", onclick: () => this.toggle()}, "Play");
    this.controls = make("form", {class: "gs-controls", onsubmit: event => event.preventDefault()});
    this.numbers = make("div", {class: "gs-numbers", tabindex: 0, role: "region", "aria-label": "Numbers at the chosen step"});
    this.said = make("p", {class: "gs-said", role: "status"});
    this.root.replaceChildren(this.controls,
      make("div", {class: "gs-step"}, make("label", {for: `${this.id}-step`}, "Training step"), this.slider, this.shownStep, this.play),
      this.said, this.numbers,
      make("div", {class: "gs-figures"},
        make("div", {}, part("synergy", "Synergy", "(bits)"), part("redundancy", "Redundancy", "(bits)"),
          part("accuracy", "Accuracy", "(%)")),
        make("div", {}, part("path", "Path", "of synergy against redundancy"), part("units", "Winning multiplets", ""))));
  }

  // Takes a whole choice in: what it does not say is as at first.
  begin(state) {
    this.state = {};
    return this.choose(state);
  }

  // Takes a change in, fetches what it needs, and shows it.
  async choose(change) {
    const asked = this.asked = Symbol(), wanted = {...this.state, ...change};
    const entry = this.index.entries.find(one => one.name === wanted.condition) ?? this.index.entries[0];
    const group = entry.groups.find(one => one.name === wanted.group) ?? entry.groups[0];
    try {
      if (!this.loaded.has(group.file)) this.loaded.set(group.file, await this.load(group.file));
    } catch (error) {
      this.said.textContent = `The curves of ${entry.label} could not be read: ${error.message}`;
      return;
    }
    if (asked !== this.asked) return;
    this.said.textContent = "";
    const same = this.record === this.loaded.get(group.file);
    this.record = this.loaded.get(group.file);
    this.state = settled({...wanted, group: group.name}, entry, this.record);
    if (!same || Object.keys(change).some(name => name !== "step")) this.control(entry);
    this.redraw();
    this.changed?.(this.state);
  }

  select(name, label, options) {
    const id = `${this.id}-${name}`, node = make("select", {id, name, onchange: () => this.choose({[name]: node.value})},
      ...options.map(([value, words]) => make("option", {value, selected: value === this.state[name]}, words)));
    return make("label", {for: id, hidden: options.length < 2}, make("span", {}, label), node);
  }

  radios(name, label, options) {
    return make("fieldset", {hidden: options.length < 2}, make("legend", {}, label), ...options.map(([value, words]) =>
      make("label", {}, make("input", {type: "radio", name: `${this.id}-${name}`, value, checked: value === this.state[name],
        onchange: () => this.choose({[name]: value})}), words)));
  }

  check(name, label) {
    return make("label", {}, make("input", {type: "checkbox", checked: this.state[name],
      onchange: event => this.choose({[name]: event.target.checked})}), label);
  }

  // The controls that this record has use for, with the focus where it was.
  control(entry) {
    const {record, state, index} = this, active = this.controls.getRootNode().activeElement;
    const focus = this.controls.contains(active) && (active.id ? `#${active.id}` : active.type === "radio"
      ? `input[name="${active.name}"]:checked` : null);
    const nulls = ["none", ...Object.keys(record.nulls?.[state.ties] ?? {})].map(one => [one, NULLS[one] ?? one]);
    const before = record.steps[0] === 0, baselines = [
      before ? this.check("untrained", "untrained") : null, record.shuffled ? this.check("shuffled", "shuffled labels") : null];
    const seeds = record.seeds.map(one => [String(one), `seed ${one}`]);
    const parts = [
      this.select("condition", index.axis, index.entries.map(one => [one.name, one.label])),
      this.select("group", "networks", entry.groups.map(one => [one.name, one.label])),
      this.select("seed", "seed", seeds.length > 1 ? [["all", `all ${seeds.length}: mean and spread`], ...seeds] : seeds),
      this.radios("ties", "equal values", Object.keys(record.measures).map(one => [one, TIES[one] ?? one])),
      this.radios("null", "null", nulls),
      this.radios("show", "show", state.null === "none" ? [] : [["bits", "bits"], ["excess", "excess over the null"]]),
      make("fieldset", {hidden: !baselines.some(Boolean)}, make("legend", {}, "baselines"), ...baselines),
      nulls.length < 2 ? make("p", {class: "gs-lacks"}, "These networks were measured without a null.") : null];
    this.controls.replaceChildren(...parts.filter(Boolean));
    if (focus) this.controls.querySelector(focus)?.focus();
    if (!focus && active?.type === "checkbox") [...this.controls.querySelectorAll("input[type=checkbox]")]
      .find(one => one.parentNode.textContent === active.parentNode.textContent)?.focus();
    this.slider.max = record.steps.length - 1;
  }

  key(name, items) {
    this[`${name}Key`].replaceChildren(...items.filter(Boolean).map(([kind, colour, words]) =>
      make("span", {}, make("i", {class: `gs-mark gs-${kind}`, style: `color: ${colour}`, "aria-hidden": "true"}), words)));
  }

  put(name, node) {
    node?.setAttribute("role", "img"); // one picture with one label: its parts have none
    for (const one of node?.querySelectorAll("[aria-label]") ?? []) one.removeAttribute("aria-label");
    this[name].replaceChildren(node ?? "");
    this[name].parentNode.hidden = !node;
  }

  redraw() {
    if (!this.record || !this.root.clientWidth) return;
    const {record, state} = this, found = views(record, state), wide = this.root.clientWidth >= 760;
    const width = wide ? Math.floor((this.root.clientWidth - 24) / 2) : this.root.clientWidth;
    const excess = state.show === "excess";
    this.root.classList.toggle("gs-wide", wide);
    this.slider.value = record.steps.indexOf(state.step);
    this.shownStep.value = state.step.toLocaleString("en");
    this.slider.setAttribute("aria-valuetext", `step ${state.step}: ${WORDS.map(word =>
      `${word} ${bits(at(found[word].reading, state.step)?.value)} bits`).join(", ")}`);
    for (const word of WORDS) {
      this.put(word, curves(record, state, found[word], word, width));
      this.key(word, [["line", `var(--${word})`, excess ? "excess" : "reading"],
        found[word].null && !excess && ["dashed", `var(--null-${state.null})`, `null: ${state.null}`],
        found[word].shuffled && state.shuffled && !excess && ["dotted", "var(--baseline)", `shuffled labels, mean of ${record.shuffled.seeds.length}`],
        found[word].untrained !== null && state.untrained && !excess && ["dashdot", "var(--baseline)", "untrained: step 0"]]);
    }
    const measured = record.metrics?.train_acc || record.metrics?.test_acc;
    this.put("accuracy", measured ? accuracy(record, state, width) : null);
    this.key("accuracy", [record.metrics?.train_acc && ["dashed", "var(--train)", "training"],
      record.metrics?.test_acc && ["line", "var(--test)", "test"]]);
    this.put("path", path(record, state, found, width));
    this.key("path", [["disc", "var(--now)", `step ${state.step}`], found.synergy.null && !excess
      && ["diamond", `var(--null-${state.null})`, `null: ${state.null}`], ["ring", "currentColor", "steps on the way"]]);
    this.multiplets(width);
    this.tell(found);
  }

  multiplets(width) {
    const {record, state} = this, drawn = units(record, state, width);
    const known = record.measures[state.ties].synergy_size;
    this.put("units", drawn ?? (known && record.width ? sizes(record, state, width) : null));
    if (drawn) this.key("units", [[`${KINDS.synergy[0]} gs-disc`, "var(--synergy)", "synergy"], ["box", "var(--redundancy)", "redundancy"],
      ["diamond", "var(--both)", "both"], ["ring", "currentColor", "neither"],
      state.seed === "all" && ["none", "inherit", `one mark a neuron of seed ${shownSeed(record, state)}`]]);
    else this.key("units", [["none", "inherit", "their sizes; this file does not say which neurons they are"]]);
  }

  // The numbers at the chosen step, as a table.
  tell(found) {
    const {record, state} = this, step = state.step, heads = ["", "reading (bits)"];
    if (found.synergy.null) {
      const drawn = nearest(found.synergy.null, step).step;
      heads.push(`null at step ${drawn}`, `excess at step ${drawn}`);
    }
    if (found.synergy.untrained !== null && state.untrained) heads.push("untrained");
    if (found.synergy.shuffled && state.shuffled) heads.push("shuffled labels");
    const sized = record.measures[state.ties].synergy_size;
    if (sized) heads.push("neurons");
    const rows = WORDS.map(word => {
      const one = found[word], cell = (field, value) => make("td", {"data-word": word, "data-field": field}, value);
      const cells = [cell("reading", bits(at(one.reading, step)?.value))];
      if (one.null) cells.push(cell("null", bits(nearest(one.null, step)?.value)), cell("excess", bits(nearest(one.excess, step)?.value)));
      if (one.untrained !== null && state.untrained) cells.push(cell("untrained", bits(one.untrained)));
      if (one.shuffled && state.shuffled) cells.push(cell("shuffled", bits(nearest(one.shuffled, step)?.value)));
      if (sized) {
        const rows = record.measures[state.ties][`${word}_size`], at = record.steps.indexOf(step);
        const some = state.seed === "all" ? rows : [rows[record.seeds.indexOf(Number(state.seed))]];
        const sizes = some.map(row => row[at]).filter(size => size !== null);
        cells.push(cell("size", sizes.length ? (sizes.reduce((a, b) => a + b) / sizes.length).toFixed(0) : "–"));
      }
      return make("tr", {}, make("th", {scope: "row", class: `gs-word-${word}`}, word), ...cells);
    });
    const who = state.seed === "all" ? `Mean of ${record.seeds.length} networks` : `Seed ${state.seed}`;
    this.numbers.replaceChildren(make("table", {}, make("caption", {}, `${who} at step ${step.toLocaleString("en")}`),
      make("thead", {}, make("tr", {}, ...heads.map(one => one ? make("th", {scope: "col"}, one) : make("td")))),
      make("tbody", {}, ...rows)));
  }

  toggle() {
    if (this.timer) { this.stop(); return; }
    if (this.state.step === this.record.steps.at(-1)) this.choose({step: this.record.steps[0]});
    this.play.textContent = "Pause";
    this.timer = setInterval(() => {
      const next = this.record.steps[this.record.steps.indexOf(this.state.step) + 1];
      if (next === undefined) this.stop(); else this.choose({step: next});
    }, 120);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "Play";
  }

  close() {
    this.stop();
    this.observer.disconnect();
  }
}

export function explorer(root, options) {
  const made = new Explorer(root, options);
  made.ready = made.choose({});
  return made;
}
