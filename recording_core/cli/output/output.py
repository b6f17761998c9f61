"""Where does what go? Data to standard output, in one of three dresses; words to standard error.

| dress | when |
|---|---|
| one JSON object a line | `--json` |
| a table | standard output is a terminal |
| tab-separated fields, no heading | it is none |
"""

from __future__ import annotations

import functools
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import click
from attrs import frozen

import recording_core as rec
from recording_core.cli.output.values import (
    aligned,
    for_people,
    for_programs,
    one_line,
    padded,
    width_of,
)
from recording_core.redaction import MASK, redact_url

__all__ = ["ATTENTION", "Column", "Output", "needs_attention", "output_options", "say", "style"]

T = TypeVar("T")

#: The exit code of what worked and should be looked at.
ATTENTION = 3

#: What a word of ours looks like on a terminal.
COLOURS: Mapping[str, str] = {
    word: colour
    for colour, words in {
        "green": "available ok",
        "red": "failed unknown attention",
        "yellow": "expired deleted empty",
        "cyan": "pending recording paused stopping processing",
    }.items()
    for word in words.split()
}


@frozen
class Column(Generic[T]):
    """One field of a kind of value.

    `shown` is how people read it, if another way than usual. `width` is what is kept for it where
    rows are written before all are known. On a narrow terminal the columns with a `yields` are
    left out, the highest first.
    """

    heading: str
    value: Callable[[T], Any]
    shown: Callable[[Any], str] = for_people
    width: int = 0
    right: bool = False
    yields: int = 0

    def cell(self, item: T) -> str:
        value = self.value(item)
        return for_people(None) if value is None else self.shown(value)


@frozen
class Output:
    """How this call's data is written."""

    json: bool = False
    #: signed query strings are data, and credentials: only who asks gets them
    urls: bool = False

    @property
    def for_people(self) -> bool:
        return not self.json and sys.stdout.isatty()

    def object(self, value: Any) -> None:
        """One of our values as one line of JSON, as `rec.dumps` writes it."""
        text = rec.dumps(value)
        if not self.urls:
            text = json.dumps(_without_queries(json.loads(text)), ensure_ascii=False)
        # JSON is UTF-8, whatever the terminal's locale.
        click.echo(text.encode())

    def rows(self, items: Iterable[T], columns: Sequence[Column[T]]) -> None:
        """Each item as it comes; a sequence's columns are as wide as they must be."""
        if self.json:
            for item in items:
                self.object(item)
        elif not self.for_people:
            for item in items:
                click.echo("\t".join(for_programs(column.value(item)) for column in columns))
        else:
            _write_table(items, columns)

    def fields(self, item: T, columns: Sequence[Column[T]]) -> None:
        """One item, a line a field."""
        if self.json:
            self.object(item)
        elif not self.for_people:
            for column in columns:
                click.echo(f"{column.heading}\t{for_programs(column.value(item))}")
        else:
            rows = [(column.heading, column.cell(item)) for column in columns]
            for line, (heading, _) in zip(aligned(rows), rows, strict=True):
                click.echo(click.style(line[: len(heading)], bold=True) + line[len(heading) :])


def output_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds `--json` and `--urls`, and hands them over as `out`."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
    @click.option(
        "--urls", is_flag=True, help="Keep the query strings of URLs, which may sign them."
    )
    @functools.wraps(command)
    def packed(*args: Any, as_json: bool, urls: bool, **options: Any) -> None:
        command(*args, out=Output(as_json, urls), **options)

    return packed


def say(text: str) -> None:
    """A word to whoever watches; never data."""
    click.echo(one_line(text), err=True)


def needs_attention() -> click.exceptions.Exit:
    """To be raised where it worked, and somebody should look."""
    return click.exceptions.Exit(ATTENTION)


def style(word: str) -> str:
    """A word of ours in its colour; what surrounds it is kept."""
    colour = COLOURS.get(word.strip())
    return click.style(word, fg=colour) if colour else word


#: A text that is a URL and nothing else, whatever characters its query has.
_URL = re.compile(r"[a-z]+://\S*", re.IGNORECASE)


def _without_queries(value: Any) -> Any:
    if isinstance(value, str):
        if "://" not in value:
            return value
        if _URL.fullmatch(value):
            value = re.split("[?#]", value, maxsplit=1)[0]
        return redact_url(value).replace(f"?{MASK}", "")
    if isinstance(value, dict):
        return {key: _without_queries(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_queries(item) for item in value]
    return value


def _write_table(items: Iterable[T], columns: Sequence[Column[T]]) -> None:
    known = items if isinstance(items, Sequence) else ()
    widths = {
        id(column): max(
            [len(column.heading), column.width, *(width_of(column.cell(item)) for item in known)]
        )
        for column in columns
    }
    columns = list(columns)
    room = shutil.get_terminal_size().columns
    while sum(widths[id(column)] + 2 for column in columns) - 2 > room:
        first = max(columns, key=lambda column: column.yields)
        if not first.yields:
            break
        columns.remove(first)

    def line(cells: Iterable[str], dress: Callable[[str], str]) -> str:
        return "  ".join(
            dress(padded(cell, widths[id(column)], right=column.right))
            for column, cell in zip(columns, cells, strict=True)
        ).rstrip()

    headed = False
    for item in items:
        if not headed:
            headed = True
            click.secho(line((column.heading for column in columns), str), bold=True)
        click.echo(line((column.cell(item) for column in columns), style))
