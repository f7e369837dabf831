"""What the library defines, read from its source: each name with its parameters, its lesson and its reference entry.

Nothing is imported: a comment behind a parameter is its meaning, and the line above a cell of a module names the
notebook and the cell that it was exported from.
"""

import ast
import re
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from make_docstrings import Module, documented, words

CELL = re.compile(r"^# %% (?:\.\./)+nbs/(\S+)\.ipynb #(\S+)")


@dataclass
class Symbol:
    """A function, class, method or constant."""

    module: str                 # within the library, as in study.jobs
    name: str                   # as in Layer.read
    kind: str                   # function, class, method, property or constant
    signature: str              # the source of its head, without comments
    doc: str                    # its docstring
    rows: list[tuple] = field(default_factory=list)  # (parameter or field, annotation, default, meaning)
    returns: tuple[str, str] = ("", "")              # annotation, meaning
    notebook: str = ""          # as in study/08_jobs
    bases: list[str] = field(default_factory=list)

    @property
    def first(self) -> str:
        """The first sentence of its docstring."""
        return " ".join(re.split(r"\n\s*\n|(?<=\.) ", self.doc.strip(), maxsplit=1)[0].split())


def _head(node):
    """How a function is called, one parameter a line where it is long; its annotations are in its table."""
    given = ast.parse(ast.unparse(node)).body[0].args
    for one in [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]:
        if one is not None:
            one.annotation = None
    parts = [part for part in re.split(r", (?![^(\[{]*[)\]}])", ast.unparse(given)) if part not in ("self", "cls")]
    flat = f"{node.name}({', '.join(parts)})"
    return flat if len(flat) <= 88 else f"{node.name}(\n    " + ",\n    ".join(parts) + ",\n)"


def _described(node, said):
    """Rows of parameters or fields, and what comes back."""
    taken, returned = said.get(node, ((), ()))
    rows = [(one.name, one.kind, one.default.removeprefix("default "), one.meaning) for one in taken]
    kind = words(node.returns) if isinstance(node, ast.FunctionDef) else ""
    return rows, (kind, returned[0].meaning if returned else "")


def _function(node, module, prefix, said):
    """The symbol of a function, or of a method of the class `prefix`."""
    decorators = {ast.unparse(one).split(".")[-1] for one in node.decorator_list}
    kind = "property" if decorators & {"property", "cached_property"} else "method" if prefix else "function"
    return Symbol(module, prefix + node.name, kind, node.name if kind == "property" else _head(node),
                  ast.get_docstring(node) or "", *_described(node, said))


def _class(node, module, said):
    """The symbol of a class, then those of its public methods."""
    methods = {one.name: one for one in node.body if isinstance(one, ast.FunctionDef)}
    call = _head(methods["__init__"]).replace("__init__", node.name, 1) if "__init__" in methods else f"class {node.name}"
    made = Symbol(module, node.name, "class", call, ast.get_docstring(node) or "", _described(node, said)[0],
                  bases=[ast.unparse(base) for base in node.bases])
    shown = [one for name, one in methods.items() if not name.startswith("_") or name == "__call__"]
    return [made, *(_function(one, module, f"{node.name}.", said) for one in shown)]


def _constant(node, module):
    """The symbols of names that are given a value."""
    names = [one.id for target in getattr(node, "targets", [getattr(node, "target", None)])
             for one in ast.walk(target) if isinstance(one, ast.Name)]
    text = ast.unparse(node)
    return [Symbol(module, name, "constant", text if len(text) <= 300 else text[:297] + "...", "") for name in names]


def symbols_of(modules, module):
    """Every public symbol of a module, in order; names with an underscore are those of classes only."""
    here, made = modules[module], []
    said = {node: parts for node, *parts in documented(modules, module)}
    cells = [(number, found[1]) for number, line in enumerate(here.lines, 1) if (found := CELL.match(line))]
    for node in here.tree.body:
        if isinstance(node, ast.FunctionDef):
            new = [_function(node, module, "", said)]
        elif isinstance(node, ast.ClassDef):
            new = _class(node, module, said)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            new = _constant(node, module)
        else:
            new = []
        home = next((notebook for line, notebook in reversed(cells) if line <= node.lineno), "")
        for one in new:
            one.notebook = home
        made += [one for one in new if not one.name.startswith("_") or (one.kind in ("class", "method"))]
    return made


class Library:
    """The symbols of all modules of a folder."""

    def __init__(self, folder):
        paths = sorted(Path(folder).rglob("[!_]*.py"))
        paths = {".".join(path.relative_to(folder).with_suffix("").parts): path for path in paths}
        sources = {name: Module(path, ["grok_synergy", *name.split(".")[:-1]]) for name, path in paths.items()}
        self.modules = {name: symbols_of(sources, name) for name in sources}
        self.words = {name: ast.get_docstring(source.tree) or "" for name, source in sources.items()}
        self.every = [one for made in self.modules.values() for one in made]

    def ancestors(self, owner):
        """A class and those of the library that it is made of, the nearest first."""
        line = [owner]
        while line:
            now = line.pop(0)
            yield now
            for base in now.bases:
                named = [one for one in self.every if one.kind == "class" and one.name == base.split(".")[-1]]
                line += sorted(named, key=lambda one: one.module != now.module)[:1]

    def whole(self, owner):
        """A class as the nearest `__init__` is called, then its public methods."""
        calls = (one.signature for one in self.ancestors(owner) if not one.signature.startswith("class"))
        yield replace(owner, signature=re.sub(r"^\w+", owner.name, call) if (call := next(calls, "")) else owner.signature)
        seen = set()
        seen = set()
        for now in self.ancestors(owner):
            for one in self.modules[now.module]:
                short = one.name.partition(".")[2]
                if one.name.startswith(now.name + ".") and short not in seen:
                    seen.add(short)
                    yield replace(one, name=f"{owner.name}.{short}", module=owner.module)

    @cache  # noqa: B019 - one library a build
    def public(self, module):
        """The symbols of a module that its reference shows: methods behind their class, also those it inherits."""
        every = [one for one in self.modules[module] if not one.name.startswith("_") and "." not in one.name]
        return [part for one in every for part in (self.whole(one) if one.kind == "class" else [one])]

    def resolve(self, text, here="", imported=()):
        """The symbol that inline code means, or None: `oinfo.o_information`, `Layer.read`, `o_information(corr)`.

        A bare word in small letters is a symbol only where its page defines or imports it, or it is written as a call.
        """
        found = re.fullmatch(r"((?:\w+\.)*)(\w+)(\(.*\))?", text, re.S)
        if not found:
            return None
        path, name, called = found[1].removeprefix("grok_synergy.").rstrip("."), found[2], found[3]
        if path in self.modules:
            return next((one for one in self.public(path) if one.name == name), None)
        wanted = f"{path}.{name}" if path else name
        home, _, full = wanted.rpartition(".") if path else ("", "", wanted)
        if "." in home and home.rpartition(".")[0] in self.modules:  # module.Class.method
            return next((one for one in self.public(home.rpartition(".")[0])
                         if one.name == f"{home.rpartition('.')[2]}.{full}"), None)
        own = [one for one in (self.public(here) if here in self.modules else ()) if one.name == wanted]
        every = own or [one for module in self.modules for one in self.public(module) if one.name == wanted]
        telling = own or called or name in imported or path or re.search(r"[A-Z]|._.", name)
        return every[0] if len(every) == 1 and telling else None
