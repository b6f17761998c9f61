"""Arguments and output of the command line: parsing, formatting, tables and help."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from attrs import evolve

import recording_core as rec
from recording_core.cli import arguments
from recording_core.cli.app import build_command_line
from recording_core.cli.output import values
from recording_core.cli.output.matrix import build_matrix_markdown
from recording_core.cli.output.output import Output, OutputColumn, write_table
from recording_core.cli.output.summary import VendorListing, write_summary

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("45s", timedelta(seconds=45)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("90d", timedelta(days=90)),
        ("1.5h", timedelta(minutes=90)),
        ("500ms", timedelta(milliseconds=500)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_parse_duration(text: str, expected: timedelta) -> None:
    assert arguments.DURATION.convert(text, None, None) == expected


@pytest.mark.parametrize(
    "text", ["", "90", "0s", "-1h", "1y", "h", "1h 30m", "9" * 30 + "d", "٣h", "1h30"]
)
def test_parse_duration_rejects_other_text(text: str) -> None:
    with pytest.raises(click.BadParameter):
        arguments.DURATION.convert(text, None, None)


def test_parse_time() -> None:
    ago = datetime.now(UTC) - arguments.TIME.convert("90d", None, None)
    assert abs(ago - timedelta(days=90)) < timedelta(seconds=10)
    for text in ("2026-06-01T12:00", "2026-06-01T12:00Z", "2026-06-01T14:00+02:00"):
        assert arguments.TIME.convert(text, None, None) == NOON
    assert arguments.TIME.convert("2026-06-01", None, None) == NOON.replace(hour=0)
    for text in ("tomorrow", "9999999d", "", "2026-13-01", "0001-01-01T00:00+10:00"):
        with pytest.raises(click.BadParameter):
            arguments.TIME.convert(text, None, None)


@pytest.mark.parametrize("kind", [arguments.TIME, arguments.PERIOD])
def test_minutes_or_months_are_refused_with_a_hint(kind: Any) -> None:
    for text, days in (("2m", "60d"), ("1.5m", "30d"), ("0m", "30d")):
        with pytest.raises(click.BadParameter) as refused:
            kind.convert(text, None, None)
        hint = f"may mean minutes or months: write {text}in for minutes, or days, such as {days}."
        assert str(refused.value).endswith(hint)
    assert arguments.PERIOD.convert("2min", None, None) == timedelta(minutes=2)
    assert arguments.PERIOD.convert("1h30m", None, None) == timedelta(minutes=90)


def test_days_are_in_the_zone_of_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime(2026, 3, 29, 23, 30, tzinfo=UTC).astimezone(tz)

    monkeypatch.setattr(arguments, "datetime", Clock)

    def parse(text: str, tz: str) -> datetime:
        context = click.Context(click.Command("list"))
        context.params["tz"] = tz
        found = arguments.TIME.convert(text, None, context)
        assert isinstance(found, datetime)
        return found

    # It is the 30th in Berlin, whose clocks changed on the 29th.
    assert parse("today", "Europe/Berlin") == datetime(2026, 3, 29, 22, tzinfo=UTC)
    assert parse("Yesterday", "Europe/Berlin") == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert parse("2026-03-01", "Europe/Berlin") == datetime(2026, 2, 28, 23, tzinfo=UTC)
    assert parse("2026-03-01T00:00Z", "Europe/Berlin") == datetime(2026, 3, 1, tzinfo=UTC)
    assert parse("today", "UTC") == datetime(2026, 3, 29, tzinfo=UTC)
    with pytest.raises(click.BadParameter, match="Europe/Berlin"):
        arguments.ZONE.convert("Berlin", None, None)


def test_parse_target_and_extra_parameter() -> None:
    assert arguments.TARGET.convert("conference:a:b", None, None) == rec.conference("a:b")
    assert arguments.EXTRA.convert('layout={"a":1}', None, None) == ("layout", {"a": 1})
    for text in ("standup", "track:x"):
        with pytest.raises(click.BadParameter):
            arguments.TARGET.convert(text, None, None)
    with pytest.raises(click.UsageError):
        arguments.TARGET.convert("call:", None, None)
    for text in ("a", "=1", "a=b"):
        with pytest.raises(click.BadParameter):
            arguments.EXTRA.convert(text, None, None)


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
        ("a\tb\nc\x1b[31m\u202e", r"a b c\u001b[31m\u202e", r"a b c\u001b[31m\u202e"),
    ],
)
def test_format_value(value: object, people: str, programs: str) -> None:
    assert values.format_for_people(value) == people
    assert values.format_for_programs(value) == programs


def read_lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


ROW = (
    OutputColumn[tuple[str, int]]("NAME", lambda row: row[0]),
    OutputColumn[tuple[str, int]]("NUMBER", lambda row: row[1], right=True, drop_priority=1),
)


def test_a_table_aligns_wide_and_combining_characters(capsys: pytest.CaptureFixture[str]) -> None:
    write_table([("available", 1), ("会議", 22), ("e\u0301", 333)], ROW)
    assert read_lines(capsys) == [
        "NAME       NUMBER",
        "available       1",
        "会議           22",
        "e\u0301             333",
    ]


def test_a_table_neither_reads_markup_nor_cuts_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    title = f"[bold]a\x1b[31m{'long' * 40}[/bold]"
    monkeypatch.setenv("COLUMNS", "80")
    write_table([(title, 1)], ROW)
    assert read_lines(capsys) == ["NAME", title.replace("\x1b", r"\u001b")]


def test_rows_of_an_iterator_are_written_as_they_arrive(capsys: pytest.CaptureFixture[str]) -> None:
    def generate_rows() -> Iterator[tuple[str, int]]:
        yield "first", 1
        assert read_lines(capsys) == ["NAME   NUMBER", "first       1"]
        yield "second", 2

    write_table(generate_rows(), ROW)
    assert read_lines(capsys) == ["second       2"]


def test_json_omits_only_the_query_strings_of_urls(
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
    Output(json=True).write_object(recording)
    text = capsysbinary.readouterr().out.decode()
    assert "s3cret" not in text
    bare = evolve(recording, files=(evolve(recording.files[0], url="https://m.example/a.mp3"),))
    assert rec.loads(text, rec.Recording) == bare
    assert json.loads(text)["raw"]["media"] == [{"url": "https://m.example/a.mp3"}]
    Output(json=True, urls=True).write_object(recording)
    assert capsysbinary.readouterr().out.decode() == rec.dumps(recording) + "\n"


@pytest.mark.parametrize("urls", [True, False])
def test_json_escapes_control_characters(
    capsysbinary: pytest.CaptureFixture[bytes], urls: bool
) -> None:
    title = "a\x1b]0;b\x07\x9b2J\u202ec\u2028d"
    recording = rec.Recording("plivo", "default", "r1", title=title, raw={"\x85": [title]})
    Output(json=True, urls=urls).write_object(recording)
    text = capsysbinary.readouterr().out.decode()
    assert text.removesuffix("\n").isprintable()
    assert r"a\u001b]0;b\u0007\u009b2J\u202ec\u2028d" in text
    found = rec.loads(text, rec.Recording)
    assert (found.title, found.raw) == (title, recording.raw)
    assert repr(recording).isprintable()


def test_summary_lists_missing_media_with_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    status = rec.RecordingStatus

    def build_recording(id: str, **fields: Any) -> rec.Recording:
        return evolve(rec.Recording("x", "default", id), **fields)

    expired: dict[str, Any] = {
        "ended_at": NOON,
        "media_expires_at": NOON + timedelta(days=7, seconds=30),
    }
    found = [
        build_recording("1", status=status.AVAILABLE, size=1_500_000, duration=timedelta(hours=2)),
        build_recording("2", status=status.EXPIRED, **expired),
        build_recording("3", status=status.FAILED, error="no\ndisk"),
        build_recording("4", status=status.PROCESSING, duration=timedelta(minutes=30)),
    ]
    coverage = rec.Coverage(
        unreadable=("Row 3: no id", "Row 9: no id"),
        errors=("page 3 is lost",),
        not_listable=("conferences",),
        unread_fields={"size": 3, "meeting.title": 1},
    )
    write_summary([VendorListing("Some Vendor", found, coverage)])
    assert read_lines(capsys) == [
        "             recordings              hours                size",
        "Some Vendor           4  2.5 h (of 2 of 4)  1.5 MB (of 1 of 4)",
        "  status   1 processing, 1 failed, 1 expired",
        "  missing  1 expired: the vendor keeps media for 7 days",
        "           1 failed: no disk",
        "           1 not ready: still being recorded or processed",
        "           1 available without a file: the vendor offers none to download",
        "           2 rows unreadable",
        "           Row 3: no id",
        "           Row 9: no id",
        "           page 3 is lost",
        "           fields that could not be read: size (3), meeting.title (1)",
        "           cannot be listed: conferences",
    ]


def test_matrix_shows_the_declared_capabilities() -> None:
    rows = [line.strip("| ").split(" | ") for line in build_matrix_markdown().splitlines()]
    kinds = sum(len(info.capabilities) for info in rec.providers().values())
    assert len(rows) == 2 + kinds
    supported = sum(row.count("yes") for row in rows)
    assert supported == sum(len(tuple(info)) for info in rec.providers().values())


def test_every_command_and_option_has_a_help_text() -> None:
    for name, command in build_command_line(with_plugins=False).commands.items():
        assert command.get_short_help_str(), name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.opts}"
    page = Path(__file__).parent.parent / "docs" / "cli.md"  # test_docs.py: it is up to date
    assert not re.search(r"/(tmp|home|work)/", page.read_text(encoding="utf-8"))
