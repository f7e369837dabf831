"""Build the site into build/site/ from the notebooks as they stand: nothing is run, nothing is fetched.

Pages are first written as Markdown into build/docs/, from docs/, nbs/, figures/, the library and the README; mkdocs
makes the site of them. In a page of docs/ a line `<!-- readme: Title -->` stands for that section of the README, and
`<!-- explorer: text -->` for the text where the explorer was built.
"""

import html
import os
import posixpath
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import yaml
from docs_pages import Page, links_for_site, reference, stem, with_code_links, with_symbols
from docs_symbols import Library
from make_lessons import floors

ROOT = Path(__file__).resolve().parents[1]
FROM_NPM = {  # what the site takes from the packages of docs/package.json, and where it lies
    "mathjax/es5/tex-chtml.js": "mathjax/tex-chtml.js", "iframe-worker/shim/index.js": "iframe-worker.js",
    "mathjax/es5/output/chtml/fonts/woff-v2": "mathjax/output/chtml/fonts/woff-v2"}
OTHERS = ("explorer/", "node_modules/")  # folders of docs/ that are no pages
FLOORS = {  # of the map, as the navigation says them
    "ground": "Ground", "engine": "Engine", "layer": "One layer", "probe": "Any network", "tasks": "Public tasks",
    "run": "A training run", "study": "The study"}
RESULTS = {"figures/index.md": "Figures", "figures/claims.md": "Claims and verdicts",
           "figures/differences.md": "Differences from the paper", "figures/subnetworks.md": "Sub-networks",
           "figures/prediction.md": "Predictors of grokking", "figures/first-edition.md": "The first edition",
           "benchmarks/results.md": "Benchmarks"}
TEXTS = {name.replace("figures/index", "figures/README"): name for name in (*RESULTS, "CONTRIBUTING.md", "CHANGELOG.md")}
HOME = '<nav><a href="../index.html">← grok_synergy: lessons, reference, results</a></nav>'  # of the explorer


