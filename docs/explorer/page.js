// The page: curves come from files beside it, and the address keeps what was chosen.
import {explorer} from "./explorer.js";

const FLAGS = ["untrained", "shuffled"];

async function load(file) {
  const answer = await fetch(`data/${file}`);
  if (!answer.ok) throw new Error(`${file}: ${answer.status} ${answer.statusText}`);
  return answer.json();
}

function said() {
  const state = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  for (const name of FLAGS) if (name in state) state[name] = state[name] === "1";
  return state;
}

function keep(state) {
  const plain = Object.entries(state).map(([name, value]) => [name, FLAGS.includes(name) ? Number(value) : value]);
  history.replaceState(null, "", `#${new URLSearchParams(plain)}`);
}

const root = document.querySelector("#explorer");
try {
  const shown = explorer(root, {index: await load("index.json"), load, state: said(), changed: keep});
  window.addEventListener("hashchange", () => shown.begin(said()));
  await shown.ready;
  performance.mark("interactive");
} catch (error) {
  root.textContent = `The curves could not be read: ${error.message}`;
}
