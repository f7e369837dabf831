"""What the library defines, read from its source: each name with its parameters, its lesson and its reference entry.

Nothing is imported: a comment behind a parameter is its meaning, and the line above a cell of a module names the
notebook and the cell that it was exported from.
"""

import ast
import io
import re
import tokenize
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from make_docstrings import without_sections

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
    def anchor(self) -> str:
        """Where it is found on the page of its module."""
        return self.name

    @property
    def first(self) -> str:
        """The first sentence of its docstring."""
        return " ".join(re.split(r"\n\s*\n|(?<=\.) ", self.doc.strip(), maxsplit=1)[0].split())


def comments(source):
    """The comment behind each line of code, by line; comments on the lines right below a line continue it."""
    lines, found, alone = source.splitlines(), {}, {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            (found if lines[row - 1][:column].strip() else alone)[row] = token.string.lstrip("# ")
    for row in sorted(alone):
        before = next((line for line in (row - 1, row - 2, row - 3) if line in found), None)
        if before is not None and all(line in alone for line in range(before + 1, row)):
            found[before] += " " + alone[row]
    return found


def _parameters(node, said):
    """(name, annotation, default, meaning) of each parameter of a function but `self`."""
    given = node.args
    plain = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(plain) - len(given.defaults)) + given.defaults
    every = list(zip(plain, defaults, [""] * len(plain), strict=True))
    every += [(given.vararg, None, "*")] if given.vararg else []
    every += [(one, default, "") for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    every += [(given.kwarg, None, "**")] if given.kwarg else []
    lines = [one.lineno for one, *_ in every]
    for one, default, stars in every:
        if one.arg not in ("self", "cls"):
            alone = lines.count(one.lineno) == 1
            last = (default or one).end_lineno  # a long default ends on a line below
            meaning = said.get(one.lineno) or said.get(last, "") if alone else ""
            yield (stars + one.arg, ast.unparse(one.annotation) if one.annotation else "",
                   ast.unparse(default) if default else "", meaning)


def _head(node):
    """How a function is called, one parameter a line where it is long; its annotations are in its table."""
    given = ast.parse(ast.unparse(node)).body[0].args
    for one in [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]:
        if one is not None:
            one.annotation = None
    parts = [part for part in re.split(r", (?![^(\[{]*[)\]}])", ast.unparse(given)) if part not in ("self", "cls")]
    flat = f"{node.name}({', '.join(parts)})"
    return flat if len(flat) <= 88 else f"{node.name}(\n    " + ",\n    ".join(parts) + ",\n)"


def _function(node, module, prefix, said):
    """The symbol of a function, or of a method of the class `prefix`."""
    decorators = {ast.unparse(one).split(".")[-1] for one in node.decorator_list}
    kind = "property" if decorators & {"property", "cached_property"} else "method" if prefix else "function"
    at = node.returns.end_lineno if node.returns else 0
    lone = not any(at == one.lineno for one in node.args.args if one.arg != "self")
    returns = (ast.unparse(node.returns), said.get(at, "") if lone or node.lineno == at else "") if at else ("", "")
    return Symbol(module, prefix + node.name, kind, node.name if kind == "property" else _head(node),
                  ast.get_docstring(node) or "", list(_parameters(node, said)), returns)


def _class(node, module, said):
    """The symbol of a class with its fields, then those of its public methods."""
    fields = [(one.target.id, ast.unparse(one.annotation), ast.unparse(one.value) if one.value else "",
               said.get(one.lineno) or said.get(one.end_lineno, ""))
              for one in node.body if isinstance(one, ast.AnnAssign) and not one.target.id.startswith("_")]
    bases = [ast.unparse(base) for base in node.bases]
    made = Symbol(module, node.name, "class", f"class {node.name}", ast.get_docstring(node) or "", fields, bases=bases)
    methods = [one for one in node.body if isinstance(one, ast.FunctionDef)]
    for one in methods:
        if one.name == "__init__":
            call = _function(one, module, "", said)
            made.signature, made.rows = call.signature.replace("__init__", node.name, 1), call.rows
            made.doc = made.doc or call.doc
    shown = [one for one in methods if not one.name.startswith("_") or one.name == "__call__"]
    return [made, *(_function(one, module, f"{node.name}.", said) for one in shown)]


def _constant(node, module):
    """The symbols of names that are given a value."""
    names = [one.id for target in getattr(node, "targets", [getattr(node, "target", None)])
             for one in ast.walk(target) if isinstance(one, ast.Name)]
    text = ast.unparse(node)
    return [Symbol(module, name, "constant", text if len(text) <= 300 else text[:297] + "...", "") for name in names]


def symbols_of(path, module):
    """Every public symbol of the module in a file, in order; names with an underscore are those of classes only."""
    source = without_sections(Path(path).read_text(encoding="utf-8"))
    tree, said = ast.parse(source), comments(source)
    cells = [(number, found[1]) for number, line in enumerate(source.splitlines(), 1) if (found := CELL.match(line))]
    made = []
    for node in tree.body:
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
        self.modules, self.words = {}, {}
        for path in sorted(Path(folder).rglob("[!_]*.py")):
            module = ".".join(path.relative_to(folder).with_suffix("").parts)
            self.modules[module] = symbols_of(path, module)
            self.words[module] = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
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
        """A class with the parameters of the nearest class that has some, then its public methods."""
        made = next((one for one in self.ancestors(owner) if one.rows), owner)
        call = made.signature if made.signature.startswith("class") else re.sub(r"^\w+", owner.name, made.signature)
        yield replace(owner, rows=made.rows, signature=f"class {owner.name}" if call.startswith("class") else call)
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
