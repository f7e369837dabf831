"""The site and the links of the lessons: parts of it built in a small copy, and the built site where there is one."""

import functools
import http.server
import json
import os
import posixpath
import re
import shutil
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from docs_pages import links_for_site, reference, with_code_links, with_symbols
from docs_symbols import Library
from make_docs import Site, section
from make_lessons import LINKS, bring, floors, links, with_folds

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / "build" / "site"
SHOWN = ["03_oinfo.ipynb", "05_figures.ipynb"]  # the lessons of the small copy
TEXTS = [*sorted((ROOT / "nbs").rglob("[!.]*.ipynb")), *sorted((ROOT / "figures").glob("*.md")),
         *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/results.md"))]
TEXTS = [path for path in TEXTS if ".ipynb_checkpoints" not in path.parts]


def markdown(path):
    """The Markdown of a text or of a notebook's cells, without code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n\n".join(cell.source for cell in nbformat.reads(text, as_version=4).cells if cell.cell_type == "markdown")
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)


@functools.cache
def anchors(path):
    """The names of a text's headings, as GitHub and as JupyterLab have them."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S) if path.suffix == ".md" else "\n".join(
        cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")
    titles = [re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in re.findall(r"^#+ (.+)$", text, re.M)]
    github = ["".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_") for title in titles]
    return {*github, *(title.replace(" ", "-") for title in titles)}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path):
    targets = re.findall(r"""\]\(([^)\s]+)\)|(?:src|href)="([^"]+)\"""", markdown(path))
    for target in {one or other for one, other in targets}:
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        file = path.parent / unquote(place) if place else path
        assert file.exists(), target
        assert not anchor or file.suffix not in (".md", ".ipynb") or unquote(anchor) in anchors(file), target


# Lessons


@pytest.fixture
def small(tmp_path):
    """A project of an index and three lessons."""
    (tmp_path / "nbs" / "study").mkdir(parents=True)
    table = ("## The map\n\n| Floor | Notebooks |\n|---|---|\n| ground | [a](01_a.ipynb) |\n"
             "| study | [c](study/01_c.ipynb) |\n")
    made = {"index": [("markdown", table, [])], "01_a": [("markdown", "# First\n\n> one", [])],
            "01b_b": [("markdown", "# Second\n\n> two", []), ("code", "#| default_exp b", ["folded"]),
                      ("code", "#| export\nimport os", []), ("code", "#| export\ndef f(): pass", []),
                      ("code", "#| export\ndef g(): pass", ["open"]), ("code", "f()", [])],
            "study/01_c": [("markdown", "# Third\n\n> three", [])]}
    for name, cells in made.items():
        cells = [{"cell_type": kind, "id": f"c{i}", "metadata": {"tags": tags} if tags else {}, "source": [source],
                  **({"outputs": [], "execution_count": None} if kind == "code" else {})}
                 for i, (kind, source, tags) in enumerate(cells)]
        notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (tmp_path / "nbs" / f"{name}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    return tmp_path


def test_lessons_end_with_links_to_their_neighbours(small):
    found = floors(small)
    assert found == {"ground": ["01_a.ipynb", "01b_b.ipynb"], "study": ["study/01_c.ipynb"]}
    order = sum(found.values(), [])
    assert links(order[1], order, small) == (
        "[← First](01_a.ipynb) · [The map](index.ipynb#The-map) · [Third →](study/01_c.ipynb)")
    assert links(order[2], order, small) == "[← Second](../01b_b.ipynb) · [The map](../index.ipynb#The-map)"
    for _ in range(2):  # the second time changes nothing
        bring(order[1], order, small)
        notebook = nbformat.read(small / "nbs" / "01b_b.ipynb", as_version=4)
        assert [cell.id for cell in notebook.cells].count(LINKS) == 1 and notebook.cells[-1].id == LINKS


def test_what_a_live_widget_held_is_not_kept(small):
    path = small / "nbs" / "01_a.ipynb"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"metadata": {"widgets": {"state": 1}}}))
    bring("01_a.ipynb", ["01_a.ipynb"], small)
    assert "widgets" not in json.loads(path.read_text(encoding="utf-8"))["metadata"]


