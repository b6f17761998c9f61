"""Layers: imports point down, without circles, and every vendor's package has the same modules."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from recording_core.cli.scaffold.distribution import TEMPLATE

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "recording_core"
VENDORS = sorted(path.name for path in (ROOT / "providers").iterdir() if path.is_dir())

#: Layers of `recording_core`, the lowest first. A package imports from lower layers alone: neither
#: from a higher one, nor from another package of its own layer.
LAYERS = (
    {"redaction", "clock", "forks"},
    {"errors"},
    {"model"},
    {"plugins"},
    {"transport"},
    {"listing", "download", "configuration"},
    {"provider", "storage"},
    {"webhooks"},
    {"accounts"},
    {"archiving"},
    {"reporting"},
    {"testing"},
    {"cli"},
)
LAYER_OF = {name: layer for layer, names in enumerate(LAYERS) for name in names}
#: Names that are resolved on first use: they stand above all layers, and any layer may stand below.
FACADES = {"__init__", "__main__", "plugin"}
#: The only circle: `Recording.apply(event)` needs the transitions, which build recordings.
ALLOWED_CIRCLE = {"model.entities", "model.events", "model.transitions"}

#: What a provider may import of core.
PUBLIC = {"recording_core", "recording_core.plugin", "recording_core.testing"}
#: A provider's reading of its vendor's words, which an emulator must not share.
OWN_READING = ("mapping", "client", "webhooks", "signature", "archive", "storage")
EMULATOR_MODULES = {
    "__init__",
    "app",
    "authentication",
    "listing",
    "media",
    "recordings",
    "requests",
    "responses",
    "webhooks",
}


def find_modules(folder: Path) -> list[Path]:
    others = {"tests", "template"} - {*folder.parts}
    return [path for path in sorted(folder.rglob("*.py")) if others.isdisjoint(path.parts)]


def module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def read_imports(path: Path) -> Iterator[str]:
    """The modules that a file imports at run time, in functions too; not those for type checkers.

    A relative import is an error. `from a import b` yields `a` and `a.b`: `b` may be a module.
    """
    tree = ast.parse(path.read_text())
    checked: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            checked.update(child for each in node.body for child in ast.walk(each))
    for node in ast.walk(tree):
        if node in checked:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package_of(module: str) -> str | None:
    """`recording_core.transport.session` is in the package `transport`."""
    parts = module.split(".")
    return parts[1] if parts[0] == "recording_core" and len(parts) > 1 else None


@cache
def import_graph() -> dict[str, set[str]]:
    """Each module of core, and the modules of core that it imports at run time."""
    modules = {module_name(path.relative_to(ROOT)): path for path in find_modules(CORE)}
    return {
        name: {each for each in read_imports(path) if each in modules and each != "recording_core"}
        for name, path in modules.items()
    }


def reachable_from(module: str) -> set[str]:
    found: set[str] = set()
    left = set(import_graph()[module])
    while left:
        each = left.pop()
        if each not in found:
            found.add(each)
            left |= import_graph()[each]
    return found


@pytest.mark.parametrize("path", find_modules(CORE), ids=lambda path: str(path.relative_to(CORE)))
def test_a_package_imports_from_lower_layers_alone(path: Path) -> None:
    name = path.relative_to(CORE).parts[0].removesuffix(".py")
    if name in FACADES:
        return
    assert name in LAYER_OF, f"{name} is in no layer: add it to LAYERS"
    for module in read_imports(path):
        other = package_of(module)
        if other in LAYER_OF and other != name:
            assert LAYER_OF[other] < LAYER_OF[name], f"{name} imports {module}, which is not below"


def test_modules_have_no_circle_but_the_one_of_apply() -> None:
    circles = {name for name in import_graph() if name in reachable_from(name)}
    assert {name.removeprefix("recording_core.") for name in circles} == ALLOWED_CIRCLE


def test_no_module_is_loose_but_those_that_serve_all_packages() -> None:
    loose = {path.stem for path in CORE.glob("*.py")}
    assert loose == {*FACADES, "errors", "redaction", "clock", "forks", "accounts"}


def test_core_names_no_vendor() -> None:
    for path in find_modules(CORE):
        words = path.read_text().lower()
        for vendor in VENDORS:
            assert vendor not in words, f"{path.relative_to(CORE)} names {vendor}"


def test_transport_alone_sends_requests() -> None:
    importers = {
        path.relative_to(CORE)
        for path in find_modules(CORE)
        for module in read_imports(path)
        if module.split(".")[0] in ("requests", "urllib3")
    }
    others = {str(path) for path in importers if path.parts[0] != "transport"}
    assert others <= {"testing/fuzz/in_memory.py"}  # a pool of connections in memory


@pytest.mark.parametrize("vendor", [*VENDORS, "acme"])
def test_a_provider_imports_the_public_names_of_core_alone(vendor: str) -> None:
    package = ROOT / "providers" / vendor / f"recording_{vendor}"
    if vendor == "acme":
        package = TEMPLATE / "recording_acme"
    for path in find_modules(package):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = []
            if isinstance(node, ast.ImportFrom):
                modules = [node.module or "."]
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            for module in modules:
                private = module.startswith((".", "recording_core")) and module not in PUBLIC
                assert not private, f"{path} imports {module}, which is private"
                assert not module.startswith("requests"), f"{path} imports {module}: see plugin"


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_provider_imports_no_other_provider(vendor: str) -> None:
    others = tuple(f"recording_{each}" for each in VENDORS if each != vendor)
    for path in find_modules(ROOT / "providers" / vendor):
        assert not any(module.startswith(others) for module in read_imports(path)), path


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_emulator_shares_nothing_with_the_reading_that_it_tests(vendor: str) -> None:
    package = ROOT / "providers" / vendor / f"recording_{vendor}"
    own = tuple(f"recording_{vendor}.{each}" for each in OWN_READING)
    for path in (package / "emulator").glob("*.py"):
        for module in read_imports(path):
            assert not module.startswith(own), f"{path.name} imports {module}"


@pytest.mark.parametrize("vendor", VENDORS)
def test_assumptions_share_nothing_with_the_client(vendor: str) -> None:
    package = ROOT / "providers" / vendor / f"recording_{vendor}"
    for module in read_imports(package / "assumptions.py"):
        assert not module.startswith(f"recording_{vendor}"), f"assumptions.py imports {module}"
    for name in OWN_READING:
        path = package / f"{name}.py"
        imported = set(read_imports(path)) if path.exists() else set()
        assert f"recording_{vendor}.assumptions" not in imported, f"{path.name} imports assumptions"


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_plugin_module_is_light(vendor: str) -> None:
    plugin = ROOT / "providers" / vendor / f"recording_{vendor}" / "plugin.py"
    assert {module.split(".")[0] for module in read_imports(plugin)} == {"recording_core"}


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_provider_has_the_same_modules(vendor: str) -> None:
    package = ROOT / "providers" / vendor / f"recording_{vendor}"
    for name in ("plugin", "client", "mapping", "webhooks", "assumptions"):
        assert (package / f"{name}.py").exists()
    assert (package / "py.typed").exists()
    for name in ("pyproject.toml", "README.md", "tests"):
        assert (package.parent / name).exists()
    assert {path.stem for path in (package / "emulator").glob("*.py")} == EMULATOR_MODULES


def test_no_xml_is_parsed() -> None:
    for path in [*find_modules(CORE), *find_modules(ROOT / "providers")]:
        for module in read_imports(path):
            assert module.split(".")[0] not in ("xml", "lxml", "defusedxml"), path


def test_every_module_states_its_subject() -> None:
    for path in [*find_modules(CORE), *find_modules(ROOT / "providers")]:
        assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"


def test_every_distribution_has_the_same_version() -> None:
    import tomllib

    import recording_core

    core = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert recording_core.__version__ == core["version"]
    for vendor in VENDORS:
        project = tomllib.loads((ROOT / "providers" / vendor / "pyproject.toml").read_text())
        assert project["project"]["version"] == core["version"]
        assert f"recording-core ~= {core['version']}" in project["project"]["dependencies"]


def test_the_page_lists_the_same_layers() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    lines = re.findall(r"^[0-9]+\. (`.*`)$", page, re.MULTILINE)
    assert [{*re.findall(r"`(\w+)`", line)} for line in lines] == [*LAYERS]
