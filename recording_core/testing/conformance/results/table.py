"""Table: the results of a provider as lines for a terminal, and as Markdown."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from recording_core.model.enums import SessionKind
from recording_core.testing.conformance.base import NOT_TESTED
from recording_core.testing.conformance.results.outcomes import read_outcomes
from recording_core.testing.conformance.results.verdicts import (
    NO,
    NONE,
    NOT_RUN,
    YES,
    ProviderResults,
    Verdict,
    collect_results,
)

#: The colour of a verdict, by its word.
COLOURS = {YES: "green", NO: "red", NOT_TESTED: "yellow", NOT_RUN: "yellow"}
_WIDTH = 18

#: A part of a line, and its colour.
Part = tuple[str, str | None]


def build_title(results: ProviderResults) -> str:
    """Build the title of a table, which states if a part of the suite ran."""
    own = results.find_distribution()
    version = f" ({own.name} {own.version})" if own is not None else ""
    part = ": part of the suite" if results.missing else ""
    return f"conformance of {results.label}{version}{part}"


def build_lines(results: ProviderResults, columns: int) -> Iterator[list[Part]]:
    """Yield the lines of a table, each as parts with their colours."""
    kinds = list(SessionKind)
    width = max(map(len, (*kinds, NOT_TESTED))) + 3
    yield [(" " * _WIDTH + "".join(kind.ljust(width) for kind in kinds).rstrip(), "bold")]
    for operation, row in results.operations.items():
        cells = [_colour(row[kind].word, width) for kind in kinds[:-1]]
        yield [(operation.ljust(_WIDTH), None), *cells, _colour(row[kinds[-1]].word, 0)]
    yield []
    skipped = []
    for name, verdict in results.concerns.items():
        if verdict.word == NOT_RUN and not verdict.detail:
            skipped.append(name)
            continue
        yield from _wrap(name, str(verdict), COLOURS.get(verdict.word), columns)
    if skipped:
        yield from _wrap(NOT_RUN, ", ".join(skipped), None, columns)
    yield []
    yield [(f"{_describe(results.verdict)}: {_count(results)}", COLOURS.get(results.verdict.word))]


def build_markdown(results: ProviderResults) -> str:
    """Build the page of a provider's results."""
    record = results.build_record()
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    kinds = list(SessionKind)
    lines = [
        f"# Conformance of {results.label}",
        "",
        f"**{_describe(results.verdict)}**: {_count(results)}.",
        "",
        f"{record['date']}, {versions}.",
        "",
        *_tabulate(
            ("operation", *kinds),
            (
                (name, *(str(row[kind]) for kind in kinds))
                for name, row in results.operations.items()
            ),
        ),
        "",
        *_tabulate(
            ("requirements", "result"),
            ((name, str(verdict)) for name, verdict in results.concerns.items()),
        ),
    ]
    if record["failed"]:
        lines += ["", "Failed tests:", "", *(f"- `{each}`" for each in record["failed"])]
    lines += ["", f"`–` is an operation that {results.label} does not declare.", ""]
    return "\n".join(lines)


def write_tables(reporter: Any) -> None:
    """Write the table of each provider of a run to pytest's terminal reporter."""
    for results in collect_results(read_outcomes(reporter)):
        reporter.write_sep("=", build_title(results))
        for line in build_lines(results, shutil.get_terminal_size().columns):
            for text, style in line:
                reporter.write(text, **({style: True} if style is not None else {}))
            reporter.write_line("")


def _tabulate(heading: Iterable[str], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    names = list(heading)
    for row in (names, ["---"] * len(names), *rows):
        yield f"| {' | '.join(each.replace('|', '/') for each in row)} |"


def _describe(verdict: Verdict) -> str:
    words = {
        YES: "all yes",
        NO: "not conformant",
        NOT_TESTED: "not all tested",
        NOT_RUN: "part of the suite",
    }
    return words.get(verdict.word, verdict.word)


def _count(results: ProviderResults) -> str:
    counts = results.counts
    parts = [f"{count} {word}" for word, count in counts.items() if count]
    return f"of {sum(counts.values())} tests, {', '.join(parts)}"


def _colour(word: str, width: int) -> Part:
    return word.ljust(width), COLOURS.get(word)


def _wrap(name: str, text: str, colour: str | None, columns: int) -> Iterator[list[Part]]:
    """Yield a name and its text, which may need several lines."""
    first, *more = textwrap.wrap(text, max(columns - _WIDTH - 1, 20)) or [NONE]
    yield [(name.ljust(_WIDTH), None), (first, colour)]
    yield from ([(" " * _WIDTH, None), (each, colour)] for each in more)