def test_a_lesson_says_which_cells_are_folded(small):
    notebook = with_folds(json.loads((small / "nbs" / "01b_b.ipynb").read_text(encoding="utf-8")))
    hidden = [cell["metadata"].get("jupyter", {}).get("source_hidden", False) for cell in notebook["cells"]]
    assert hidden == [False, False, True, True, False, False]
    notebook["cells"][1]["metadata"] = {}
    hidden = [bool(cell["metadata"].get("jupyter")) for cell in with_folds(notebook)["cells"]]
    assert hidden == [False, False, True, False, False, False]  # imports alone


def test_the_main_notebook_shows_parameters_and_figure_first():
    cells = nbformat.read(ROOT / "nbs" / "05_figures.ipynb", as_version=4).cells
    assert "parameters" in cells[2].metadata.tags and cells[3].source.startswith("<img")
    exported = [cell for cell in cells if cell.source.startswith("#| export")]
    assert all(cell.metadata.get("jupyter", {}).get("source_hidden") for cell in exported)


# Symbols


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Two modules of the library."""
    folder = tmp_path_factory.mktemp("library")
    for name in ("oinfo", "figures", "nulls"):
        shutil.copy(ROOT / "grok_synergy" / f"{name}.py", folder)
    return Library(folder)


def test_a_function_has_its_parameters(library):
    symbol = library.resolve("total_correlation(corr)")
    assert symbol.rows == [("corr", "Array", "", "(..., n, n) correlation (or covariance) matrices"),
                           ("n_samples", "int | None", "None",
                            "samples behind `corr`, to correct the bias; None: it is exact")]
    assert (symbol.returns, symbol.notebook) == (("Array", "(...) bits"), "03_oinfo")
    assert symbol.first == "Total correlation: how far the variables are from independent."


def test_a_class_has_the_fields_that_it_inherits():
    page = reference("significance", Library(ROOT / "grok_synergy"), "Significance")
    assert "| `found`<br><small>Multiplets</small> | the multiplets, with their names |" in page
    assert "'Figure'" not in page


def test_constants_come_after_what_can_be_called():
    page = reference("probe", Library(ROOT / "grok_synergy"), "Probe")
    assert 0 < page.index("## `Probe`") < page.index("## `PER_DECADE`")


def test_inline_code_that_is_a_symbol_is_linked(library):
    text = "`o_information` of `corr`, in [a `link`](x.md); `oinfo.biases`.\n\n```\n`o_information`\n```"
    made = with_symbols(text, library, "oinfo", "lessons")
    assert made.startswith("[`o_information`](../reference/oinfo.md#o_information \"O-information, TC - DTC.\") of `corr`")
    assert made.count("reference/") == 2 and "[a `link`](x.md)" in made


def test_names_in_code_lead_to_their_reference():
    code = '<pre><span class="n">name</span><span class="o">.</span><span class="n">name</span></pre>'
    made = with_code_links(f'<span class="n">name</span>{code}', {"name": "there.html#name"})
    assert made.count('<a class="symbol" href="there.html#name"><span class="n">name</span></a>') == 1
    keyword = '<pre><span class="n">name</span><span class="o">=</span></pre>'
    assert with_code_links(keyword, {"name": "there.html#name"}) == keyword


def test_reference_has_an_entry_for_every_public_name(library):
    page = reference("oinfo", library, "O-information")
    for name in ("biases", "total_correlation", "o_information", "s_information"):
        assert f"## `{name}` {{ #{name} .function }}" in page
    assert "| `n_samples`<br><small>int &#124; None, default <code>None</code></small> |" in page
    assert "[The lesson that defines it](../lessons/03_oinfo.md#def-o_information)" in page


# Pages


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The Markdown of a site of two lessons, with an explorer."""
    root, folder = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("docs")
    for name in ("docs", "figures", "benchmarks"):
        left_out = shutil.ignore_patterns("tables", "*.nc", "curves-*", "node_modules")
        shutil.copytree(ROOT / name, root / name, ignore=left_out)
    (root / "nbs").mkdir()
    for name in ["index.ipynb", *SHOWN]:
        shutil.copy(ROOT / "nbs" / name, root / "nbs")
    (root / "grok_synergy").mkdir()
    for name in ("oinfo", "figures", "nulls"):
        shutil.copy(ROOT / "grok_synergy" / f"{name}.py", root / "grok_synergy")
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, root)
    (root / "build" / "explorer").mkdir(parents=True)
    (root / "build" / "explorer" / "index.html").write_text("<title>e</title><!-- site -->", encoding="utf-8")
    return Site(root, folder).make()


