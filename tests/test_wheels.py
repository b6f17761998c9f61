"""Wheels: built, installed into an environment of their own, and used as a user would."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: The template of new providers has tests.
TEMPLATE = "recording_core/cli/scaffold/template"
PROVIDERS = sorted(path.name for path in (ROOT / "providers").iterdir() if path.is_dir())

SMOKE = """
import importlib
import recording_core as rec
for name, info in rec.providers().items():
    module, kind = info.emulator.split(":")
    emulator = getattr(importlib.import_module(module), kind)(recordings=5)
    with emulator, emulator.connect() as provider:
        assert len(list(provider.list())) >= 5, name
print(*rec.providers())
"""


def run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("wheels")
    sources = [ROOT, *(ROOT / "providers" / name for name in PROVIDERS)]
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    run(*pip, "--wheel-dir", folder, *sources, folder=folder)
    return sorted(folder.glob("*.whl"))


@pytest.mark.long
def test_there_is_a_wheel_per_distribution_with_its_types_and_pages(wheels: list[Path]) -> None:
    assert len(wheels) == 1 + len(PROVIDERS)
    for wheel in wheels:
        names = zipfile.ZipFile(wheel).namelist()
        package = wheel.name.split("-")[0]
        assert f"{package}/py.typed" in names
        tests = [name for name in names if "/tests/" in name and not name.startswith(TEMPLATE)]
        assert not [*tests, *(name for name in names if name.endswith(".pyc"))]
    (core,) = (wheel for wheel in wheels if wheel.name.startswith("recording_core-"))
    names = zipfile.ZipFile(core).namelist()
    assert {
        f"recording_core/{each}/page.html.jinja" for each in ("reporting/html", "cli/demo")
    } <= {*names}
    assert {f"{TEMPLATE}/.gitignore", f"{TEMPLATE}/tests/test_acme_to_do.py"} <= {*names}


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_installed_wheels_work(wheels: list[Path], tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "fresh", folder=tmp_path)
    python = tmp_path / "fresh" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", *wheels, folder=tmp_path)
    assert run(python, "-c", SMOKE, folder=tmp_path).split() == PROVIDERS
