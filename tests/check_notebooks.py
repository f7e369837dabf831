"""Check that notebooks, library and README agree: make them anew in a copy, compare, and name what differs."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
MEND = "run `make prepare` and commit"
STEPS = [
    (["nbdev_clean"], ["nbs/*.ipynb"], f"notebook not clean: {MEND}"),
    (["nbdev_export"], ["grok_synergy/*.py"], f"notebooks and library differ: {MEND}"),
    (["python", "nbs/make_readme.py"], ["README.md", "figures/index-*.png"], f"README is stale: {MEND}"),
]
ORPHAN = "no notebook exports this module: delete it"


def contents(folder, patterns):
    """The bytes of each file in `folder` that matches, by its name."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for p in patterns for path in folder.glob(p)}


def problems(copy):
    """One line for each file that comes out differently when made in `copy`."""
    for command, patterns, message in STEPS:
        if subprocess.run([BIN / command[0], *command[1:]], cwd=copy).returncode:
            yield f"{command[-1]} stopped as shown above: mend the notebook, then run `make prepare`"
            return
        here, made = contents(ROOT, patterns), contents(copy, patterns)
        for name in sorted(here.keys() | made.keys()):
            if name.endswith(".py") and name not in made:
                yield f"{name}: {ORPHAN}"
            elif here.get(name) != made.get(name):
                yield f"{name}: {message}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        shutil.copytree(ROOT / "nbs", copy / "nbs")
        (copy / "grok_synergy").mkdir()
        for name in ["settings.ini", "grok_synergy/__init__.py"]:
            shutil.copy(ROOT / name, copy / name)
        sys.exit("\n".join(problems(copy)) or 0)