def test_a_lesson_becomes_a_page(site):
    text = (site.folder / "lessons" / "03_oinfo.md").read_text(encoding="utf-8")
    assert text.startswith("# O-information\n\nSynergy and redundancy of every group")
    assert 'id="def-o_information"' in text and "lesson-links" not in text and "default_exp" not in text
    assert '??? code "What the module imports"' in text and "```python\ndef o_information(" in text
    assert "\n\n$$\\mathrm{TC}" in text and ".ipynb)" not in text.replace("03_oinfo.ipynb)", "")
    assert (site.folder / "lessons" / "03_oinfo_files" / "1.png").read_bytes().startswith(b"\x89PNG")


def test_a_folded_lesson_shows_parameters_and_folds_code(site):
    text = (site.folder / "lessons" / "05_figures.md").read_text(encoding="utf-8")
    assert '??? code "The code of `draw_pareto`"' in text
    assert "| `measures`<br><small>xr.Dataset</small> | synergy and redundancy: (seed, step), bits |" in text


def test_pages_link_to_files_of_the_site_alone(site):
    for name in site.written:
        if name.endswith(".md") and name.split("/")[0] in ("lessons", "reference", "figures"):
            text = re.sub(r"```.*?```", "", (site.folder / name).read_text(encoding="utf-8"), flags=re.S)
            for target in re.findall(r"\]\(([^)\s#]+)", text):
                if not re.match(r"[a-z]+:", target):
                    assert (site.folder / posixpath.dirname(name) / target).exists(), (name, target)


def test_pages_of_docs_link_to_what_the_site_has(tmp_path):
    site = Site(ROOT, tmp_path)
    headings = {"CONTRIBUTING.md": anchors(ROOT / "CONTRIBUTING.md")}
    headings |= {name: anchors(ROOT / "docs" / name) for name in site.sources() if name.endswith(".md")}
    for name in [name for name in headings if name != "CONTRIBUTING.md"]:
        text = re.sub(r"<!-- explorer: .*", "", (ROOT / "docs" / name).read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)\s]+)", text):
            place, _, anchor = target.partition("#")
            if not re.match(r"[a-z]+:", target):
                file = posixpath.normpath(posixpath.join(posixpath.dirname(name), place)) if place else name
                assert file in site.files, (name, target)
                if anchor and file not in headings:
                    headings[file] = anchors(ROOT / "nbs" / file.removeprefix("lessons/").replace(".md", ".ipynb"))
                assert not anchor or anchor in headings[file], (name, target)


def test_links_to_what_the_site_lacks_keep_their_text(site):
    text = "[tables](../figures/tables), [a](03_oinfo.ipynb#What-it-refuses) and [b](#Here)"
    assert links_for_site(text, "nbs", "lessons", site.files) == "tables, [a](03_oinfo.md#what-it-refuses) and [b](#here)"


def test_readme_sections_are_taken_as_they_are(site):
    page = (site.folder / "start" / "table.md").read_text(encoding="utf-8")
    assert "found = significance(wine)" in page and "<!-- readme" not in page
    with pytest.raises(ValueError, match="README.md has no section 'Nothing'"):
        section("## Three findings\n", "Nothing")


def test_the_explorer_is_in_the_navigation_where_it_is(site):
    assert {"Explorer": "explorer/index.html"} in site.navigation()
    written, site.written = site.written, [name for name in site.written if not name.startswith("explorer/")]
    assert not any("Explorer" in one for one in site.navigation())
    site.written = written


def test_the_explorer_and_the_first_page_lead_to_each_other(site, tmp_path):
    assert "](explorer/index.html): a slider" in (site.folder / "index.md").read_text(encoding="utf-8")
    assert 'href="../index.html"' in (site.folder / "explorer" / "index.html").read_text(encoding="utf-8")
    shutil.copytree(site.root, tmp_path / "root", ignore=shutil.ignore_patterns("explorer"))
    Site(tmp_path / "root", tmp_path / "docs").make()
    assert "explorer/" not in (tmp_path / "docs" / "index.md").read_text(encoding="utf-8")


# The built site


class Links(HTMLParser):
    """What a page refers to, and the places that it can be referred to by."""

    def __init__(self, path):
        super().__init__()
        self.targets, self.ids = set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.targets |= {attrs[key] for key in ("href", "src") if attrs.get(key)}
        self.ids |= {attrs[key] for key in ("id", "name") if attrs.get(key)}


