"""Pages of the site as Markdown: a notebook as it was run, and the reference of a module.

Links of a page are those of its notebook, with pages in place of notebooks: the site keeps the folders of the
repository, apart from `lessons/` for `nbs/`.
"""

import html
import posixpath
import re
from base64 import b64decode

import nbformat
from make_lessons import LINKS, defined, folded, is_import
from make_readme import fence, has
from nbconvert.preprocessors.coalescestreams import CoalesceStreamsPreprocessor

PLAIN = re.compile(r"(```.*?```|~~~.*?~~~|^    .*?$|\$\$.*?\$\$|!?\[[^\]]*\]\([^)]*\)|<[^>]+>|^#+ .*?$)", re.S | re.M)
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
PICTURE = re.compile(r"""<img\s+([^>]*?)/?>""")


def stem(path):
    """Where a notebook's page stands: nbs/study/08_jobs.ipynb as lessons/study/08_jobs."""
    return "lessons/" + path.removeprefix("nbs/").removesuffix(".ipynb")


def site_link(target, files):
    """A link from the root of the repository, as the site has it; None for a file that the site lacks."""
    path, mark, anchor = target.partition("#")
    path = posixpath.normpath(path).removeprefix("docs/")
    anchor = anchor.lower()
    if path == "README.md":
        path = "index.md"
    elif path.startswith("nbs/") and path.endswith(".ipynb"):
        path = stem(path) + ".md"
    elif path == "figures/README.md":
        path = "figures/index.md"
    return path + mark + anchor if path in files else None


def links_for_site(text, here, there, files):
    """Markdown of a file in the repository's folder `here`, with links of a page in the site's folder `there`.

    A link to a file that the site does not show keeps its text alone.
    """
    def changed(found):
        bang, label, target = found[1], found[2], found[3]
        if re.match(r"[a-z]+:", target):
            return found[0]
        if target.startswith("#"):
            return f"{bang}[{label}]({target.lower()})"
        new = site_link(posixpath.join(here, target), files)
        if new is None:
            return label
        path, mark, anchor = new.partition("#")
        return f"{bang}[{label}]({posixpath.relpath(path, there or '.')}{mark}{anchor})"

    def picture(found):
        at = dict(re.findall(r'(\w+)="([^"]*)"', found[1]))
        width = f'{{ width="{at["width"]}" }}' if "width" in at else ""
        return f"![{at.get('alt', '')}]({at['src']}){width}"

    text = PICTURE.sub(picture, text)
    parts = re.split(r"(```.*?```)", text, flags=re.S)
    return "".join(part if i % 2 else re.sub(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)", changed, part)
                   for i, part in enumerate(parts))


def with_symbols(text, library, here, there, imported=()):
    """Markdown in which inline code that names a symbol of the library links to its reference entry."""
    def linked(found):
        symbol = library.resolve(found[1].strip(), here, imported)
        if symbol is None:
            return found[0]
        page = posixpath.relpath(f"reference/{symbol.module.replace('.', '/')}.md", there or ".")
        title = symbol.first.replace('"', "'").replace("|", "/").replace("`", "")
        return f'[{found[0]}]({page}#{symbol.name}{f""" "{title}" """.rstrip() if title else ""})'

    parts = PLAIN.split(text)
    return "".join(part if i % 2 else CODE.sub(linked, part) for i, part in enumerate(parts))


TOKEN = re.compile(r'(<span class="o">\.</span>)?(<span class="n[cf]?">(\w+)</span>)(?!<span class="o">=</span>)')


def with_code_links(text, places):
    """A page's HTML in which names in blocks of code lead to their reference entry: `places` by name."""
    def linked(found):
        if found[1] or found[3] not in places:
            return found[0]
        return f'<a class="symbol" href="{places[found[3]]}">{found[2]}</a>'

    parts = re.split(r"(<pre>.*?</pre>)", text, flags=re.S)
    return "".join(TOKEN.sub(linked, part) if i % 2 else part for i, part in enumerate(parts))


def formulas_apart(text):
    """Markdown in which every displayed formula is a paragraph of its own."""
    parts = re.split(r"(```.*?```)", text, flags=re.S)
    return "".join(part if i % 2 else re.sub(r"(?<!\n\n)(?<!^)\$\$(?=\S)(.+?)\$\$[ ]*", r"\n\n$$\1$$\n\n", part, flags=re.S)
                   if "$$" in part else part for i, part in enumerate(parts))


