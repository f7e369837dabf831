"""Write what each argument is into the docstrings of the library, after an export.

In a notebook a comment behind each parameter says what it is. `help`, `?` and an editor's hover read docstrings alone.
So each docstring gets sections as numpydoc has them, made of those comments. The comments stay where they are, for
nbdev. A second run changes nothing: the sections are taken away first.
"""

import ast
import io
import re
import tokenize
from pathlib import Path
from textwrap import indent
from typing import NamedTuple

LIBRARY = Path(__file__).resolve().parents[1] / "grok_synergy"
WRITTEN = re.compile(r'^( *)"""((?:(?!""").)*?)\n\n\1(?:Parameters\n\1-{10}|Returns\n\1-{7})\n(?:(?!""").)*?\n\1"""$',
                     re.M | re.S)


class Described(NamedTuple):
    """A parameter, a field, or what is returned."""

    name: str
    kind: str     # its annotation
    default: str
    meaning: str  # the comment behind it

    def lines(self, indentation):
        """What a section says of it."""
        head = " : ".join(filter(None, [self.name, ", ".join(filter(None, [self.kind, self.default]))]))
        return indent(f"{head}\n    {self.meaning}" if self.meaning else head, indentation)


class Module:
    """A module of the library: its lines, its comments by line, and what it defines and imports by name."""

    def __init__(self, path, package):
        self.text = without_sections(path.read_text(encoding="utf-8"))
        self.lines, self.tree = self.text.split("\n"), ast.parse(self.text)
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        self.comments = {one.start[0]: one.string[1:].strip() for one in tokens if one.type == tokenize.COMMENT}
        self.defined = {node.name: node for node in self.tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        self.imported = {name.asname or name.name: (home(node, package), name.name)
                         for node in self.tree.body if isinstance(node, ast.ImportFrom) for name in node.names}

    def described(self, nodes, opening):
        """Parameters or fields as (name, annotation, default, its first line and last), behind the line `opening`."""
        behind = {last: name for name, *_, last in nodes}  # of several on a line, the last has the comment
        for name, kind, default, first, last in nodes:
            meaning = self.comments.get(last, "") if behind[last] == name else ""
            above = first - 1
            while not meaning and above > opening and self.lines[above - 1].strip().startswith("#"):
                above -= 1
            if above < first - 1:  # lines of their own before the parameter
                meaning = " ".join(self.comments[line] for line in range(above + 1, first))
            first = words(default)
            yield Described(name, words(kind).strip("'"), f"default {first}" if first else "", meaning)

    def parameters(self, function, bound):
        """What a function takes, apart from what a class gives it (`bound`), and what it returns, if that is said."""
        given = function.args
        plain = [*given.posonlyargs, *given.args]
        defaults = [None] * (len(plain) - len(given.defaults)) + given.defaults
        several = [(one, value, "") for one, value in zip(plain, defaults, strict=True)]
        several += [(given.vararg, None, "*")] if given.vararg else []
        several += [(one, value, "") for one, value in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
        several += [(given.kwarg, None, "**")] if given.kwarg else []
        nodes = [(mark + one.arg, one.annotation, value, one.lineno, (value or one).end_lineno)
                 for one, value, mark in several]
        if function.returns:
            nodes.append(("", function.returns, None, function.returns.lineno, function.returns.end_lineno))
        found = list(self.described(nodes, function.lineno))
        returned = [one for one in found if not one.name and one.meaning]
        return [one for one in found if one.name][bound:], returned


def home(node, package):
    """The module that an import is from, by its name within the library."""
    above = ".".join(package[:len(package) - node.level + 1]) + "." if node.level else ""
    return f"{above}{node.module or ''}".removeprefix("grok_synergy.").strip(".")


def words(node):
    """Source of an annotation or a default; what a field is at first. Nothing where there is none."""
    if node is None:
        return ""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("field", "later"):
        made = {one.arg: one.value for one in node.keywords} | dict(zip(["default"], node.args, strict=False))
        factory = made.get("default_factory")
        return words(made.get("default")) or (f"{words(factory)}()" if factory else "")
    return ast.unparse(node)


def without_sections(text):
    """The text of a module without the sections that were written into it."""
    def taken_away(found):
        margin, said = found.groups()
        return f'{margin}"""{said}"""' if "\n" not in said else f'{margin}"""{said}\n{margin}"""'

    return WRITTEN.sub(taken_away, text)


def is_dataclass(node):
    """Whether a class is made of its fields."""
    made = [ast.unparse(one).partition("(")[0] for one in node.decorator_list]
    return "dataclass" in made or any(ast.unparse(base) == "NamedTuple" for base in node.bases)


def bases(modules, module, node):
    """The classes that a class is made from, as far as they are in the library, each with its module."""
    for base in node.bases:
        name = getattr(base, "id", "")
        home, name = (module, name) if name in modules[module].defined else modules[module].imported.get(name, ("", ""))
        if home in modules and isinstance(modules[home].defined.get(name), ast.ClassDef):
            yield home, modules[home].defined[name]


def fields(modules, module, node):
    """What a dataclass holds, with what it has from others."""
    found = {}
    for home, base in reversed(list(bases(modules, module, node))):
        found |= {one.name: one for one in fields(modules, home, base)}
    if is_dataclass(node):
        own = [(one.target.id, one.annotation, one.value, one.lineno, one.end_lineno) for one in node.body
               if isinstance(one, ast.AnnAssign) and words(one.annotation) != "KW_ONLY"]
        found |= {one.name: one for one in modules[module].described(own, node.lineno)}
    return list(found.values())


def made_of(modules, module, node):
    """What a class is made of: its own `__init__`'s parameters or its fields, or those of what it inherits from."""
    own = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
    if own:
        return modules[module].parameters(own[0], bound=1)[0]
    if is_dataclass(node):
        return fields(modules, module, node)
    return next(filter(None, (made_of(modules, home, base) for home, base in bases(modules, module, node))), [])


def public(name):
    """Whether somebody who uses the library calls it."""
    return not name.startswith("_") or name == "__call__"


def under_other_names(node):
    """Functions that a class binds by assignment, as in `paper = classmethod(_paper)`."""
    for one in node.body:
        if isinstance(one, ast.Assign) and all(public(name.id) for name in ast.walk(one.targets[0])
                                               if isinstance(name, ast.Name)):
            yield from (name.id for name in ast.walk(one.value) if isinstance(name, ast.Name))


def documented(modules, module):
    """Every function, method and class that somebody can ask about, with its parameters and what it returns."""
    here = modules[module]
    classes = [node for node in here.defined.values() if isinstance(node, ast.ClassDef)]
    bound = {name for node in classes for name in under_other_names(node)}
    for name, node in here.defined.items():
        if isinstance(node, ast.FunctionDef) and (public(name) or name in bound):
            yield node, *here.parameters(node, bound=name in bound and not public(name))
    for node in classes:
        if public(node.name):
            yield node, made_of(modules, module, node), []
        for one in node.body:
            if isinstance(one, ast.FunctionDef) and public(one.name):
                alone = any(getattr(mark, "id", "") == "staticmethod" for mark in one.decorator_list)
                yield one, *here.parameters(one, bound=not alone)


def with_sections(modules, module):
    """The text of a module in which every docstring says what each argument is."""
    lines = list(modules[module].lines)
    wanted = [one for one in documented(modules, module) if ast.get_docstring(one[0]) and (one[1] or one[2])]
    for node, taken, returned in sorted(wanted, key=lambda one: -one[0].body[0].lineno):
        said = node.body[0]
        margin = " " * said.col_offset
        text = "\n".join(lines[said.lineno - 1:said.end_lineno]).strip()
        quotes = '"""' if text.startswith('"""') else '"'
        written = [f'{margin}"""{text.removeprefix(quotes).removesuffix(quotes).rstrip()}']
        for title, several in (("Parameters", taken), ("Returns", returned)):
            if several:
                written += ["", f"{margin}{title}", f"{margin}{'-' * len(title)}",
                            *(one.lines(margin).replace("\\", "\\\\") for one in several)]
        lines[said.lineno - 1:said.end_lineno] = [*written, f'{margin}"""']
    return "\n".join(lines)


def write(library=LIBRARY):
    """Writes the sections into every module of a library."""
    paths = {".".join(path.relative_to(library).with_suffix("").parts): path for path in sorted(library.rglob("[!_]*.py"))}
    modules = {name: Module(path, ["grok_synergy", *name.split(".")[:-1]]) for name, path in paths.items()}
    for name, path in paths.items():
        path.write_text(with_sections(modules, name), encoding="utf-8")


if __name__ == "__main__":
    write()
