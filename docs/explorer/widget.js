// The same explorer in a notebook, of the curves that Python hands over.
import {explorer} from "./explorer.js";

function render({model, el}) {
  const root = document.createElement("div");
  el.append(root);
  const {index, records} = model.get("source");
  const shown = explorer(root, {index, load: file => records[file], state: model.get("state"), changed: state => {
    if (JSON.stringify(state) === JSON.stringify(model.get("state"))) return;
    model.set("state", state);
    model.save_changes();
  }});
  const follow = () => {
    if (Object.entries(model.get("state")).some(([name, value]) => shown.state[name] !== value)) shown.choose(model.get("state"));
  };
  model.on("change:state", follow);
  return () => {
    model.off("change:state", follow);
    shown.close();
  };
}

export default {render};
