// Opens the explorer as a reader would and prints what was seen, as JSON: node browse.mjs BROWSER ADDRESS [PICTURE]
import {createRequire} from "node:module";
import {chromium} from "playwright-core";

const [browserPath, address, picture] = process.argv.slice(2);
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const browser = await chromium.launch({executablePath: browserPath, args: ["--no-sandbox"]});
const seen = {errors: [], axe: []};

async function opened(fragment = "", {width = 1280, height = 900, colorScheme = "light", throttled = false} = {}) {
  const page = await (await browser.newContext({viewport: {width, height}, colorScheme})).newPage();
  page.on("console", said => ["error", "warning"].includes(said.type()) && seen.errors.push(said.text()));
  page.on("pageerror", error => seen.errors.push(error.message));
  page.on("requestfailed", request => seen.errors.push(`${request.url()} failed`));
  if (throttled) { // as Lighthouse emulates a phone on a slow 4G connection
    const session = await page.context().newCDPSession(page);
    await session.send("Network.enable");
    await session.send("Network.emulateNetworkConditions", {offline: false, latency: 150,
      downloadThroughput: 1.6e6 / 8, uploadThroughput: 0.75e6 / 8});
  }
  await page.goto(address + fragment);
  await page.waitForFunction(() => performance.getEntriesByName("interactive").length);
  return page;
}

const shown = page => page.evaluate(() => ({
  step: document.querySelector(".gs-now").value,
  said: document.querySelector(".gs-step input").getAttribute("aria-valuetext"),
  numbers: Object.fromEntries([...document.querySelectorAll("[data-field]")].map(one =>
    [`${one.dataset.word} ${one.dataset.field}`, one.textContent.replace("−", "-")])),
  pictures: [...document.querySelectorAll(".gs-plot svg")].map(one => one.getAttribute("aria-label")),
  fragment: location.hash}));

async function settled(page, act) {
  const before = await page.evaluate(() => location.hash);
  await act();
  await page.waitForFunction(hash => location.hash !== hash, before);
  return shown(page);
}

async function judged(page, name) {
  await page.addScriptTag({path: axe});
  const {violations} = await page.evaluate(() => globalThis.axe.run());
  seen.axe.push(...violations.map(one => ({page: name, rule: one.id, impact: one.impact, where: one.nodes.map(node => node.target)})));
  seen[`${name} overflow`] = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
}

const page = await opened();
seen.first = await shown(page);
if (picture) await page.locator("#explorer").screenshot({path: picture});
await page.locator(".gs-step input").focus();
seen.moved = await settled(page, () => page.keyboard.press("ArrowRight"));
seen.end = await settled(page, () => page.keyboard.press("End"));
seen.back = await settled(page, () => page.keyboard.press("PageDown"));
await page.locator("input[value=responses]").focus();
seen.chimera = await settled(page, () => page.keyboard.press("ArrowRight"));
seen.focused = await page.evaluate(() => document.activeElement.value);
seen.published = await settled(page, () => page.locator("input[value=published]").check());
seen.excess = await settled(page, () => page.locator("input[value=excess]").check());
seen.seed = await settled(page, () => page.getByLabel("seed").selectOption("200"));
const link = await opened(seen.seed.fragment);
seen.linked = await shown(link);
await link.evaluate(() => { location.hash = "#condition=wd0.1&step=1000"; });
await link.waitForFunction(() => location.hash.includes("ties="));  // which the page adds once it shows the condition
seen.other = await shown(link);
await judged(page, "desktop");

// The widget's module, with what a notebook would hand over: it follows the model, and the model follows it.
seen.widget = await link.evaluate(async () => {
  const {default: {render}} = await import(new URL("widget.js", location.href));
  const records = {network: await (await fetch("data/figure.json")).json()};
  const entries = [{name: "network", label: "network", groups: [{name: "all", label: "all", file: "network"}]}];
  const held = {source: {index: {axis: "layer", entries}, records}, state: {step: 10}};
  const model = {get: name => held[name], save_changes() {}, on: (_, call) => { model.call = call; }, off() {},
    set(name, value) { held[name] = value; model.call?.(); }};
  const el = document.body.appendChild(document.createElement("div")), wait = () => new Promise(done => setTimeout(done, 200));
  const close = render({model, el});
  await wait();
  const slider = el.querySelector("input[type=range]"), now = () => el.querySelector(".gs-now").value, steps = [now()];
  slider.stepUp();
  slider.dispatchEvent(new Event("input"));
  await wait();
  steps.push(now(), String(held.state.step));
  model.set("state", {...held.state, step: 1000});
  await wait();
  steps.push(now());
  close();
  return steps;
});
await judged(await opened("", {width: 390, height: 844, colorScheme: "dark"}), "phone");
const slow = await opened("", {width: 390, height: 844, throttled: true});
seen.interactive = await slow.evaluate(() => performance.getEntriesByName("interactive")[0].startTime);
seen.resources = await slow.evaluate(() => performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
  .map(one => [one.name.split("/").pop(), one.decodedBodySize, one.encodedBodySize]));
await browser.close();
console.log(JSON.stringify(seen, null, 1));
