"""Requirements for the emulator's independence: it shares no code with what it tests."""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from recording_core import Operation, Provider, ProviderInfo
from recording_core.testing.conformance.base import ConformanceBase, state_requirement

#: A module, and the module that imports it; `None` for the first one.
Closure = Mapping[str, str | None]

_REQUIREMENT = (
    "the emulator shares no code with the client, the mapping and the webhooks: shared code hides "
    "shared errors"
)
#: What a mapping's tables are made of. Texts and numbers are the same objects everywhere.
_TABLES = (dict, list, set, frozenset, tuple)


#: What runs code that is not in the source of its module.
_RUNNERS = {"exec", "eval", "compile", "__import__"}


class IndependenceRequirements(ConformanceBase):
    """Requirements for the modules of the emulator."""

    def test_the_emulator_shares_no_code_with_the_provider(self) -> None:
        info = self.provider.info
        owned, ours = _find_modules(info, type(self.vendor).__module__)
        with state_requirement(_REQUIREMENT):
            for module in owned.keys() & ours.keys() - _find_neutral_modules(info):
                raise AssertionError(
                    f"{_describe_import(module, owned[module], 'the emulator')}, and "
                    f"{_describe_import(module, ours[module], 'the provider')}. Expected: no "
                    "module that both import, except the assumptions"
                )
            runs = sorted(_find_runners(owned))
            assert not runs, f"the emulator runs other code: {', '.join(runs)}. Expected: its own"
            shared = sorted(_find_shared_objects(owned.keys() - ours.keys(), ours.keys() - owned))
            assert not shared, (
                f"the emulator contains objects of the provider: {', '.join(shared)}. Expected: "
                "tables and functions of its own"
            )

    def test_the_emulator_answers_without_a_provider(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A test connects to the emulator; what its server answers is its own."""
        self.require_declared(Operation.LIST)
        connect, threads = self.vendor.connect, set()

        def log_thread(**options: Any) -> Provider:
            threads.add(threading.current_thread())
            return connect(**options)

        monkeypatch.setattr(self.vendor, "connect", log_thread)
        with state_requirement(_REQUIREMENT):
            self.list_all()
            others = threads - {threading.main_thread()}
            assert not others, "the emulator's server calls Emulator.connect, whose provider it is"


def _find_modules(info: ProviderInfo, emulator_class: str) -> tuple[Closure, Closure]:
    """Return the distribution's modules that the emulator imports, and that the provider does."""
    client = info.client.partition(":")[0]
    roots = {each.partition(".")[0] for each in (client, emulator_class)}
    package = client.rpartition(".")[0]
    paths = [client, f"{package}.mapping" if package else "mapping"]
    paths += [info.webhooks.partition(":")[0]] if info.webhooks else []
    ours = _follow_imports([each for each in paths if _has_module(each)], roots)
    return _follow_imports([str(info.emulator).partition(":")[0], emulator_class], roots), ours


def _find_neutral_modules(info: ProviderInfo) -> set[str]:
    """Return the modules that both may import: the assumptions, and the package itself."""
    return {str(info.assumptions).partition(":")[0], info.client.partition(".")[0]}


def _follow_imports(first: list[str], roots: set[str]) -> Closure:
    """Return all modules of the root packages that some modules import, also through others."""
    found: dict[str, str | None] = dict.fromkeys(first)
    left = [*first]
    while left:
        importer = left.pop()
        for module in _read_imports(importer, roots):
            if module not in found:
                found[module] = importer
                left.append(module)
    return found


def _read_imports(module: str, roots: set[str]) -> Iterator[str]:
    """Read the modules of the root packages that a module imports, or names in a text."""

    def is_ours(name: str) -> bool:
        # The search for a module imports the packages around it, so only those of the roots.
        return name.partition(".")[0] in roots and _has_module(name)

    tree, package = _parse(module)
    for node in _walk_runtime_nodes(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = importlib.util.resolve_name("." * node.level + base, package)
            whole = [f"{base}.{each.name}" for each in node.names]
            names = [each if is_ours(each) else base for each in whole]
        elif isinstance(node, ast.Attribute):
            names = [ast.unparse(node)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # A plugin declares its client in a text, too, but as "module:name".
            names = [node.value] if "." in node.value else []
        yield from filter(is_ours, names)


@functools.cache
def _parse(module: str) -> tuple[ast.Module, str]:
    """Parse the source of a module; return it and the package to which its imports are relative."""
    spec = importlib.util.find_spec(module)
    source = getattr(spec and spec.loader, "get_source", lambda name: None)(module)
    if spec is None or source is None:
        return ast.Module([], []), ""
    package = module if spec.submodule_search_locations is not None else spec.parent
    return ast.parse(source), package or ""


def _walk_runtime_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a module, without those that only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        yield node
        yield from _walk_runtime_nodes(node)


def _find_runners(modules: Closure) -> Iterator[str]:
    """Find the calls that run the text of another module."""
    for module in modules:
        for node in _walk_runtime_nodes(_parse(module)[0]):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in _RUNNERS:
                yield f"{module} calls {ast.unparse(node.func)}"


def _has_module(name: str) -> bool:
    if name in sys.modules:
        return True
    if not all(part.isidentifier() for part in name.split(".")) or name.count(".") > 5:
        return False
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, AttributeError, ValueError):
        return False


def _find_shared_objects(theirs: set[str], ours: set[str]) -> Iterator[str]:
    """Find the tables, functions and classes of ours that modules of the emulator contain."""
    owned: dict[int, str] = {}
    for module in ours & sys.modules.keys():
        for name, value in vars(sys.modules[module]).items():
            is_table = isinstance(value, _TABLES) and value and name in _list_assigned(module)
            if is_table or getattr(value, "__module__", None) == module:
                owned[id(value)] = f"{module}.{name}"
    for module in theirs & sys.modules.keys():
        for name, value in vars(sys.modules[module]).items():
            if id(value) in owned:
                yield f"{module}.{name} is {owned[id(value)]}"


def _list_assigned(module: str) -> set[str]:
    """List the names that a module assigns itself, and does not import."""
    return {
        ast.unparse(target)
        for node in _parse(module)[0].body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    }


def _describe_import(module: str, importer: str | None, side: str) -> str:
    return f"{side} contains {module}" if importer is None else f"{importer} imports {module}"
