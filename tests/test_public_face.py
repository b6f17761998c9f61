"""Public face: names and signatures of the three namespaces, compared with public-face.txt.

`python tests/test_public_face.py` writes the file. A change of it is a change of what users
rely on: see docs/compatibility.md.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SNAPSHOT = Path(__file__).parent / "public-face.txt"
NAMESPACES = ("recording_core", "recording_core.plugin", "recording_core.testing")
#: The address of a default object differs from run to run.
ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def describe_signature(value: Any) -> str:
    try:
        return ADDRESS.sub("", str(inspect.signature(value)))
    except (TypeError, ValueError):
        return ""


def describe_class(kind: type[Any]) -> Iterator[str]:
    """The members of a class and of its bases of ours, in the order of their names."""
    for name in sorted(dir(kind)):
        owner = next((each for each in kind.__mro__ if name in vars(each)), object)
        ours = owner.__module__.startswith("recording_")
        # What a provider's author writes begins with one underscore; two are the class's own.
        own = name.startswith("__") or name.startswith(f"_{owner.__name__}__")
        hidden = own or (name.startswith("_") and kind.__name__ != "Provider")
        if not ours or hidden:
            continue
        value = inspect.getattr_static(kind, name)
        if isinstance(value, staticmethod | classmethod):
            value = value.__func__
        yield f"  {name}{describe_signature(value)}" if callable(value) else f"  {name}"


def describe(namespace: str) -> Iterator[str]:
    module = importlib.import_module(namespace)
    for name in sorted(module.__all__):
        value = getattr(module, name)
        if isinstance(value, type) and issubclass(value, enum.Enum):
            yield f"{namespace}.{name}"
            yield from (f"  {each.name} = {each.value!r}" for each in value)
        elif isinstance(value, type) and not value.__module__.startswith("recording_"):
            yield f"{namespace}.{name} of {value.__module__}"  # whose signature is not ours
        elif isinstance(value, type):
            bases = ", ".join(each.__name__ for each in value.__bases__)
            yield f"{namespace}.{name}({bases}){describe_signature(value)}"
            yield from describe_class(value)
        else:
            yield f"{namespace}.{name}{describe_signature(value) if callable(value) else ''}"


def describe_public_face() -> str:
    lines = [line for namespace in NAMESPACES for line in describe(namespace)]
    return "\n".join(lines) + "\n"


def test_the_public_face_is_as_recorded() -> None:
    now, recorded = describe_public_face().splitlines(), SNAPSHOT.read_text().splitlines()
    gone = [line for line in recorded if line not in now]
    new = [line for line in now if line not in recorded]
    assert now == recorded, (
        "The public face has changed. If that is intended, run `python tests/test_public_face.py` "
        "and name the change in CHANGELOG.md.\n"
        + "\n".join([f"- {line}" for line in gone] + [f"+ {line}" for line in new])
    )


if __name__ == "__main__":
    SNAPSHOT.write_text(describe_public_face())