def section(readme, title):
    """A section of the README without its heading."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", readme, re.S | re.M)
    if found is None:
        raise ValueError(f"README.md has no section '{title}': a page of docs/ asks for it")
    return found[1].strip()


class Site:
    """The Markdown of the site, from a project's root into a folder."""

    def __init__(self, root, folder):
        """Looks at what is there; `make` writes."""
        self.root, self.folder, self.floors = Path(root), Path(folder), floors(root)
        self.library = Library(self.root / "grok_synergy")
        self.names = ["tutorial.ipynb", *(name for names in self.floors.values() for name in names)]
        self.names = [name for name in self.names if (self.root / "nbs" / name).exists()]
        self.explored = self.root / "build" / "explorer" / "index.html"
        self.written = []
        self.files = set(self.planned())

    def planned(self):
        """Every file that the site will have, so that links to others can be left out."""
        yield from (f"{stem(name)}.md" for name in self.names)
        yield from (new for old, new in TEXTS.items() if (self.root / old).exists())
        yield from (path.relative_to(self.root).as_posix() for path in (self.root / "figures").glob("*.png"))
        yield from self.sources()
        yield from (f"reference/{module.replace('.', '/')}.md" for module in self.library.modules)
        yield from ("lessons/index.md", "reference/index.md", "gallery.md")

    def sources(self):
        """The files of docs/ that are pages or belong to them, by name."""
        names = (path.relative_to(self.root / "docs").as_posix() for path in sorted((self.root / "docs").rglob("*.*"))
                 if path.is_file())
        return [name for name in names if not name.startswith(OTHERS) and ("/" in name or name.endswith(".md"))]

    def write(self, name, content):
        """Writes a file of the site's Markdown."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content, encoding="utf-8")
        self.written.append(name)

    def lessons(self):
        """A page for every notebook, its pictures, and the notebook itself."""
        self.pages = {}
        for name in self.names:
            path = self.root / "nbs" / name
            page = self.pages[name] = Page(path, f"nbs/{name}", self.library, self.files)
            self.write(f"{page.page}.md", page.text)
            self.write(f"{page.page}.ipynb", path.read_bytes())
            for picture, content in page.pictures.items():
                self.write(picture, content)

    def references(self):
        """A page for every module, and one that lists them."""
        titles = {page.module: page.plain_title for page in self.pages.values()}
        rows = []
        for module in self.library.modules:
            if module in titles:
                self.write(f"reference/{module.replace('.', '/')}.md", reference(module, self.library, titles[module]))
        for floor, names in self.floors.items():
            modules = [self.pages[name].module for name in names if self.pages[name].module]
            rows += [f"\n## {FLOORS[floor]}\n\n| Module | Holds |\n|---|---|"] if modules else []
            rows += [f"| [`{module}`]({module.replace('.', '/')}.md) | {self.library.words[module]} |"
                     for module in modules]
        self.write("reference/index.md", "# Reference\n\nEvery public name of the library, by module: how it is "
                   "called, what each argument is, what comes back.\n{ .subtitle }\n\nThe lessons explain and show the "
                   "same names at work. Each entry links to its lesson.\n" + "\n".join(rows) + "\n")

    def map(self):
        """The lessons by floor, each with its subtitle."""
        said = {"ground": "Arrays in and out, files, colours.", "engine": "From samples to correlations, to Ω, to a null.",
                "layer": "One way to measure a layer, and one way to read it.",
                "probe": "Layers of any torch module while it trains.",
                "tasks": "Three public tasks, followed over five seeds.", "run": "The paper's network along training.",
                "study": "What is about the paper alone: its claims, figures and findings."}
        parts = ["# The map\n\nEvery lesson is a notebook that was run, and the source of the module of its name. "
                 "A floor uses those above it.\n{ .subtitle }"]
        for floor, names in self.floors.items():
            rows = [f"- [{self.pages[name].plain_title}]({posixpath.relpath(self.pages[name].page, 'lessons')}.md): "
                    f"{self.pages[name].subtitle}" for name in names]
            parts += [f"## {FLOORS[floor]}\n\n{said[floor]}\n\n" + "\n".join(rows)] if rows else []
        self.write("lessons/index.md", "\n\n".join(parts) + "\n")

    def gallery(self):
        """The first picture of every lesson, and the figures of the study."""
        def card(picture, page, title, words):
            width, height = struct.unpack(">II", (self.folder / picture).read_bytes()[16:24])  # of a PNG
            tall = ' class="tall"' if height > width else ""
            title = html.escape(title, quote=True)
            return (f'<figure><a href="{page}"><img src="{picture}"{tall} loading="lazy" alt="{title}"></a>'
                    f'<figcaption><a href="{page}">{title}</a><br>{html.escape(words)}</figcaption></figure>')

        def grid(cards):
            return '<div class="gallery">\n' + "\n".join(cards) + "\n</div>"

        named = {"wd2-alpha1": "One condition, published and mid-ranks", "tie-artefact": "What equal values do",
                 "multiverse": "Every claim under 512 combinations of choices",
                 **{f"figure-{n}": f"The paper's Figure {n}" for n in range(1, 10)}}
        pages = {"tie-artefact": "lessons/02a_ties.html", "wd2-alpha1": "lessons/05_figures.html",
                 "multiverse": "lessons/study/11a_shares.html"}
        study = [card(f"figures/{name}.png", pages.get(name, "figures/index.html"), title, "")
                 for name, title in named.items() if (self.root / "figures" / f"{name}.png").exists()]
        parts = ["---\nhide:\n  - navigation\n---\n\n# Gallery\n\nOne picture of each lesson that draws one. Each "
                 "leads to its page.\n{ .subtitle }", "## The paper's figures", grid(study)]
        for floor, names in self.floors.items():
            cards = [card(next(iter(page.pictures)), page.page + ".html", page.plain_title, page.subtitle)
                     for page in (self.pages[name] for name in names) if page.pictures]
            parts += [f"## {FLOORS[floor]}", grid(cards)] if cards else []
        self.write("gallery.md", "\n\n".join(parts) + "\n")

    def texts(self):
        """The pages of figures/ with their pictures, and other texts of the repository."""
        for old, new in TEXTS.items():
            if (self.root / old).exists():
                text = (self.root / old).read_text(encoding="utf-8")
                text = links_for_site(text, posixpath.dirname(old), posixpath.dirname(new), self.files)
                self.write(new, text)
        for path in (self.root / "figures").glob("*.png"):
            self.write(path.relative_to(self.root).as_posix(), path.read_bytes())

    def own(self):
        """The pages of docs/, with sections of the README where they ask for them."""
        readme = (self.root / "README.md").read_text(encoding="utf-8")
        for name in self.sources():
            path = self.root / "docs" / name
            if path.suffix != ".md":
                self.write(name, path.read_bytes())
                continue
            there = posixpath.dirname(name)
            text = re.sub(r"^<!-- readme: (.+) -->$", lambda found, there=there: links_for_site(
                section(readme, found[1]), "", there, self.files), path.read_text(encoding="utf-8"), flags=re.M)
            text = re.sub(r"^<!-- explorer: (.+) -->$", r"\1" if self.explored.exists() else "", text, flags=re.M)
            imported = re.findall(r"\w+", " ".join(re.findall(r"^from grok_synergy.* import (.+)$", text, re.M)))
            self.write(name, with_symbols(text, self.library, "", there, imported))

    def link_code(self, built):
        """Names of the library in the code of the built lessons lead to their reference."""
        for page in self.pages.values():
            own = {one.name for one in self.library.public(page.module)} if page.module in self.library.modules else set()
            names = own | page.imported - page.made  # a lesson may have a `train` of its own
            found = {name: self.library.resolve(name, page.module, page.imported) for name in names}
            places = {name: posixpath.relpath(f"reference/{one.module.replace('.', '/')}.html#{one.name}", page.there)
                      for name, one in found.items() if one}
            path = built / f"{page.page}.html"
            path.write_text(with_code_links(path.read_text(encoding="utf-8"), places), encoding="utf-8")

    def explorer(self):
        """The explorer's page, where it was built."""
        for path in self.explored.parent.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                content = content.replace(b"<!-- site -->", HOME.encode()) if path == self.explored else content
                self.write(f"explorer/{path.relative_to(self.explored.parent).as_posix()}", content)

    def navigation(self):
        """What the site's navigation holds; the explorer only where it was built."""
        def lessons(names):
            return [{self.pages[name].plain_title: f"{self.pages[name].page}.md"} for name in names]

        def modules(names):
            return [{self.pages[name].module: f"reference/{self.pages[name].module.replace('.', '/')}.md"} for name in names
                    if self.pages[name].module]

        here = set(self.written)
        start = [{"Start here": [
            "start/index.md", {"A reader of the paper": "start/paper.md"}, {"A network of yours": "start/network.md"},
            {"A table of samples": "start/table.md"}, {"Ten-minute tutorial": "lessons/tutorial.md"},
            {"Questions": "questions.md"}]}]
        explorer = [{"Explorer": "explorer/index.html"}] if "explorer/index.html" in here else []
        made = [{"Home": "index.md"}, *start,
                {"Lessons": ["lessons/index.md", *({FLOORS[floor]: lessons(names)}
                                                   for floor, names in self.floors.items() if names)]},
                {"Reference": ["reference/index.md", *({FLOORS[floor]: modules(names)}
                                                       for floor, names in self.floors.items() if names)]},
                {"Results": [{title: name} for name, title in RESULTS.items()]}, *explorer,
                {"Gallery": "gallery.md"},
                {"About": [{"Glossary": "glossary.md"}, {"Bibliography": "bibliography.md"},
                           {"Contributing": "CONTRIBUTING.md"}, {"Changelog": "CHANGELOG.md"}]}]

        def kept(item):
            if isinstance(item, str):
                return item if item in here else None
            [(title, content)] = item.items()
            content = [one for one in map(kept, content) if one] if isinstance(content, list) else kept(content)
            return {title: content} if content else None

        return [one for one in map(kept, made) if one]

    def make(self):
        """Writes everything."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for part in (self.lessons, self.references, self.map, self.texts, self.gallery, self.own, self.explorer):
            part()
        return self


def configure(site, built):
    """The settings of mkdocs for a site, as a file beside its Markdown, with what docs/package.json brings."""
    for name, place in FROM_NPM.items():
        source, target = site.root / "docs" / "node_modules" / name, site.folder / "assets" / place
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    settings = {"INHERIT": str(site.root / "docs" / "mkdocs.yml"), "docs_dir": str(site.folder), "site_dir": str(built),
                "nav": site.navigation()}
    path = site.folder.parent / "mkdocs.yml"
    path.write_text(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def build(root, work):
    """Builds the site of a project below a folder; where it is."""
    work = Path(work).resolve()
    site = Site(root, work / "docs").make()
    settings = configure(site, work / "site")
    mkdocs = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--config-file", str(settings)]
    subprocess.run(mkdocs, check=True, env=dict(os.environ, NO_MKDOCS_2_WARNING="1"))
    site.link_code(work / "site")
    return work / "site"


if __name__ == "__main__":
    print(f"the site: {build(ROOT, ROOT / 'build').relative_to(ROOT)}/index.html")


