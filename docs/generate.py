"""Which parts of the pages are generated? The vendors' tables and the command's help.

`--check` compares, and names what is out of date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import recording_core as rec
from recording_core.cli.output.help_pages import help_markdown
from recording_core.cli.output.matrix import matrix_markdown
from recording_core.plugins.registry import load_object
from recording_core.reporting.compute.groupings import TIME_GROUPINGS
from recording_core.reporting.compute.measures import MEASURES
from recording_core.reporting.row_schema import COLUMNS

ROOT = Path(__file__).resolve().parent.parent
PART = re.compile(
    r"(<!-- (?P<name>\w+): written by `make docs` -->\n).*?(<!-- end of (?P=name) -->)", re.DOTALL
)


def _table(heading: str, align: str, rows: Iterable[str]) -> str:
    return "\n".join((heading, align, *rows))


def settings_markdown() -> str:
    """What `connect` needs to know, by vendor."""
    rows = (
        f"| {info.label} | `{setting.name}` | `{setting.env}` | {_default(setting)} |"
        for info in rec.providers().values()
        for setting in info.settings
    )
    return _table("| | keyword | variable | |", "|---|---|---|---|", rows)


def _default(setting: rec.Setting) -> str:
    words = ["a secret"] if setting.secret else []
    if setting.default is not None:
        words.append(f"default `{setting.default}`" if setting.default else "may stay unset")
    return ", ".join(words)


def addresses_markdown() -> str:
    """Where each vendor's API is, and how often it may be asked."""
    rows = []
    for info in rec.providers().values():
        client: type[rec.Provider] = load_object(info, "client")
        rate = f"{client.rate:g}" if client.rate is not None else "not published"
        rows.append(
            f"| {info.label} | `{client.default_base_url}` | `{info.name.upper()}_BASE_URL` "
            f"| {rate} | {client.media_first_byte:g} s |"
        )
    return _table(
        "| | address | another by | requests a second | waits for media |",
        "|---|---|---|---|---|",
        rows,
    )


def parameters_markdown() -> str:
    """Which keywords of `start` each vendor can be told, by kind."""
    shown = ("format", "max_duration", "channels", "participant", "tracks", "title", "callback_url")
    heading = f"| | | {' | '.join(f'`{name}`' for name in shown)} |"
    rows = []
    for info in rec.providers().values():
        client: type[rec.Provider] = load_object(info, "client")
        label = info.label
        for kind in sorted(info.capabilities, key=list(rec.SessionKind).index):
            told = client.start_parameters.get(kind, frozenset())
            marks = " | ".join("yes" if name in told else "–" for name in shown)
            rows.append(f"| {label} | {kind} | {marks} |")
            label = ""
    return _table(heading, "|---|---|" + ":-:|" * len(shown), rows)


def blind_markdown() -> str:
    """What a vendor cannot enumerate, in the words of `coverage.blind`."""
    lines = []
    for info in rec.providers().values():
        client: type[rec.Provider] = load_object(info, "client")
        lines += [f"- **{info.label}**: {each}" for each in client.not_listable]
    return "\n".join(lines)


def named_markdown(rows: Iterable[tuple[str, str, str]]) -> str:
    """Names of a report, each with its type and what it is."""
    lines = (f"| `{name}` | {type} | {words} |" for name, type, words in rows)
    return _table("| name | type | what it is |", "|---|---|---|", lines)


#: What stands between `<!-- name: written by ... -->` and `<!-- end of name -->`, on any page.
PARTS: Mapping[str, Callable[[], str]] = {
    "matrix": lambda: matrix_markdown().strip(),
    "settings": settings_markdown,
    "addresses": addresses_markdown,
    "parameters": parameters_markdown,
    "blind": blind_markdown,
    "columns": lambda: named_markdown((each.name, each.type, each.words) for each in COLUMNS),
    "measures": lambda: named_markdown((each.name, each.type, each.words) for each in MEASURES),
    "groupings": lambda: named_markdown(
        (each.name, "text", each.words) for each in TIME_GROUPINGS.values()
    ),
}


def _filled(path: Path) -> str:
    return PART.sub(
        lambda found: f"{found[1]}\n{PARTS[found['name']]()}\n\n{found[3]}", path.read_text()
    )


def pages() -> dict[Path, str]:
    """Each page with a generated part, as it should be."""
    written = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    parts = {path: _filled(path) for path in written if PART.search(path.read_text())}
    return {**parts, ROOT / "docs" / "cli.md": help_markdown()}


def main() -> int:
    """Write what differs; with `--check`, only name it and answer 1."""
    wanted = pages()
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is out of date")
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path])
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