@pytest.mark.skipif(not BUILT.exists(), reason="there is no built site: run `make docs`")
def test_every_link_of_the_built_site_leads_somewhere():
    pages = {path: Links(path) for path in BUILT.rglob("*.html") if path.name != "404.html"}
    broken = []
    for path, page in pages.items():
        for target in page.targets:
            if re.match(r"[a-z]+:|//", target):
                continue
            place, _, anchor = unquote(target).partition("#")
            file = Path(os.path.normpath(path.parent / place.partition("?")[0])) if place else path
            if not file.exists() or (anchor and file in pages and anchor not in pages[file].ids):
                broken.append(f"{path.relative_to(BUILT)}: {target}")
    assert not broken


@pytest.fixture(scope="module")
def browser():
    """Chromium, from CHROMIUM or where Debian puts it."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not found or not BUILT.exists():
        pytest.skip("no Chromium is here" if not found else "there is no built site: run `make docs`")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: run `make docs`")
    with sync_api.sync_playwright() as tool:
        opened = tool.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address():
    """The built site, served on this machine."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=BUILT))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


AXE = ROOT / "docs" / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = """async () => (await axe.run({resultTypes: ["violations"]})).violations
    .filter(one => ["serious", "critical"].includes(one.impact)).map(one => [one.id, one.nodes[0].target[0]])"""
KINDS = ["index.html", "lessons/tutorial.html", "lessons/03_oinfo.html", "lessons/05_figures.html", "figures/claims.html",
         "reference/layer.html", "gallery.html", "glossary.html"]  # one page of each kind; all of them: SITE=all
RAW = r"() => document.querySelector('article').innerText.match(/\$\$|\\\(|\\\[|\\(?:frac|mathrm|Omega)\b/g) || []"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_pages_open_without_an_error(browser, address, width, scheme):
    every = sorted(path.relative_to(BUILT).as_posix() for path in BUILT.rglob("*.html") if path.name != "404.html")
    page, wrong = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme), []
    page.on("console", lambda said: wrong.append((page.url, said.text)) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append((page.url, str(error))))
    page.on("request", lambda asked: None if asked.url.startswith((address, "data:", "blob:"))
            else wrong.append((page.url, asked.url)))
    for name in every if os.environ.get("SITE") == "all" else KINDS:
        if name.startswith("explorer/"):
            continue  # a page of its own, with tests of its own
        page.goto(f"{address}/{name}")
        page.evaluate("() => window.MathJax?.startup?.promise")
        formulas, drawn = (page.locator(css).count() for css in (".arithmatex", ".arithmatex mjx-container"))
        wrong += [(name, f"{formulas} formulas, {drawn} drawn")] if formulas != drawn else []
        wrong += [(name, raw) for raw in page.evaluate(RAW)] + [(name, "mjx-merror")] * page.locator("mjx-merror").count()
        wide = page.evaluate("document.documentElement.scrollWidth")
        wrong += [(name, f"{wide} pixels wide")] if wide > width else []
        if AXE.exists():  # what a screen reader, a keyboard or weak eyes meet
            page.add_script_tag(path=AXE)
            wrong += [(name, *found) for found in page.evaluate(SERIOUS)]
    page.close()
    assert not wrong


ASKED = {"what does synergy in excess mean": "questions", "negative excess": "questions",
         "is early synergy a sign of grokking": "questions", "early synergy": "questions",
         "measure the activations of my layer": "questions", "probe": "probe", "significant triplets": "questions",
         "p-value": "questions", "equal values": "02a_ties", "ties": "ties", "mid-ranks": "ties",
         "my own predictor": "questions", "my own layer": "questions"}


def test_search_finds_what_a_newcomer_asks(browser, address):
    page, missed = browser.new_page(), {}
    page.goto(f"{address}/index.html")
    for words, wanted in ASKED.items():
        box = page.locator("input.md-search__input").first
        box.fill("")
        box.press("End")  # the page listens to keys
        page.wait_for_function("() => !document.querySelector('.md-search-result__link')", timeout=60_000)
        box.fill(words)
        box.press("End")
        page.wait_for_selector(".md-search-result__link", state="attached", timeout=60_000)
        first = [link.get_attribute("href") for link in page.locator(".md-search-result__item > a").all()[:3]]
        if not any(wanted in link for link in first):
            missed[words] = first
    page.close()
    assert not missed
