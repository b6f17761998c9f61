"""Distribution: a new provider's files, which are the template's with other names.

The template is the provider of Acme Voice, a vendor that does not exist. It is code that the tests
run as it is, so no file has placeholders.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import recording_core as rec
from recording_core.plugins.registry import NAME_PATTERN, load_registry

TEMPLATE = Path(__file__).parent / "template"
GUIDE = "https://github.com/recording-core/recording-core/blob/main/docs/writing-a-provider.md"
#: Caches that an interpreter or a tool leaves in the template.
_CACHE = re.compile(r"__pycache__|\..+_cache")
#: The template's names, longest first.
_NAMES = re.compile(r"recording-acme|acme\.example|Acme Voice|Acme|ACME|acme|~= 0\.1\.0")
#: A name is part of file names, lines of code and variables.
_MOST_CHARACTERS = 40
#: A label is part of sentences, docstrings and TOML.
_LABEL = re.compile(r"\w[\w .&+'-]{0,39}")


def find_name_error(name: str) -> str | None:
    """Find why a name cannot be that of a new provider, as a sentence."""
    if not NAME_PATTERN.fullmatch(name):
        return (
            f"{name!r} is not a provider's name: a letter from a to z, then letters, digits and "
            "underscores, such as acme or blue_sky2."
        )
    if len(name) > _MOST_CHARACTERS:
        return f"The name has {len(name)} characters: choose one of at most {_MOST_CHARACTERS}."
    found = load_registry()
    if name in found.providers or name in found.broken:
        return f"A provider named {name} is installed: choose another name."
    if importlib.util.find_spec(f"recording_{name}") is not None:
        return f"A module named recording_{name} is installed: choose another name."
    return None


def find_label_error(label: str) -> str | None:
    """Find why a label cannot be written into the files, as a sentence."""
    if _LABEL.fullmatch(label):
        return None
    return f"{label!r} is not a label: at most 40 letters, digits, spaces and .&+'-"


def build_folder_name(name: str) -> str:
    """Build the name of a provider's distribution, which is also that of its folder."""
    return f"recording-{_hyphenate(name)}"


def build_label(name: str) -> str:
    """Build a vendor's name as people write it, if none is given."""
    return " ".join(each.capitalize() for each in name.split("_") if each)


def write_distribution(name: str, label: str, folder: Path) -> list[Path]:
    """Write the files of a new provider into a new folder, all or none; return their paths."""
    names = _build_names(name, label)

    def rename(text: str) -> str:
        return _NAMES.sub(lambda found: names[found[0]], text)

    folder.parent.mkdir(parents=True, exist_ok=True)
    written = []
    with TemporaryDirectory(prefix=".recording-", dir=folder.parent) as temporary:
        # A folder in it has the ordinary permissions.
        unfinished = Path(temporary, "new")
        for source in sorted(TEMPLATE.rglob("*")):
            path = source.relative_to(TEMPLATE)
            if source.is_dir() or any(_CACHE.fullmatch(part) for part in path.parts):
                continue
            target = unfinished / rename(str(path))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(rename(source.read_text(encoding="utf-8")), encoding="utf-8")
            written.append(folder / target.relative_to(unfinished))
        unfinished.rename(folder)
    return written


def _build_names(name: str, label: str) -> Mapping[str, str]:
    """Map each name of the template to the new one."""
    return {
        "recording-acme": build_folder_name(name),
        "acme.example": f"{_hyphenate(name)}.example",
        "Acme Voice": label,
        "Acme": build_label(name).replace(" ", ""),
        "ACME": name.upper(),
        "acme": name,
        "~= 0.1.0": f"~= {rec.__version__}",
    }


def _hyphenate(name: str) -> str:
    return name.replace("_", "-").strip("-")
