"""Generated documentation: tables of several pages, the reference, and docs/cli.md.

Without arguments it writes the pages that differ. `--check` only lists them and exits with 1.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import click
from reference import fill_references

import recording_core as rec
from recording_core.cli.app import build_command_line
from recording_core.cli.output.matrix import build_matrix_markdown
from recording_core.cli.scaffold.distribution import TEMPLATE
from recording_core.listing.row_schema import COLUMNS
from recording_core.plugins.registry import load_object
from recording_core.provider.start_request import START_PARAMETERS
from recording_core.reporting.compute.groupings import TIME_GROUPINGS
from recording_core.reporting.compute.measures import MEASURES

ROOT = Path(__file__).resolve().parent.parent
#: The README of each provider -> the module with its assumptions.
ASSUMPTIONS_OF = {
    path: f"recording_{path.parent.name}.assumptions" for path in ROOT.glob("providers/*/README.md")
}
#: Code that the guide shows, which is that of the template of new providers.
CODE = re.compile(
    r"(<!-- from (?P<file>[\w./]+) -->\n```\w+\n).*?(?=^```$)", re.DOTALL | re.MULTILINE
)
#: What a page does not repeat: a module's head, and the comments that mark what to fill in.
NOT_SHOWN = re.compile(
    r'\A"""[^"]*"""\n|^from __future__ import annotations\n|^ *# FILL IN: .*\n|^\[tool\.[\s\S]*',
    re.MULTILINE,
)
PART = re.compile(
    r"(<!-- (?P<name>\w+): written by `make docs` -->\n).*?(<!-- end of (?P=name) -->)", re.DOTALL
)


def _build_table(heading: str, align: str, rows: Iterable[str]) -> str:
    return "\n".join((heading, align, *rows))


def build_settings_table() -> str:
    """Build the table of the settings that `connect` accepts, by vendor."""
    rows = (
        f"| {info.label} | `{setting.name}` | `{setting.env}` | {_describe_setting(setting)} |"
        for info in rec.providers().values()
        for setting in info.settings
    )
    return _build_table("| vendor | keyword | environment variable | |", "|---|---|---|---|", rows)


def _describe_setting(setting: rec.Setting) -> str:
    words = ["secret"] if setting.secret else []
    if setting.default is not None:
        words.append(f"default `{setting.default}`" if setting.default else "may stay unset")
    return ", ".join(words)


def build_addresses_table() -> str:
    """Build the table of base URLs, published rates and media timeouts, by vendor."""
    rows = []
    for info in rec.providers().values():
        client: type[rec.Provider] = load_object(info, "client")
        rate = f"{client.rate:g}" if client.rate is not None else "not published"
        rows.append(
            f"| {info.label} | `{client.default_base_url}` | `{info.name.upper()}_BASE_URL` "
            f"| {rate} | {client.media_first_byte:g} s |"
        )
    return _build_table(
        "| vendor | base URL | variable | requests per second | media timeout |",
        "|---|---|---|---|---|",
        rows,
    )


def build_parameters_table() -> str:
    """Build the table of the keywords of `start` that each vendor supports, by kind."""
    rows = []
    for info in rec.providers().values():
        client: type[rec.Provider] = load_object(info, "client")
        label = info.label
        for kind in sorted(info.capabilities, key=list(rec.SessionKind).index):
            supported = client.start_parameters.get(kind, frozenset())
            marks = " | ".join("yes" if name in supported else "–" for name in START_PARAMETERS)
            rows.append(f"| {label} | {kind} | {marks} |")
            label = ""
    heading = f"| | | {' | '.join(f'`{name}`' for name in START_PARAMETERS)} |"
    return _build_table(heading, "|---|---|" + ":-:|" * len(START_PARAMETERS), rows)


def build_not_listable_list() -> str:
    """Build the list of what each vendor cannot enumerate, as `coverage.not_listable` states it."""
    lines = []
    for info in rec.providers().values():
        client: type[rec.Provider] = load_object(info, "client")
        lines += [f"- **{info.label}**: {each}" for each in client.not_listable]
    return "\n".join(lines)


