"""Write README.md from nbs/index.ipynb as the notebook stands: nothing is run.

A cell with `#| hide` is left out, one with `#| echo: false` shows its outputs only. Relative links are made to start
at the repository root, and a picture among the outputs becomes a file figures/index-<n>.png.
"""

import posixpath
import re
from base64 import b64decode
from itertools import count
from pathlib import Path

import nbformat
from nbconvert.preprocessors.coalescestreams import CoalesceStreamsPreprocessor

ROOT = Path(__file__).resolve().parents[1]
NOTE = "<!-- Made from nbs/index.ipynb by `make readme`. -->"


def has(directive, source):
    """Whether `source` carries the directive."""
    return re.search(rf"^#\| *{directive}\b", source, re.M)


def fence(text, language=""):
    """`text` as a fenced block."""
    return f"```{language}\n" + text.strip("\n") + "\n```"


def relink(markdown, here="nbs", there="."):
    """`markdown` with relative link targets that start at the folder `there` instead of `here`."""
    target = r'(\]\(|src="|href=")(?![a-z]+:|[#/])([^)"\s]+)'
    return re.sub(target, lambda found: found[1] + posixpath.relpath(f"{here}/{found[2]}", there), markdown)


def show(output, pictures):
    """One output as Markdown; a picture is stored under the next name in `pictures`."""
    if output.output_type == "stream":
        return fence(output.text) if output.name == "stdout" else ""
    if "text/markdown" in output.data:
        return relink(output.data["text/markdown"])
    if "image/png" in output.data:
        path = ROOT / next(pictures)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b64decode(output.data["image/png"]))
        return f"![]({path.relative_to(ROOT).as_posix()})"
    return fence(output.data["text/plain"])


def blocks(notebook):
    """The cells and outputs of `notebook` as Markdown, in order."""
    pictures = (f"figures/index-{n}.png" for n in count(1))
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield relink(cell.source)
        elif not has("hide", cell.source):
            if not has("echo: *false", cell.source):
                yield fence(re.sub(r"^#\|.*\n?", "", cell.source, flags=re.M), "python")
            yield from (show(output, pictures) for output in cell.outputs)


if __name__ == "__main__":
    for old in ROOT.glob("figures/index-*.png"):
        old.unlink()
    notebook = nbformat.read(ROOT / "nbs" / "index.ipynb", as_version=4)
    notebook, _ = CoalesceStreamsPreprocessor(enabled=True)(notebook, {})  # what is printed may arrive in pieces
    parts = [NOTE, *blocks(notebook)]
    readme = "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"
    (ROOT / "README.md").write_text(readme, encoding="utf-8")
