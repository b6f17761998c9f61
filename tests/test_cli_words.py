"""Does the command line read and write values as its tables say?"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from attrs import evolve

import recording_core as rec
from recording_core.cli import arguments
from recording_core.cli.app import command_line
from recording_core.cli.output import values as shown
from recording_core.cli.output.help_pages import help_markdown
from recording_core.cli.output.matrix import matrix_markdown
from recording_core.cli.output.output import Output
from recording_core.cli.output.summary import summarised, summary_lines

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("45s", timedelta(seconds=45)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("90d", timedelta(days=90)),
        ("1.5h", timedelta(minutes=90)),
        ("500ms", timedelta(milliseconds=500)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_a_duration(typed: str, meant: timedelta) -> None:
    assert arguments.DURATION.convert(typed, None, None) == meant


@pytest.mark.parametrize(
    "typed", ["", "90", "0s", "-1h", "1y", "h", "1h 30m", "9" * 30 + "d", "٣h", "1h30"]
)
def test_no_duration(typed: str) -> None:
    with pytest.raises(click.BadParameter):
        arguments.DURATION.convert(typed, None, None)


def test_a_moment() -> None:
    ago = datetime.now(UTC) - arguments.MOMENT.convert("90d", None, None)
    assert abs(ago - timedelta(days=90)) < timedelta(seconds=10)
    for typed in ("2026-06-01T12:00", "2026-06-01T12:00Z", "2026-06-01T14:00+02:00"):
        assert arguments.MOMENT.convert(typed, None, None) == NOON
    assert arguments.MOMENT.convert("2026-06-01", None, None) == NOON.replace(hour=0)
    for typed in ("yesterday", "9999999d", "", "2026-13-01"):
        with pytest.raises(click.BadParameter):
            arguments.MOMENT.convert(typed, None, None)


def test_a_target_and_a_parameter() -> None:
    assert arguments.TARGET.convert("conference:a:b", None, None) == rec.conference("a:b")
    assert arguments.EXTRA.convert('layout={"a":1}', None, None) == ("layout", {"a": 1})
    for typed in ("standup", "room:x"):
        with pytest.raises(click.BadParameter):
            arguments.TARGET.convert(typed, None, None)
    with pytest.raises(click.UsageError):
        arguments.TARGET.convert("call:", None, None)
    for typed in ("a", "=1", "a=b"):
        with pytest.raises(click.BadParameter):
            arguments.EXTRA.convert(typed, None, None)


@pytest.mark.parametrize(
    ("value", "people", "programs"),
    [
        (None, "–", ""),
        (NOON, "2026-06-01 12:00", "2026-06-01T12:00:00+00:00"),
        (timedelta(seconds=5), "0:05", "5"),
        (timedelta(seconds=3723.5), "1:02:04", "3723.5"),
        (("framing", "size"), "framing, size", "framing,size"),
        (rec.call("x"), "call:x", "call:x"),
        (True, "yes", "yes"),
        ("a\tb\nc\x1b[31m\u202e", "a b c�[31m�", "a b c�[31m�"),
    ],
)
def test_what_a_value_looks_like(value: object, people: str, programs: str) -> None:
    assert shown.for_people(value) == people
    assert shown.for_programs(value) == programs


def test_sizes() -> None:
    sizes = (0, 999, 1000, 1_234_567, 999_950_000, 5_000_000_000_000_000)
    assert [shown.size(each) for each in sizes] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "1.2 MB",
        "1.0 GB",
        "5000.0 TB",
    ]


def test_columns_stand_beneath_each_other_whatever_the_script() -> None:
    rows = shown.aligned([("a", "1"), ("会議", "22"), ("e\u0301", "333")], right=(1,))
    assert list(rows) == ["a       1", "会議   22", "e\u0301     333"]


def test_json_loses_the_queries_of_urls_and_nothing_else(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    url = "https://m.example/a.mp3?q='&X-Sig=s3cret"
    recording = rec.Recording(
        "plivo",
        "default",
        "r1",
        title="Why? Überall",
        files=(rec.MediaFile("mix", rec.FileRole.MIX, url=url),),
        raw={"media": [{"url": url}], "note": "see https://m.example/?X-Sig=s3cret please"},
    )
    Output(json=True).object(recording)
    text = capsysbinary.readouterr().out.decode()
    assert "s3cret" not in text
    bare = evolve(recording, files=(evolve(recording.files[0], url="https://m.example/a.mp3"),))
    assert rec.loads(text, rec.Recording) == bare
    assert json.loads(text)["raw"]["media"] == [{"url": "https://m.example/a.mp3"}]
    Output(json=True, urls=True).object(recording)
    assert capsysbinary.readouterr().out.decode() == rec.dumps(recording) + "\n"


def test_the_summary_says_what_is_missing_and_why() -> None:
    status = rec.RecordingStatus

    def made(id: str, **fields: Any) -> rec.Recording:
        return evolve(rec.Recording("x", "default", id), **fields)

    kept: dict[str, Any] = {
        "ended_at": NOON,
        "media_expires_at": NOON + timedelta(days=7, seconds=30),
    }
    found = [
        made("1", status=status.AVAILABLE, size=1_500_000, duration=timedelta(hours=2)),
        made("2", status=status.EXPIRED, **kept),
        made("3", status=status.FAILED, error="no\ndisk"),
        made("4", status=status.PROCESSING, duration=timedelta(minutes=30)),
    ]
    blind = rec.Coverage(unreadable=2, errors=("page 3 is lost",), not_listable=("conferences",))
    lines = "\n".join(summary_lines([summarised("Some Vendor", found, blind)], width=80))
    assert lines == (
        "             recordings              hours               bytes\n"
        "Some Vendor           4  2.5 h (of 2 of 4)  1.5 MB (of 1 of 4)\n"
        "  status   1 processing, 1 available, 1 failed, 1 expired\n"
        "  missing  1 expired: the media is kept for 7 days\n"
        "           1 failed: no disk\n"
        "           1 not there yet: still recorded or processed\n"
        "           1 without a file: the media went to the customer's own storage\n"
        "           2 unreadable: not what the vendor documents\n"
        "           page 3 is lost\n"
        "           not listed at all: conferences"
    )


def test_the_matrix_is_what_the_plugins_declare() -> None:
    rows = [line.strip("| ").split(" | ") for line in matrix_markdown().splitlines()]
    kinds = sum(len(info.capabilities) for info in rec.providers().values())
    assert len(rows) == 2 + kinds
    says_yes = sum(row.count("yes") for row in rows)
    assert says_yes == sum(len(tuple(info)) for info in rec.providers().values())


def test_the_documented_help_is_what_the_commands_say() -> None:
    page = Path(__file__).parent.parent / "docs" / "cli.md"
    assert page.read_text(encoding="utf-8") == help_markdown(), (
        "write it anew: python -m recording_core.cli.output.help_pages > docs/cli.md"
    )


def test_every_command_and_option_says_what_it_is_for() -> None:
    for name, command in command_line(with_plugins=False).commands.items():
        assert command.get_short_help_str(), name
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.name != "title":
                assert parameter.help, f"{name} {parameter.opts}"
    assert not re.search(r"/(tmp|home|work)/", help_markdown())
