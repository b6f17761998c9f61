"""Do imports point down? The house's floors, walked module by module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "recording_core"
#: A provider's own reading of its vendor's words, which an emulator must not share.
OWN_READING = ("mapping", "client", "webhooks", "signature")
VENDORS = sorted(path.name for path in (ROOT / "providers").iterdir() if path.is_dir())

#: floor -> what stands on it; an import points down or sideways, never up
FLOORS = (
    {"status", "kinds", "redaction", "errors", "clock"},
    {"models", "events", "transitions", "capabilities", "media_types"},
    {
        "decoding",
        "serialize",
        "readers",
        "hookspecs",
        "plugins",
        "naming",
        "arguments",
        "row_schema",
    },
    {"transport"},
    {"connection", "listing", "sweep", "download", "copying", "provider", "recorder", "webhooks"},
    {"accounts"},
    {"testing", "reporting"},
    {"cli"},
)
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}


def modules(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.py")) if "tests" not in path.parts]


def imports(path: Path, *, typing_only: bool = False) -> Iterator[str]:
    """The modules that a file imports at run time; those for the type checker are no arrows."""
    tree = ast.parse(path.read_text())
    checked: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            checked.update(child for each in node.body for child in ast.walk(each))
    for node in ast.walk(tree):
        if (node in checked) is not typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module: str) -> str | None:
    """`recording_core.transport.session` stands in the room `transport`."""
    parts = module.split(".")
    return parts[1] if parts[0] == "recording_core" and len(parts) > 1 else None


@pytest.mark.parametrize("path", modules(CORE), ids=lambda path: str(path.relative_to(CORE)))
def test_a_module_of_core_imports_from_its_own_floor_or_below(path: Path) -> None:
    name = path.relative_to(CORE).parts[0].removesuffix(".py")
    if name == "__init__":
        return  # the facade resolves names on first use; it is above all floors
    assert name in FLOOR_OF, f"{name} stands on no floor: give it one in FLOORS"
    for module in imports(path):
        above = room(module)
        if above in FLOOR_OF:
            assert FLOOR_OF[above] <= FLOOR_OF[name], f"{name} imports {module}, which is above it"


@pytest.mark.parametrize("path", modules(CORE), ids=lambda path: str(path.relative_to(CORE)))
def test_core_imports_no_vendor(path: Path) -> None:
    for module in imports(path):
        assert not module.startswith(tuple(f"recording_{vendor}" for vendor in VENDORS))


def test_core_names_no_vendor() -> None:
    for path in modules(CORE):
        words = path.read_text().lower()
        for vendor in VENDORS:
            assert vendor not in words, f"{path.relative_to(CORE)} names {vendor}"


def test_requests_is_imported_by_transport_and_for_its_auth_type_alone() -> None:
    importers = {
        str(path.relative_to(CORE))
        for path in modules(CORE)
        for module in imports(path)
        if module.split(".")[0] == "requests"
    }
    assert importers == {
        "provider.py",
        "transport/exchange.py",
        "transport/media.py",
        "transport/published.py",
        "transport/session.py",
        "transport/sign_in.py",
    }


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_provider_imports_no_other_provider(vendor: str) -> None:
    others = tuple(f"recording_{each}" for each in VENDORS if each != vendor)
    for path in modules(ROOT / "providers" / vendor):
        assert not any(module.startswith(others) for module in imports(path)), path


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_emulator_shares_neither_mapping_nor_client(vendor: str) -> None:
    package = ROOT / "providers" / vendor / f"recording_{vendor}"
    for path in package.glob("emulat*.py"):
        for module in imports(path):
            assert not module.startswith(
                tuple(f"recording_{vendor}.{own}" for own in OWN_READING)
            ), f"{path.name} would agree with our reading of the vendor"


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_plugin_is_light(vendor: str) -> None:
    plugin = ROOT / "providers" / vendor / f"recording_{vendor}" / "plugin.py"
    assert {module.split(".")[0] for module in imports(plugin)} == {"recording_core"}


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_vendor_has_the_same_rooms(vendor: str) -> None:
    package = ROOT / "providers" / vendor / f"recording_{vendor}"
    for name in ("plugin.py", "client.py", "mapping.py", "webhooks.py", "emulator.py", "py.typed"):
        assert (package / name).exists()
    for name in ("pyproject.toml", "README.md", "tests"):
        assert (package.parent / name).exists()


def test_no_xml_is_parsed() -> None:
    for path in [*modules(CORE), *modules(ROOT / "providers")]:
        for module in imports(path):
            assert module.split(".")[0] not in ("xml", "lxml", "defusedxml"), path


def test_every_file_begins_with_the_question_that_it_answers() -> None:
    for path in [*modules(CORE), *modules(ROOT / "providers")]:
        first = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()
        assert first, f"{path} has no docstring"
        assert path.name == "__init__.py" or "?" in first[0], f"{path}: {first[0]}"


def test_one_version_in_every_distribution() -> None:
    import tomllib

    import recording_core

    core = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert recording_core.__version__ == core["version"]
    for vendor in VENDORS:
        project = tomllib.loads((ROOT / "providers" / vendor / "pyproject.toml").read_text())
        assert project["project"]["version"] == core["version"]
        assert f"recording-core=={core['version']}" in project["project"]["dependencies"]
