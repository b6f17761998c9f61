"""Which parts of the pages are generated? The matrix and the command's help. `--check` compares."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from recording_core.cli.matrix import matrix_markdown
from recording_core.cli.pages import help_markdown

ROOT = Path(__file__).resolve().parent.parent
MATRIX = re.compile(
    r"(<!-- matrix: written by `make docs` -->\n).*?(<!-- end of matrix -->)", re.DOTALL
)


def pages() -> dict[Path, str]:
    """Each page with a generated part, as it should be."""
    readme = ROOT / "README.md"
    matrix = matrix_markdown().strip()
    return {
        readme: MATRIX.sub(lambda found: f"{found[1]}{matrix}\n{found[2]}", readme.read_text()),
        ROOT / "docs" / "cli.md": help_markdown(),
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
