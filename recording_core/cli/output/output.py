"""Output: data to standard output in one of three formats.

| format | when |
|---|---|
| one JSON object per line | `--json` |
| a table | standard output is a terminal |
| tab-separated fields below a line of their names | standard output is not a terminal |
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import click
from attrs import define, field, frozen

import recording_core as rec
from recording_core.cli.options import build_option_group
from recording_core.cli.output.values import format_for_people, format_for_programs, sanitize_line
from recording_core.redaction import MASK, escape_controls, redact_url

if TYPE_CHECKING:
    from rich.console import RenderableType

T = TypeVar("T")

#: word -> its colour on a terminal
COLOURS: Mapping[str, str] = {
    **dict.fromkeys(("available", "ok", "holds"), "green"),
    **dict.fromkeys(("failed", "unknown", "attention", "refuted"), "red"),
    **dict.fromkeys(("expired", "deleted", "empty"), "yellow"),
    **dict.fromkeys(("pending", "recording", "paused", "stopping", "processing"), "cyan"),
}


@frozen
class OutputColumn(Generic[T]):
    """One field of a kind of value.

    `format_value` formats it for people. `width` is the minimum width, reserved because rows are
    written before all of them are available. On a narrow terminal, columns with a `drop_priority`
    are left out, highest first.
    """

    heading: str
    value: Callable[[T], Any]
    format_value: Callable[[Any], RenderableType] = format_for_people
    width: int = 0
    right: bool = False
    drop_priority: int = 0

    @property
    def name(self) -> str:
        """The name of the field for programs, such as `created` for `CREATED (UTC)`."""
        words = self.heading.lower().removesuffix(" (utc)")
        return re.sub(r"[^a-z0-9]+", "_", words).strip("_")

    def format_cell(self, item: T) -> RenderableType:
        """Format this field of an item for people."""
        value = self.value(item)
        return format_for_people(None) if value is None else self.format_value(value)


@define
class Output:
    """The format in which a command writes its data, and the names of fields that it wrote last."""

    json: bool = False
    #: Whether to keep the query strings of URLs: a signed query string is a credential.
    urls: bool = False
    _names: str = field(default="", init=False)

    @property
    def is_table(self) -> bool:
        """Whether data is written as a table for people."""
        return not self.json and sys.stdout.isatty()

    def write_object(self, value: Any) -> None:
        """Write one of the library's values as one line of JSON, as `rec.dumps` does."""
        text = rec.dumps(value)
        if not self.urls:
            text = json.dumps(_remove_queries(json.loads(text)), ensure_ascii=False)
        # JSON is UTF-8 in every locale.
        click.echo(escape_controls(text).encode())

    def write_rows(
        self, items: Iterable[T], columns: Sequence[OutputColumn[T]], *, heading: bool = True
    ) -> None:
        """Write each item as it arrives; a table of a sequence has columns that fit all of it.

        In a pipe, the names of the fields are written once, before the first item. `heading` is
        that of the table.
        """
        if self.is_table:
            write_table(items, columns, heading=heading)
            return
        for item in items:
            if self.json:
                self.write_object(item)
            else:
                self._write_names(columns)
                click.echo("\t".join(format_for_programs(column.value(item)) for column in columns))

    def _write_names(self, columns: Sequence[OutputColumn[T]]) -> None:
        names = "\t".join(column.name for column in columns)
        if names != self._names:
            click.echo(names)
            self._names = names

    def write_fields(self, item: T, columns: Sequence[OutputColumn[T]]) -> None:
        """Write one item, one line per field."""
        if self.json:
            self.write_object(item)
        elif self.is_table:
            write_grid(
                [(column.heading, column.format_cell(item)) for column in columns], bold=True
            )
        else:
            for column in columns:
                click.echo(f"{column.name}\t{format_for_programs(column.value(item))}")


add_output_options = build_option_group(
    "out",
    Output,
    click.option("--json", is_flag=True, help="Print one JSON object per line."),
    click.option(
        "--urls",
        is_flag=True,
        help="Print URLs with their query strings, which may contain signatures.",
    ),
)


# -- tables for people ----------------------------------------------------------------------------


def get_width() -> int:
    """Return the width of the terminal, or 100 columns without a terminal."""
    return shutil.get_terminal_size((100, 24)).columns


