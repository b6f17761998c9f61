"""Demo page: its content, escaping, content security policy and audio players."""

from __future__ import annotations

import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from attrs import evolve

import recording_core as rec
from recording_core.cli.demo.archive_steps import ArchiveFigures
from recording_core.cli.demo.page import TimelineEntry, build_demo_page
from recording_core.reporting.collect.collected_rows import CollectedRows
from recording_core.reporting.compute.prices import Prices
from recording_core.reporting.report import build_report
from recording_core.reporting.window import ReportWindow

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'&<img src=https://e.test/x>"
SECOND = timedelta(seconds=1)


class Page(HTMLParser):
    """Parses a page into its tags with attributes, its style and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.style = self.text = ""
        self._within = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within = tag

    def handle_data(self, data: str) -> None:
        if self._within == "style":
            self.style += data
        else:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def find_all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def write_copy(
    folder: Path, name: str, format: str, role: rec.FileRole = rec.FileRole.MIX
) -> rec.Copy:
    path = folder / name
    path.write_bytes(b"RIFF")
    file = rec.MediaFile(name, role, format, duration=2 * SECOND, participant=HOSTILE)
    return rec.Copy("plivo", "default", "R1", file, path, 4, "0" * 64, ("size",), NOW)


def build_session(
    *pauses: rec.Interval, start: float = 0, end: float | None = 10, **fields: Any
) -> tuple[rec.RecordingSession, rec.Interval]:
    """Return a session and the interval, in seconds after `NOW`, in which it was recorded."""
    session = rec.RecordingSession(
        "plivo", "default", "S1", rec.conference("standup"), pauses=pauses, **fields
    )
    return session, rec.Interval(NOW + start * SECOND, None if end is None else NOW + end * SECOND)


def build_page(
    folder: Path, *sessions: tuple[rec.RecordingSession, rec.Interval], **more: Any
) -> str:
    entries = [
        TimelineEntry("Plivo", *each, ["started"], more.get("copies", ())) for each in sessions
    ]
    return build_demo_page(
        folder,
        entries=entries,
        past_copies=more.get("past_copies", ()),
        report=more.get("report"),
        archive=more.get("archive"),
        passed=7,
        violations=more.get("violations", ()),
        duration=12 * SECOND,
        created_at=NOW,
    )


def find_spans(html: str) -> list[dict[str, str | None]]:
    found = Page(html).find_all("rect")
    return [each for each in found if each.get("class") in ("recorded", "pause") and "x" in each]


def test_the_page_loads_nothing_and_runs_no_script(tmp_path: Path) -> None:
    found = Page(
        build_page(tmp_path, build_session(), copies=(write_copy(tmp_path, "a.wav", "wav"),))
    )
    style = b64encode(sha256(found.style.encode()).digest()).decode()
    [policy] = [each for each in found.find_all("meta") if "http-equiv" in each]
    content = str(policy["content"])
    assert content.startswith(
        f"default-src 'none'; style-src 'sha256-{style}'; media-src 'self' file:"
    )
    assert "http" not in content
    assert "unsafe" not in content
    for tag, attributes in found.tags:
        assert tag not in ("script", "link", "iframe", "img", "object", "embed")
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        for name in ("src", "href", "srcset", "action", "poster"):
            assert "://" not in (attributes.get(name) or "")
    for foreign in ("@import", "url(", "expression"):
        assert foreign not in found.style


def test_values_from_vendors_and_paths_are_escaped(tmp_path: Path) -> None:
    copies = (write_copy(tmp_path, "a ?#<b>.wav", "wav"),)
    html = build_page(
        tmp_path,
        build_session(),
        copies=copies,
        violations=[HOSTILE],
        past_copies=[(HOSTILE, copies)],
    )
    assert "<script" not in html
    assert "<img" not in html
    assert HOSTILE in Page(html).text
    for player in Page(html).find_all("audio"):
        address = str(player["src"])
        assert not set("?# <") & set(address)
        assert (tmp_path / unquote(address)).is_file()


def test_only_audio_files_have_a_player(tmp_path: Path) -> None:
    made = (
        write_copy(tmp_path, "a.mp3", "mp3"),
        write_copy(tmp_path, "b.mp4", "mp4", rec.FileRole.VIDEO),
    )
    past = [("Plivo", (write_copy(tmp_path, "c.wav", "wav"), write_copy(tmp_path, "d.bin", "new")))]
    found = Page(build_page(tmp_path, build_session(), copies=made, past_copies=past))
    assert [each["src"] for each in found.find_all("audio")] == ["a.mp3", "c.wav"]
    assert all("controls" in each for each in found.find_all("audio"))
    links = [each["href"] for each in found.find_all("a")]
    assert links == ["a.mp3", "b.mp4", "c.wav", "d.bin"]


def test_the_timeline_shows_each_session_with_its_pauses(tmp_path: Path) -> None:
    pause = rec.Interval(NOW + 2 * SECOND, NOW + 4 * SECOND)
    later = build_session(start=15, end=20)
    whole, held, second = find_spans(build_page(tmp_path, build_session(pause), later))
    assert (whole["class"], whole["x"], whole["width"]) == ("recorded", "0.00%", "50.00%")
    assert (held["class"], held["x"], held["width"]) == ("pause", "10.00%", "10.00%")
    assert (second["class"], second["x"], second["width"]) == ("recorded", "75.00%", "25.00%")


def test_the_axis_ends_at_a_mark_after_the_last_recording(tmp_path: Path) -> None:
    found = Page(build_page(tmp_path, build_session(end=4.6)))
    marks = [each for each in found.find_all("text") if "x" in each]
    assert [marks[0]["x"], marks[-1]["x"]] == ["0.00%", "100.00%"]
    assert "4.5\N{NO-BREAK SPACE}s5\N{NO-BREAK SPACE}s" in found.text
    [whole] = find_spans(build_page(tmp_path, build_session(end=4.6)))
    assert whole["width"] == "92.00%"


def test_the_timeline_ignores_the_vendors_whole_seconds(tmp_path: Path) -> None:
    """A vendor's rounded stop time may be earlier than our resume."""
    pause = rec.Interval(NOW + 2 * SECOND, NOW + 4 * SECOND)
    late = build_session(pause, end=5, started_at=NOW + SECOND, stopped_at=NOW + 3 * SECOND)
    whole, held = find_spans(build_page(tmp_path, late))
    assert (whole["x"], whole["width"]) == ("0.00%", "100.00%")
    assert (held["x"], held["width"]) == ("40.00%", "40.00%")