def build_assumptions_table(module: str) -> str:
    """Build the table of a provider's assumptions, from the module that has them."""
    rows = []
    for each in importlib.import_module(module).ASSUMPTIONS:
        texts = " | ".join((each.leaves_open, each.assumed, each.refuted_by)).replace("\n", " ")
        rows.append(f"| {each.number} | {texts} | {'–' if each.probe is None else 'yes'} |")
    heading = "| | what the pages leave open | what is assumed, and why | what refutes it | probe |"
    return _build_table(heading, "|--:|---|---|---|:-:|", rows)


def build_names_table(rows: Iterable[tuple[str, str, str]]) -> str:
    """Build a table of names in a report, with their types and descriptions."""
    lines = (f"| `{name}` | {type} | {description} |" for name, type, description in rows)
    return _build_table("| name | type | description |", "|---|---|---|", lines)


#: The text between `<!-- name: written by ... -->` and `<!-- end of name -->`, on any page.
PARTS: Mapping[str, Callable[[], str]] = {
    "matrix": lambda: build_matrix_markdown().strip(),
    "settings": build_settings_table,
    "addresses": build_addresses_table,
    "parameters": build_parameters_table,
    "not_listable": build_not_listable_list,
    "columns": lambda: build_names_table((each.name, each.type, each.words) for each in COLUMNS),
    "measures": lambda: build_names_table(
        (each.name, each.type, each.description) for each in MEASURES
    ),
    "groupings": lambda: build_names_table(
        (each.name, "text", each.description) for each in TIME_GROUPINGS.values()
    ),
}


COMMAND_LINE_HEAD = """# The command line

The help of `recordings` and of each of its commands. This page is generated by `make docs`; a test
checks that it is up to date.
"""


def build_command_line_page() -> str:
    """Return the help of the built-in commands as one Markdown page, equal on every machine."""
    group = build_command_line(with_plugins=False)
    settings = {**group.context_settings, "terminal_width": 80, "color": False}
    top = click.Context(group, info_name="recordings", **settings)
    parts = [COMMAND_LINE_HEAD, _format_help_section("recordings", group.get_help(top))]
    for name, command in group.commands.items():
        parts += _build_help_sections(command, top, f"recordings {name}")
    return "\n".join(parts)


def _build_help_sections(
    command: click.Command, parent: click.Context, title: str
) -> Iterator[str]:
    """Yield the help of a command and of its subcommands."""
    context = click.Context(command, parent=parent, info_name=title.rpartition(" ")[2])
    yield _format_help_section(title, command.get_help(context))
    for name, inner in getattr(command, "commands", {}).items():
        yield from _build_help_sections(inner, context, f"{title} {name}")


def _format_help_section(title: str, text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return f"## {title}\n\n```\n{lines}\n```\n"


def _fill_parts(path: Path) -> str:
    def fill(found: re.Match[str]) -> str:
        name = found["name"]
        is_own = name == "assumptions"
        text = build_assumptions_table(ASSUMPTIONS_OF[path]) if is_own else PARTS[name]()
        return f"{found[1]}\n{text}\n\n{found[3]}"

    return fill_references(CODE.sub(_fill_code, PART.sub(fill, path.read_text())))


def _fill_code(found: re.Match[str]) -> str:
    code = NOT_SHOWN.sub("", (TEMPLATE / found["file"]).read_text(encoding="utf-8"))
    return f"{found[1]}{code.strip()}\n"


def build_pages() -> dict[Path, str]:
    """Build the current text of every page that is generated or has a generated part."""
    written = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ASSUMPTIONS_OF]
    parts = {path: _fill_parts(path) for path in written}
    return {**parts, ROOT / "docs" / "cli.md": build_command_line_page()}


def main() -> int:
    """Write the pages that differ, or with `--check` list them. Returns the exit code."""
    wanted = build_pages()
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