def write_table(
    items: Iterable[T],
    columns: Sequence[OutputColumn[T]],
    *,
    heading: bool = True,
    write_details: Callable[[T], None] | None = None,
    has_total: bool = False,
    gap: int = 2,
    indent: int = 0,
) -> Sequence[OutputColumn[T]]:
    """Write items as the rows of a table, and return the columns that fit.

    The columns fit all rows of a sequence. Other items are written as they arrive, in columns of
    their minimum width. `write_details` is called after each row. With `has_total`, the last row is
    a total.
    """
    from rich.table import Table

    available = items if isinstance(items, Sequence) else ()
    widths = _choose_columns(columns, available, get_width() - indent, gap)

    def write(rows: Sequence[T], *, heading: bool) -> None:
        table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
        table.show_header = heading
        for column, width in widths:
            table.add_column(_style_cell(column.heading, width, right=column.right), no_wrap=True)
        for row in rows:
            cells = (
                _style_cell(column.format_cell(row), width, right=column.right)
                for column, width in widths
            )
            table.add_row(*cells, style="bold" if has_total and row is rows[-1] else "")
        # As wide as the cells: the terminal wraps what is wider than it, and nothing is cut off.
        _write_renderable(table, 100_000, indent)

    if available and write_details is None:
        write(available, heading=heading)
    else:
        for index, item in enumerate(items):
            write((item,), heading=heading and index == 0)
            if write_details is not None:
                write_details(item)
    return [column for column, _ in widths]


def write_grid(
    rows: Iterable[Sequence[RenderableType]],
    *,
    widths: Sequence[int] = (0,),
    bold: bool = False,
    indent: int = 0,
) -> None:
    """Write rows in columns of at least these widths, and wrap the last column, which has none.

    With `bold`, the other columns are bold.
    """
    from rich.table import Table

    grid = Table.grid(padding=(0, 2, 0, 0))
    for width in widths:
        grid.add_column(min_width=width, no_wrap=True, style="bold" if bold else "")
    grid.add_column(overflow="fold")
    for row in rows:
        grid.add_row(*map(_style_cell, row))
    _write_renderable(grid, max(get_width() - indent, 40), indent)


def _choose_columns(
    columns: Sequence[OutputColumn[T]], items: Sequence[T], available: int, gap: int
) -> list[tuple[OutputColumn[T], int]]:
    """Return columns and their widths; leave out columns until the others fit."""
    from rich.cells import cell_len

    def measure(column: OutputColumn[T]) -> int:
        cells = (column.heading, *map(column.format_cell, items))
        return max(column.width, *(cell_len(each) for each in cells if isinstance(each, str)))

    widths = [(column, measure(column)) for column in columns]
    while sum(width + gap for _, width in widths) - gap > available:
        first = max(widths, key=lambda each: each[0].drop_priority)
        if not first[0].drop_priority:
            break
        widths.remove(first)
    return widths


def _style_cell(cell: RenderableType, width: int = 0, *, right: bool = False) -> RenderableType:
    """Colour a status or verdict, and pad it to a width; no text is read as markup."""
    from rich.text import Text

    if not isinstance(cell, str):
        return cell
    text = Text(sanitize_line(cell), COLOURS.get(cell, ""))
    # Not by a column's `min_width`: before Rich 14.3 it includes the gap, also in the last column.
    pad = text.pad_left if right else text.pad_right
    pad(max(width - text.cell_len, 0))
    return text


def _write_renderable(renderable: RenderableType, width: int, indent: int) -> None:
    from rich.console import Console

    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        console.print(renderable)
    for line in capture.get().splitlines():
        click.echo(" " * indent + line.rstrip())


# -- JSON -----------------------------------------------------------------------------------------

#: A text that consists of one URL, with any characters in its query.
_URL = re.compile(r"[a-z]+://\S*", re.IGNORECASE)


def _remove_queries(value: Any) -> Any:
    """Remove the query strings of all URLs in a JSON value."""
    if isinstance(value, str):
        if "://" not in value:
            return value
        if _URL.fullmatch(value):
            value = re.split("[?#]", value, maxsplit=1)[0]
        return redact_url(value).replace(f"?{MASK}", "")
    if isinstance(value, dict):
        return {key: _remove_queries(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_remove_queries(item) for item in value]
    return value
