"""Check that notebooks, library and README agree: make them anew in a copy, compare, and name what differs.

Metadata of notebooks does not count, apart from tags: JupyterLab writes its own as soon as one is opened.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
MEND = "run `make prepare` and commit"
STEPS = [
    (["nbdev_clean"], ["nbs/**/*.ipynb"], f"notebook not clean: {MEND}"),
    (["nbdev_export"], [], ""),
    (["python", "tests/make_docstrings.py"], ["grok_synergy/**/*.py"], f"notebooks and library differ: {MEND}"),
    (["python", "tests/make_readme.py"], ["README.md", "figures/index-*.png"], f"README is stale: {MEND}"),
]
ORPHAN = "no notebook exports this module: delete it"


def content(path):
    """The bytes of a file; of a notebook its cells, with tags alone of their metadata."""
    if path.suffix != ".ipynb":
        return path.read_bytes()
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [{**cell, "metadata": cell["metadata"].get("tags", [])} for cell in cells]


def contents(folder, patterns):
    """The content of each file in `folder` that matches, by its name."""
    return {path.relative_to(folder).as_posix(): content(path) for p in patterns for path in folder.glob(p)
            if ".ipynb_checkpoints" not in path.parts}


def copied(root, copy):
    """Copies to `copy` what is needed to make everything anew."""
    shutil.copytree(root / "nbs", copy / "nbs", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    (copy / "grok_synergy" / "study").mkdir(parents=True)
    (copy / "tests").mkdir()
    for name in ["settings.ini", "grok_synergy/__init__.py", "grok_synergy/study/__init__.py", "tests/make_docstrings.py",
                 "tests/make_readme.py"]:
        shutil.copy(root / name, copy / name)


def problems(copy, root=ROOT):
    """One line for each file of `root` that comes out differently when made in `copy`."""
    copied(root, copy)
    for command, patterns, message in STEPS:
        if subprocess.run([BIN / command[0], *command[1:]], cwd=copy).returncode:
            yield f"{command[-1]} stopped as shown above: mend the notebook, then run `make prepare`"
            return
        here, made = contents(root, patterns), contents(copy, patterns)
        for name in sorted(here.keys() | made.keys()):
            if name.endswith(".py") and name not in made:
                yield f"{name}: {ORPHAN}"
            elif here.get(name) != made.get(name):
                yield f"{name}: {message}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.exit("\n".join(problems(Path(folder))) or 0)