def kept_apart(text):
    """Markdown with lists that begin a block, as GitHub and JupyterLab read them: a blank line before the first item."""
    return re.sub(r"^((?![-*|>#\d\s]).+)\n(?=(?:[-*]|\d+\.) )", r"\1\n\n", text, flags=re.M)


def clean_html(text):
    """HTML that a cell shows, without styles and scripts of its own."""
    text = re.sub(r"<(style|script)\b.*?</\1>", "", text, flags=re.S)
    text = re.sub(r'\s(border="1"|style="text-align: right;")', "", text)
    return re.sub(r"\n\s*\n", "\n", text).strip()


def boxed(block):
    """A block as what a cell shows."""
    return f'<div class="output" markdown>\n\n{block}\n\n</div>'


def fold(title, block):
    """A block of code folded under its title."""
    return f'??? code "{title}"\n\n{inset(block)}'


def called(names):
    """Names of definitions in a title."""
    return " and ".join(f"`{name}`" for name in names)


def inset(text):
    """Text as the content of a folded block."""
    return "\n".join("    " + line if line.strip() else "" for line in text.splitlines())


def shown_code(source):
    """The source of a cell as a block of code, without what directs nbdev and IPython."""
    source = re.sub(r"^(?:#\|.*|%\w.*)\n?", "", source, flags=re.M).strip("\n")
    return fence(source, "python") if source.strip() else ""


class Page:
    """A notebook becoming a page; `text` is its Markdown, `pictures` what has to lie beside it."""

    def __init__(self, path, name, library, files):
        """Reads the notebook at `path`, which the repository calls `name`."""
        notebook = nbformat.read(path, as_version=4)
        self.notebook, _ = CoalesceStreamsPreprocessor(enabled=True)(notebook, {})
        self.name, self.library, self.files, self.pictures = name, library, files, {}
        self.here, self.page = posixpath.dirname(name), stem(name)
        self.there = posixpath.dirname(self.page)
        source = "\n".join(cell.source for cell in self.notebook.cells if cell.cell_type == "code")
        exported = re.search(r"^#\| *default_exp +([\w.]+)", source, re.M)
        self.module = exported[1] if exported else ""
        imports = re.findall(r"from grok_synergy[\w.]* import (\([^)]*\)|[^\n]+)", source)
        self.made = set(defined(source))
        self.imported = set(re.findall(r"\w+", " ".join(imports))) | self.made
        self.heading = ""
        self.text = "\n\n".join(part for part in self.blocks() if part.strip()) + "\n"

    def markdown(self, text):
        """Markdown of a cell as that of a page."""
        found = re.findall(r"^#+ (.+)$", text, re.M)
        self.heading = found[-1] if found else self.heading
        text = links_for_site(kept_apart(text), self.here, self.there, self.files)
        return formulas_apart(with_symbols(text, self.library, self.module, self.there, self.imported))

    def title(self, text):
        """The first cell: title, subtitle, and where module, reference and notebook are."""
        title, subtitle, rest = re.match(r"# (.+)\n+> (.+)\n*([\s\S]*)", text).groups()
        places = [f"[The notebook]({posixpath.basename(self.page)}.ipynb)"]
        if self.module:
            entry = posixpath.relpath(f"reference/{self.module.replace('.', '/')}.md", self.there)
            places = [f"Module `grok_synergy.{self.module}`", f"[Its reference]({entry})", *places]
        self.plain_title, self.subtitle = title, subtitle
        return f"# {title}\n\n{subtitle}\n{{ .subtitle }}\n\n{' · '.join(places)}\n{{ .places }}\n\n{self.markdown(rest)}"

    def output(self, output):
        """One output of a cell."""
        if output.output_type == "stream":
            return boxed(fence(output.text, "text")) if output.name == "stdout" else ""
        data = output.get("data", {})
        if "text/markdown" in data:
            return self.markdown(data["text/markdown"])
        if "text/html" in data:
            return f'<div class="output table">{clean_html(data["text/html"])}</div>'
        if "image/png" in data:
            name = f"{self.page}_files/{len(self.pictures) + 1}.png"
            self.pictures[name] = b64decode(data["image/png"])
            alt = html.escape(re.sub(r"[\[\]$`*]", "", self.heading or self.plain_title))
            return f"![Picture: {alt}]({posixpath.relpath(name, self.there)})"
        text = data.get("text/plain", "")
        quiet = re.match(r"<(Figure|function|Axes|[\w.<>]+ object at 0x)", text)
        return boxed(fence(text, "text")) if text and not quiet else ""

    def code(self, cell):
        """A code cell: folded where it is plumbing, with its parameters in a table where only what it does matters."""
        source, code = cell.source, shown_code(cell.source)
        if "default_exp" in source or not code:
            return ""
        if is_import(source) and (has("export", source) or has("hide", source)):
            return fold("What the module imports" if has("export", source) else "Imports of this page", code)
        if has("hide", source):
            helpers = [name for name in defined(source) if re.search(rf"^(?:def|class) {name}\b", source, re.M)]
            return fold(f"The code of {called(helpers)}" if helpers else "Prepared in code", code)
        if not has("export", source):
            return code
        marks = "".join(f'<span class="definition" id="def-{name}"></span>' for name in defined(source))
        if not folded(cell):
            return f"{marks}\n\n{code}"
        symbols = [self.library.resolve(name, self.module) for name in defined(source) if not name.startswith("_")]
        tables = [entry(symbol, self.library, self.there, lesson=False) for symbol in symbols if symbol]
        return "\n\n".join([marks, *tables, fold(f"The code of {called(defined(source))}", code)])

    def blocks(self):
        """The page, cell by cell."""
        for number, cell in enumerate(self.notebook.cells):
            if cell.get("id") == LINKS:
                continue
            if cell.cell_type == "markdown":
                yield self.title(cell.source) if number == 0 else self.markdown(cell.source)
            elif cell.cell_type == "code":
                if not has("echo: *false", cell.source):
                    yield self.code(cell)
                if not has("hide", cell.source):
                    yield from map(self.output, cell.outputs)