def test_a_session_without_an_end_is_named_but_not_drawn(tmp_path: Path) -> None:
    html = build_page(tmp_path, build_session(end=None))
    assert find_spans(html) == []
    assert "conference" in Page(html).text


def test_files_of_one_recording_share_one_title(tmp_path: Path) -> None:
    both = tuple(write_copy(tmp_path, f"{each}.wav", "wav", rec.FileRole.LEG) for each in "ab")
    text = " ".join(Page(build_page(tmp_path, build_session(), copies=both)).text.split())
    assert text.count("The conference recorded here") == 1
    assert "The conference recorded here 2 files" in text


def test_a_duration_of_0_is_shown_as_under_1_second(tmp_path: Path) -> None:
    copy = write_copy(tmp_path, "a.wav", "wav")
    short = evolve(copy, file=evolve(copy.file, duration=0 * SECOND))
    text = build_page(tmp_path, build_session(), copies=(short,))
    assert "under\N{NO-BREAK SPACE}1\N{NO-BREAK SPACE}s" in text
    assert "<audio" not in text  # a player would show 0:00


def test_the_report_shows_partial_counts_and_totals(tmp_path: Path) -> None:
    sizes = {"audian": (1000, None), "plivo": (2000, 4000)}
    rows = rec.rows(
        rec.Recording(
            provider,
            "default",
            f"R{size}",
            status=rec.RecordingStatus.AVAILABLE,
            size=size,
        )
        for provider, both in sizes.items()
        for size in both
    )
    window = ReportWindow(None, None, "UTC", NOW)
    report = build_report(
        CollectedRows(pa.table(rows), ()),
        window,
        ("provider",),
        expiring=SECOND,
        prices=Prices({}),
        engine="duckdb",
    )
    table = build_page(tmp_path, report=report).partition('<table class="figures">')[2]
    cells = [
        [re.sub("<[^>]*>", "", cell).strip() for cell in re.split("</t[hd]>", row)[:-1]]
        for row in table.partition("</table>")[0].split("</tr>")[:-1]
    ]
    kilo = "\N{NO-BREAK SPACE}kB"
    assert cells == [
        ["Provider", "Recordings as bars", "Recordings", "Size"],
        ["Audian", "", "2", f"1.0{kilo} of 1"],
        ["Plivo", "", "2", f"6.0{kilo}"],
        ["Total", "", "4", f"7.0{kilo} of 3"],
    ]


def test_the_archive_is_shown_with_its_figures(tmp_path: Path) -> None:
    figures = ArchiveFigures(182, 215, 2_000_000, killed_after=40, garbage=1, ok=True)
    text = " ".join(Page(build_page(tmp_path, archive=figures)).text.split())
    assert re.search(r"182 recordings ?2.0.MB, each file verified", text)
    assert "was killed after 40 copies, with 1 file half written" in text
    damaged = build_page(tmp_path, archive=evolve(figures, ok=False))
    assert "not all verified" in damaged
    assert "some are missing or changed" in damaged
    assert "alarming" in damaged
    assert "Archived" not in build_page(tmp_path)


def test_violations_are_shown_first(tmp_path: Path) -> None:
    html = build_page(tmp_path, build_session(), violations=["the media becomes available"])
    text = " ".join(Page(html).text.split())
    assert text.index("the media becomes available") < text.index("Requirements met")
    assert "7 of 8" in text
    assert 'role="alert"' not in build_page(tmp_path, build_session())


def test_a_run_without_recordings_has_no_timeline(tmp_path: Path) -> None:
    found = Page(build_page(tmp_path, violations=["Plivo call: vendor start: no such call"]))
    assert "Nothing was recorded." in found.text
    assert "0 sessions" in found.text
    assert found.find_all("ol") == found.find_all("audio") == []
    assert "<b>1</b> session<" in build_page(tmp_path, build_session())


def test_the_matrix_shows_the_installed_vendors(tmp_path: Path) -> None:
    html = build_page(tmp_path, build_session())
    expected = sum(
        info.can(operation, kind)
        for info in rec.providers().values()
        for kind in rec.SessionKind
        for operation in rec.Operation
    )
    assert html.count('class="mid yes"') == expected
    for info in rec.providers().values():
        assert info.label in html
