"""Version floors: write the lowest versions that this repository declares, as constraints for pip.

`make floors` installs them and runs the tests. Tools for contributors are not among them.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: The extras that are not for users, or not without Java.
_EXCLUDED = ("all", "dev", "spark")
#: A name, its extras, and a floor; `recording-core ~= 0.1.0` is of this repository.
_REQUIREMENT = re.compile(r"([a-z0-9-]+)(?:\[[a-z,-]+\])?>=([0-9.]+)(?:; .*)?")


def find_requirements() -> Iterator[str]:
    """Find the requirements of the core, its extras and the providers."""
    for path in (ROOT / "pyproject.toml", *sorted(ROOT.glob("providers/*/pyproject.toml"))):
        project = tomllib.loads(path.read_text())["project"]
        extras = project.get("optional-dependencies", {})
        yield from project["dependencies"]
        for name, requirements in extras.items():
            if name not in _EXCLUDED:
                yield from requirements


def find_floors() -> dict[str, str]:
    """Find the floor of each distribution.

    Raises `ValueError` for a requirement without one, and for a distribution that has two.
    """
    floors: dict[str, str] = {}
    for requirement in find_requirements():
        if requirement.startswith("recording-"):
            continue
        found = _REQUIREMENT.fullmatch(requirement)
        if found is None:
            raise ValueError(f"{requirement!r} has no floor")
        if floors.setdefault(found[1], found[2]) != found[2]:
            raise ValueError(f"{found[1]} has two floors: {floors[found[1]]} and {found[2]}")
    return floors


if __name__ == "__main__":
    sys.stdout.writelines(f"{name}=={floor}\n" for name, floor in sorted(find_floors().items()))
