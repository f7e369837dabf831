"""What `help`, `?` and an editor show of each argument: the comments of the notebooks, in every docstring."""

import inspect
import re
import shutil
from importlib import import_module
from pathlib import Path

import jedi
import pytest
from fastcore.docments import docments
from make_docstrings import without_sections, write

LIBRARY = Path(__file__).resolve().parents[1] / "grok_synergy"
MODULES = sorted(".".join(path.relative_to(LIBRARY).with_suffix("").parts) for path in LIBRARY.rglob("[!_]*.py"))

LESSON = '''"""A module as nbdev exports one."""
from dataclasses import dataclass, field

def plain(
    x,  # samples
    # how many,
    # at most
    most: int = 3, *,
    names: "list | None" = None,  # of the columns; \\\\n ends one
    **others,  # for `draw`
) -> float:  # bits
    "A number."
    return 0.0

def _bound(cls, wd: float = 2.0):  # weight decay
    """An instance.

    Raises `ValueError`.
    """

def quiet():
    "Nothing to say."

@dataclass
class _Base:
    a: int  # the first

@dataclass
class Settings(_Base):
    "Some settings."
    b: list = field(default_factory=list)  # the second
    made = classmethod(_bound)

    @property
    def value(self) -> float:  # bits, of all
        "What it is worth."

    @staticmethod
    def alone(y: int):  # the third
        "No self."

class Follower:
    "Follows."
    def __init__(self, model):  # any module
        self.model = model
    def __call__(self, step: int):  # from 0 on
        "One step."
'''


def squeezed(text):
    return " ".join(text.split())


def callables(module):
    """Public functions and classes of a module, and the methods of its classes, by name."""
    found = {}
    for name in import_module(module).__all__:
        thing = getattr(import_module(module), name)
        if inspect.isclass(thing) and thing.__module__.startswith("grok_synergy") and not issubclass(thing, Exception):
            found[name] = thing
            for own in dir(thing):
                raw = inspect.getattr_static(thing, own)
                function = getattr(raw, "__func__", getattr(raw, "fget", None) or raw)
                if (not own.startswith("_") or own == "__call__") and inspect.isfunction(function):
                    if function.__module__.startswith("grok_synergy") and function.__doc__:
                        found[f"{name}.{own}"] = function
        elif inspect.isfunction(thing):
            found[name] = thing
    return found


@pytest.mark.parametrize("module", MODULES)
def test_every_argument_and_what_it_is_stands_in_the_docstring(module):
    for name, thing in callables(f"grok_synergy.{module}").items():
        said = docments(thing)
        bound = thing.__name__.startswith("_") and "." in name  # as in `paper = classmethod(_paper)`
        for argument in list(inspect.signature(thing).parameters)[bound:]:
            if argument not in ("self", "cls"):
                assert re.search(rf"^\s*\**{argument}( : |$)", thing.__doc__, re.M), f"{name}: {argument}"
        for argument, meaning in said.items():
            if meaning and argument not in ("self", "cls"):
                assert squeezed(meaning) in squeezed(thing.__doc__), f"{name}: {argument}"


def test_there_is_much_to_say():
    said = [meaning for module in MODULES for thing in callables(f"grok_synergy.{module}").values()
            for meaning in docments(thing).values() if meaning]
    assert len(said) > 1000


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The library as the notebooks export it."""
    folder = tmp_path_factory.mktemp("exported") / "grok_synergy"
    shutil.copytree(LIBRARY, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in folder.rglob("*.py"):
        path.write_text(without_sections(path.read_text(encoding="utf-8")), encoding="utf-8")
    return folder


def hover(library, module, name):
    """What an editor shows over a name, where `library` is the package."""
    text = f"from grok_synergy.{module} import {name.split('.')[0]}\n{name}"
    [found] = jedi.Script(text, project=jedi.Project(library.parent)).infer(2, len(name))
    assert library in found.module_path.parents
    return found.docstring()


@pytest.mark.parametrize(("module", "name", "meaning"), [
    ("oinfo", "o_information", "(..., n, n) correlation (or covariance) matrices"),
    ("probe", "Probe", 'names, patterns such as "blocks.*.mlp", modules, or a dictionary'),
    ("trainer", "Experiment", "restore the initial norm of the weights after every step"),
    ("layer", "Layer", "(samples, neurons) activations of any layer"),
    ("layer", "Layer.null", '"columns", "responses" or "chimera"'),
])
def test_an_editor_shows_what_an_argument_is(module, name, meaning, exported):
    assert meaning in hover(LIBRARY, module, name)
    assert meaning not in hover(exported, module, name)  # without the sections


@pytest.fixture
def lesson(tmp_path):
    (tmp_path / "lesson.py").write_text(LESSON, encoding="utf-8")
    write(tmp_path)
    scope = {"__name__": "lesson"}
    exec(compile((tmp_path / "lesson.py").read_text(encoding="utf-8"), "lesson", "exec"), scope)
    return tmp_path / "lesson.py", scope


def test_sections_say_names_kinds_defaults_and_meanings(lesson):
    _, scope = lesson
    assert inspect.getdoc(scope["plain"]) == inspect.cleandoc(r"""A number.

        Parameters
        ----------
        x
            samples
        most : int, default 3
            how many, at most
        names : list | None, default None
            of the columns; \\n ends one
        **others
            for `draw`

        Returns
        -------
        float
            bits
        """)
    assert inspect.getdoc(scope["quiet"]) == "Nothing to say."


def test_fields_properties_and_bound_functions_are_described(lesson):
    _, scope = lesson
    settings = scope["Settings"]
    fields = "Some settings.\n\nParameters\n----------\na : int\n    the first\nb : list, default list()\n    the second"
    assert inspect.getdoc(settings) == fields
    assert inspect.getdoc(settings.value) == "What it is worth.\n\nReturns\n-------\nfloat\n    bits, of all"
    assert inspect.getdoc(settings.made) == (
        "An instance.\n\nRaises `ValueError`.\n\nParameters\n----------\nwd : float, default 2.0\n    weight decay")
    assert inspect.getdoc(settings.alone) == "No self.\n\nParameters\n----------\ny : int\n    the third"
    follower = scope["Follower"]
    assert inspect.getdoc(follower) == "Follows.\n\nParameters\n----------\nmodel\n    any module"
    assert inspect.getdoc(follower.__call__) == "One step.\n\nParameters\n----------\nstep : int\n    from 0 on"


def test_a_second_time_changes_nothing_and_all_of_it_can_be_taken_away(lesson):
    path, _ = lesson
    once = path.read_text(encoding="utf-8")
    write(path.parent)
    assert path.read_text(encoding="utf-8") == once
    left = without_sections(once)
    assert "-----" not in left and len(left.splitlines()) == len(LESSON.splitlines())
