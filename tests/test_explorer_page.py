"""The explorer in a browser: moved by keyboard, its numbers held against the measures, its link followed."""

import gzip
import json
import shutil
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from grok_synergy.study.explorer import main_measures, write_explorer
from grok_synergy.study.jobs import load_paper

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
BROWSER = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
if BROWSER is None:
    pytest.skip("no Chromium is installed", allow_module_level=True)
if shutil.which("node") is None or not (DOCS / "node_modules" / "playwright-core").exists():
    pytest.skip("the explorer's packages are not installed: run `make explorer`", allow_module_level=True)
SERIOUS = ("serious", "critical")


class Compressing(SimpleHTTPRequestHandler):
    """Serves a folder as static hosts do: compressed, and silently."""

    def send_head(self):
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not path.exists():
            return self.send_error(404)
        body = gzip.compress(path.read_bytes(), 6)
        self.send_response(200)
        for name, value in (("Type", self.guess_type(path)), ("Encoding", "gzip"), ("Length", len(body))):
            self.send_header(f"Content-{name}", str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The built page with its data, in a folder."""
    built = subprocess.run(["npm", "run", "--silent", "--prefix", DOCS, "explorer"], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(ROOT / "build" / "explorer", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("data"))
    write_explorer(folder / "data")
    shutil.copy(ROOT / "grok_synergy" / "static" / "explorer.js", folder / "widget.js")
    return folder


@pytest.fixture(scope="module")
def seen(page):
    """What was seen in a browser."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *given: Compressing(*given, directory=page))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    browse = ["node", DOCS / "explorer" / "browse.mjs", BROWSER, f"http://127.0.0.1:{server.server_port}/"]
    done = subprocess.run(browse, capture_output=True, text=True, timeout=180)
    server.shutdown()
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def step_of(shown):
    return int(shown["step"].replace(",", ""))


def bits(value):
    """How the page writes bits; a value that lies between two ways to round is either."""
    return {f"{float(value) + shift:.2f}".replace("-0.00", "0.00") for shift in (-6e-4, 0, 6e-4)}


def expected(shown, ties, null=None, seed=None):
    """By field of both measures: what the measures say of the step that is shown."""
    chosen = main_measures().sel(preset=ties)
    chosen = chosen if seed is None else chosen.sel(seed=[seed])
    fields = {}
    for word in ("synergy", "redundancy"):
        fields[f"{word} reading"] = chosen[word].sel(step=step_of(shown)).mean()
        if null is not None:
            drawn = chosen[f"null_{word}"].sel(null=null).median("draw").mean("seed").dropna("step")
            near = drawn.step[np.abs(np.log((drawn.step.values + 0.5) / (step_of(shown) + 0.5))).argmin()]
            fields[f"{word} null"] = drawn.sel(step=near)
            fields[f"{word} excess"] = chosen[f"excess_{word}"].sel(null=null, step=near).mean()
    return fields


def agrees(shown, *given, **settings):
    """Whether every number that is shown is that of the measures."""
    return all(shown["numbers"][name].replace("-0.00", "0.00") in bits(value)
               for name, value in expected(shown, *given, **settings).items())


def test_nothing_is_said_on_the_console(seen):
    assert not seen["errors"]


def test_the_slider_moves_by_keyboard(seen):
    steps = main_measures().step.values.tolist()
    assert steps.index(step_of(seen["moved"])) == steps.index(step_of(seen["first"])) + 1
    assert step_of(seen["end"]) == steps[-1] and step_of(seen["back"]) < steps[-1]
    assert seen["moved"]["said"].startswith(f"step {step_of(seen['moved'])}: synergy ")


def test_the_numbers_are_those_of_the_measures(seen):
    for name in ("first", "moved", "end", "back"):
        assert agrees(seen[name], "mid_ranks", "responses")
    assert not agrees(seen["end"], "published", "responses")


def test_another_null_and_another_rule_bring_their_own_numbers(seen):
    assert agrees(seen["chimera"], "mid_ranks", "chimera") and seen["focused"] == "chimera"
    assert agrees(seen["published"], "published", "chimera")
    assert agrees(seen["seed"], "published", "chimera", seed=200)
    assert any("excess over the null" in one for one in seen["excess"]["pictures"])


def test_a_link_keeps_the_state(seen):
    assert seen["linked"] == seen["seed"]


def test_the_widget_and_its_model_follow_each_other(seen):
    steps = main_measures().step.values.tolist()
    assert seen["widget"] == ["10", str(steps[steps.index(10) + 1]), str(steps[steps.index(10) + 1]), "1,000"]


def test_another_condition_is_fetched_when_chosen(seen):
    found, other = load_paper().measures["mid_ranks"]["wd0.1"], seen["other"]
    at = int(np.abs(np.log(found.step.values / 1000)).argmin())
    assert step_of(other) == int(found.step[at])
    assert other["numbers"]["synergy reading"] in bits(found.synergy.isel(step=at).mean())


def test_neurons_are_counted_as_the_measures_count_them(seen):
    main, step = main_measures().sel(preset="published", seed=200), step_of(seen["seed"])
    [units] = [one for one in seen["seed"]["pictures"] if one.startswith("250 neurons")]
    words = [f"{int(main.synergy_size.sel(step=step))} in the multiplet of synergy",
             f"{int(main.redundancy_size.sel(step=step))} in that of redundancy"]
    assert all(word in units for word in words)


def test_nothing_serious_stands_in_anybodys_way(seen):
    assert not [one for one in seen["axe"] if one["impact"] in SERIOUS]


def test_nothing_sticks_out_on_a_phone(seen):
    assert seen["phone overflow"] <= 0 and seen["desktop overflow"] <= 0


def test_the_page_and_its_first_data_are_light(seen):
    names = {name for name, *_ in seen["resources"]}
    assert {"explorer.js", "index.json", "figure.json"} <= names and "wd2.json" not in names
    assert sum(size for _, size, _ in seen["resources"]) < 1.5e6
