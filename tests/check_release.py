"""Say what keeps this commit from being released: versions, changelog, tag and working tree have to agree."""

import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def versions(root=ROOT):
    """The version as each file states it, and its date where one is stated."""
    config = ConfigParser()
    config.read(root / "settings.ini", encoding="utf-8")
    stated = {"settings.ini": (config["DEFAULT"]["version"], None)}
    for name, pattern in [("CHANGELOG.md", r"^## (\d\S*) \(([\d-]+)\)$"), ("CITATION.cff", r"^version: (\S+)$"),
                          ("grok_synergy/__init__.py", r'^__version__ = "(\S+)"$')]:
        found = re.search(pattern, (root / name).read_text(encoding="utf-8"), re.M)
        stated[name] = (found[1], found[2] if found.lastindex == 2 else None) if found else (None, None)
    released = re.search(r"^date-released: (\S+)$", (root / "CITATION.cff").read_text(encoding="utf-8"), re.M)
    return stated | {"CITATION.cff": (stated["CITATION.cff"][0], released[1] if released else None)}


def disagreements(root=ROOT):
    """A line for each file whose version or date is another than the first one's."""
    stated = versions(root)
    version, date = stated["settings.ini"][0], stated["CHANGELOG.md"][1]
    for name, (own, day) in stated.items():
        if own != version:
            yield f"{name} says version {own}, settings.ini says {version}"
        if day not in (None, date):
            yield f"{name} says {day}, CHANGELOG.md says {date}"


def git(root, *words):
    """What git prints; nothing where it fails."""
    return subprocess.run(["git", "-C", root, *words], capture_output=True, text=True).stdout.strip()


def hindrances(root=ROOT):
    """A line for each thing to do before this commit is released."""
    yield from disagreements(root)
    tag = f"v{versions(root)['settings.ini'][0]}"
    if re.search(r"^## Unreleased$", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.M):
        yield "CHANGELOG.md has changes under Unreleased: give them the version and the date"
    if git(root, "status", "--porcelain", "--untracked-files=no"):
        yield "files are changed: commit them"
    if tag not in git(root, "tag", "--points-at", "HEAD").split():
        yield f"this commit has no tag {tag}: git tag {tag}"


if __name__ == "__main__":
    sys.exit("\n".join(hindrances()) or 0)
