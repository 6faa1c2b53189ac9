"""What Python makes a table: the definitions that a function reaches by name, with comments, docstrings and annotations left out.

From a function on, every name that its body reads is followed to the definition of the package that it stands for: a function, a class as a
whole, a constant, through imports wherever they stand. What a name at run time alone decides (an attribute of a value, a method of an argument)
is not followed; a class is reached where it is named. So two texts of a module that compute the same have the same fingerprint,
and a change beside what a table needs leaves it as it is.
"""

import ast
import hashlib
import re
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

PACKAGE = Path(__file__).parent
SQL_FILE = re.compile(r"[a-z_]+/[a-z_.]+\.sql")

# They decide where and when something is written, asked and shown, never what its rows are.
AROUND = (
    "assets.daily", "assets.kept", "assets.touched", "errors", "history", "home", "lineage", "partitions", "plots", "resources",
    "settings", "sources", "tables",
)  # fmt: skip
# The place of the argument that says what a column or a table means, for people.
MEANING = {"Column": 2, "Table": 1}


@dataclass(frozen=True)
class Reached:
    """Definitions by `module:name` with their normalised text, and the `.sql` files that their strings name."""

    definitions: dict[str, str]
    sql: tuple[str, ...]

    def fingerprint(self) -> str:
        """Sixteen hex digits of the definitions; the `.sql` files are the reader's to add."""
        text = "\n".join(f"{name} {body}" for name, body in sorted(self.definitions.items()))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def reached(*starts: str, package: Path = PACKAGE) -> Reached:
    """What the functions `starts` ("assets.scoring:scored_days", within the package) reach. KeyError for one that does not exist."""
    modules = _modules(package)
    found: dict[str, str] = {}
    files: set[str] = set()
    waiting = [_Place(*start.split(":")) for start in starts]
    for place in waiting:
        modules[place.module].definitions[place.name]
    while waiting:
        place = waiting.pop()
        module = modules.get(place.module)
        if str(place) in found or module is None or f"{place.module}.".startswith(tuple(f"{name}." for name in AROUND)):
            continue
        if place.name in module.definitions:
            definition = module.definitions[place.name]
            found[str(place)] = definition.text
            files |= definition.sql
            waiting += [target for name in definition.names if (target := modules.find(place.module, name, definition.imports))]
    return Reached(found, tuple(sorted(files)))


@dataclass(frozen=True)
class _Place:
    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}:{self.name}"


@dataclass
class _Definition:
    """What a name of a module is made by: its statements, read when they are asked for."""

    module: "_Module"
    statements: list[ast.stmt] = field(default_factory=list)

    @cached_property
    def _read(self) -> "tuple[str, _Reader]":
        reader = _Reader(self.module)
        return "".join(ast.dump(reader.visit(each)) for each in self.statements), reader

    @property
    def text(self) -> str:
        """Normalised."""
        return self._read[0]

    @property
    def names(self) -> set[str]:
        """Dotted as they are read: `c.CLEAN_EVENTS`."""
        return self._read[1].names

    @property
    def sql(self) -> set[str]:
        """The `.sql` files that its strings name."""
        return self._read[1].sql

    @property
    def imports(self) -> dict[str, _Place]:
        """Its own, within it."""
        return self._read[1].imports


class _Module:
    """One file: what it defines at its top level, and what it imports there."""

    def __init__(self, name: str, file: Path, package: Path):
        self.name, self.package = name, package
        self.is_package = file.name == "__init__.py"
        self.file = file

    @cached_property
    def imports(self) -> dict[str, _Place]:
        return _imports_of([node for node in self._tree.body if isinstance(node, ast.Import | ast.ImportFrom)], self)

    @cached_property
    def definitions(self) -> dict[str, _Definition]:
        found: dict[str, _Definition] = {}
        for node in self._tree.body:
            for name in _defined_by(node):
                found.setdefault(name, _Definition(self)).statements.append(node)
        return found

    @cached_property
    def _tree(self) -> ast.Module:
        return ast.parse(self.file.read_text(encoding="utf-8"))


class _Modules(dict[str, _Module]):
    def find(self, module: str, dotted: str, imports: dict[str, _Place]) -> _Place | None:
        """The definition of the package that a name read in `module` stands for; None for anything else."""
        first, *rest = dotted.split(".")
        known = self[module]
        place = imports.get(first) or known.imports.get(first)
        if place is None:
            return _Place(module, first) if first in known.definitions else None
        return self._defined(place, rest)

    def _defined(self, place: _Place, rest: list[str]) -> _Place | None:
        """Through modules and names that are passed on, to where it is defined. An empty name stands for the module."""
        if place.name:
            inner = f"{place.module}.{place.name}".strip(".")
            if inner in self:
                return self._defined(_Place(inner, ""), rest)
            known = self.get(place.module)
            if known is None:
                return None
            if place.name in known.definitions:
                return place
            passed = known.imports.get(place.name)
            return self._defined(passed, rest) if passed else None
        return self._defined(_Place(place.module, rest[0]), rest[1:]) if rest else None


@cache
def _modules(package: Path) -> _Modules:
    found = _Modules()
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = _Module(name, file, package)
    return found


class _Reader(ast.NodeTransformer):
    """Strips a statement of what computes nothing, and notes the names that it reads."""

    def __init__(self, module: _Module):
        self.module = module
        self.names: set[str] = set()
        self.sql: set[str] = set()
        self.imports: dict[str, _Place] = {}

    def visit_Name(self, node: ast.Name) -> ast.AST:
        self.names.add(node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        parts, inner = [node.attr], node.value
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            self.names.add(".".join([inner.id, *reversed(parts)]))
            return node
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id in MEANING:
            place = MEANING[node.func.id]
            node = ast.Call(node.func, node.args[:place] + node.args[place + 1 :], node.keywords)
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, str):
            self.sql |= set(SQL_FILE.findall(node.value))
        return node

    def visit_Import(self, node: ast.Import) -> ast.AST:
        self.imports |= _imports_of([node], self.module)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        self.imports |= _imports_of([node], self.module)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg):
            if argument is not None:
                argument.annotation = None
        node.returns = None
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._without_docstring(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """The annotation of a field may decide what it takes, so it counts as text; what it names is not followed."""
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def _without_docstring(self, node: ast.FunctionDef | ast.ClassDef) -> ast.AST:
        node.body = [
            each for each in node.body if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
        ] or [ast.Pass()]
        return self.generic_visit(node)


def _imports_of(nodes: list[ast.Import | ast.ImportFrom], module: _Module) -> dict[str, _Place]:
    """Local name -> what of the package it stands for."""
    package = module.package.name
    found: dict[str, _Place] = {}
    for node in nodes:
        for alias in node.names:
            origin, name = (node.module or "", alias.name) if isinstance(node, ast.ImportFrom) else (alias.name, "")
            if origin == package or origin.startswith(f"{package}."):
                found[alias.asname or alias.name] = _Place(origin[len(package) + 1 :], name)
    return found


def _defined_by(node: ast.stmt) -> list[str]:
    """The top-level names that a statement makes or changes."""
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.Assign():
            return [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        case ast.AnnAssign() | ast.AugAssign():
            return [node.target.id] if isinstance(node.target, ast.Name) else []
        case ast.If() if ast.unparse(node.test) == "TYPE_CHECKING":
            return []
        case ast.If() | ast.Try() | ast.For() | ast.With():
            return [name for inner in ast.iter_child_nodes(node) if isinstance(inner, ast.stmt) for name in _defined_by(inner)]
    return []