def cell_text(text):
    """Text inside a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


def parameter(name, kind, default):
    """A parameter inside a table's cell: its name, and below it the type and the default."""
    below = [html.escape(" ".join(kind.split())).replace("|", "&#124;")] if kind else []
    below += ["default <code>" + html.escape(default).replace("|", "&#124;") + "</code>"] if default else []
    return f"`{name}`" + (f"<br><small>{', '.join(below)}</small>" if below else "")


def entry(symbol, library, there, lesson=True, level=2):
    """The reference of a symbol: how it is called, what it does, its parameters, what it gives, and its lesson."""
    said = with_symbols(symbol.doc.strip(), library, symbol.module, there, {symbol.name})
    parts = [f"{'#' * level} `{symbol.name}` {{ #{symbol.name} .{symbol.kind} }}"] if lesson else []
    parts += [fence(symbol.signature, "python"), said]
    if symbol.rows:
        rows = [f"| {parameter(name, kind, default)} | {cell_text(with_symbols(meaning, library, symbol.module, there))} |"
                for name, kind, default, meaning in symbol.rows]
        parts.append("\n".join(["| Parameter | Meaning |", "|---|---|", *rows]))
    kind, meaning = symbol.returns
    if kind and kind != "None":
        parts.append(f"**Returns** `` {kind} ``" + (f": {meaning}" if meaning else ""))
    if lesson and symbol.notebook:
        own = symbol.name.partition(".")[0]
        home = posixpath.relpath(f"lessons/{symbol.notebook}.md", there)
        mark = f"#def-{own}" if symbol.kind not in ("method", "property") else ""
        parts.append(f"[The lesson that defines it]({home}{mark})\n{{ .places }}")
    return "\n\n".join(parts)


def reference(module, library, title):
    """The page of a module: every public name with its entry."""
    there = posixpath.dirname(f"reference/{module.replace('.', '/')}")
    symbols = sorted(library.public(module), key=lambda one: one.kind == "constant")  # what can be called first
    home = next((one.notebook for one in symbols if one.notebook), "")
    lesson = f"From the lesson [{title}]({posixpath.relpath(f'lessons/{home}.md', there)})." if home else ""
    seldom = "---\nsearch:\n  boost: 0.3\n---"  # lessons answer a question before a list of names does
    head = [seldom, f"# {module}", f"{library.words[module]}\n{{ .subtitle }}",
            f"{lesson} `from grok_synergy.{module} import ...`"]
    entries = [entry(one, library, there, level=3 if "." in one.name else 2) for one in symbols]
    return "\n\n".join([*head, *entries]) + "\n"
