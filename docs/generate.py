"""Which parts of the pages are generated? Matrix, help, the report's tables. `--check` compares."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from recording_core.cli.matrix import matrix_markdown
from recording_core.cli.pages import help_markdown
from recording_core.reporting.groupings import TIME_GROUPINGS
from recording_core.reporting.measures import MEASURES
from recording_core.row_schema import COLUMNS

ROOT = Path(__file__).resolve().parent.parent


def filled(text: str, name: str, table: str) -> str:
    """The page with a table between its two marks."""
    between = re.compile(
        rf"(<!-- {name}: written by `make docs` -->\n).*?(<!-- end of {name} -->)", re.DOTALL
    )
    return between.sub(lambda found: f"{found[1]}{table.strip()}\n{found[2]}", text)


def report_markdown(text: str) -> str:
    """The report's page with the tables that the code has."""
    for name, rows in (
        ("columns", [(each.name, each.type, each.words) for each in COLUMNS]),
        ("measures", [(each.name, each.type, each.words) for each in MEASURES]),
        ("groupings", [(each.name, "text", each.words) for each in TIME_GROUPINGS.values()]),
    ):
        lines = ["| name | type | what it is |", "|---|---|---|"]
        lines += [f"| `{each}` | {type} | {words} |" for each, type, words in rows]
        text = filled(text, name, "\n".join(lines))
    return text


def pages() -> dict[Path, str]:
    """Each page with a generated part, as it should be."""
    readme, report = ROOT / "README.md", ROOT / "docs" / "report.md"
    return {
        readme: filled(readme.read_text(), "matrix", matrix_markdown()),
        ROOT / "docs" / "cli.md": help_markdown(),
        report: report_markdown(report.read_text()),
    }


def main() -> int:
    """Write what differs; with `--check`, only name it and answer 1."""
    stale = [
        path for path, text in pages().items() if not path.exists() or path.read_text() != text
    ]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is out of date")
        return 1 if stale else 0
    for path in stale:
        path.write_text(pages()[path])
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
