"""Does the demo's page hold what it shows, escaped, with a player for each audio file?"""

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
from recording_core.cli.demo.page import Taken, demo_page
from recording_core.reporting.collect.selection import Collection, ReportWindow
from recording_core.reporting.compute.prices import Prices
from recording_core.reporting.report import measured

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'&<img src=https://e.test/x>"
SECOND = timedelta(seconds=1)


class Page(HTMLParser):
    """Its tags with their attributes, its style, and its text."""

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

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def copied(folder: Path, name: str, format: str, role: rec.FileRole = rec.FileRole.MIX) -> rec.Copy:
    path = folder / name
    path.write_bytes(b"RIFF")
    file = rec.MediaFile(name, role, format, duration=2 * SECOND, participant=HOSTILE)
    return rec.Copy("plivo", "default", "R1", file, path, 4, "0" * 64, ("size",), NOW)


def ran(
    *pauses: rec.Interval, start: float = 0, end: float | None = 10, **told: Any
) -> tuple[rec.RecordingSession, rec.Interval]:
    """A session, and the seconds from when to when it ran."""
    session = rec.RecordingSession(
        "plivo", "default", "S1", rec.conference("standup"), pauses=pauses, **told
    )
    return session, rec.Interval(NOW + start * SECOND, None if end is None else NOW + end * SECOND)


def page(folder: Path, *sessions: tuple[rec.RecordingSession, rec.Interval], **more: Any) -> str:
    made = [Taken("Plivo", *each, ("started",), more.get("copies", ())) for each in sessions]
    return demo_page(
        folder,
        taken=made,
        newest=more.get("newest", ()),
        report=more.get("report"),
        kept=7,
        broken=more.get("broken", ()),
        took=12 * SECOND,
        made=NOW,
    )


def lanes(html: str) -> list[dict[str, str | None]]:
    found = Page(html).all("rect")
    return [each for each in found if each.get("class") in ("take", "pause") and "x" in each]


def test_it_fetches_nothing_and_runs_nothing(tmp_path: Path) -> None:
    found = Page(page(tmp_path, ran(), copies=(copied(tmp_path, "a.wav", "wav"),)))
    style = b64encode(sha256(found.style.encode()).digest()).decode()
    [policy] = [each for each in found.all("meta") if "http-equiv" in each]
    said = str(policy["content"])
    assert said.startswith(
        f"default-src 'none'; style-src 'sha256-{style}'; media-src 'self' file:"
    )
    assert "http" not in said
    assert "unsafe" not in said
    for tag, attributes in found.tags:
        assert tag not in ("script", "link", "iframe", "img", "object", "embed")
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        for name in ("src", "href", "srcset", "action", "poster"):
            assert "://" not in (attributes.get(name) or "")
    for foreign in ("@import", "url(", "expression"):
        assert foreign not in found.style


def test_what_a_vendor_or_a_path_says_is_escaped(tmp_path: Path) -> None:
    copies = (copied(tmp_path, "a ?#<b>.wav", "wav"),)
    html = page(tmp_path, ran(), copies=copies, broken=[HOSTILE], newest=[(HOSTILE, copies)])
    assert "<script" not in html
    assert "<img" not in html
    assert HOSTILE in Page(html).text
    for player in Page(html).all("audio"):
        address = str(player["src"])
        assert not set("?# <") & set(address)
        assert (tmp_path / unquote(address)).is_file()


def test_each_audio_file_has_a_player_and_no_other_has(tmp_path: Path) -> None:
    made = (copied(tmp_path, "a.mp3", "mp3"), copied(tmp_path, "b.mp4", "mp4", rec.FileRole.VIDEO))
    past = [("Plivo", (copied(tmp_path, "c.wav", "wav"), copied(tmp_path, "d.bin", "new")))]
    found = Page(page(tmp_path, ran(), copies=made, newest=past))
    assert [each["src"] for each in found.all("audio")] == ["a.mp3", "c.wav"]
    assert all("controls" in each for each in found.all("audio"))
    links = [each["href"] for each in found.all("a")]
    assert links == ["a.mp3", "b.mp4", "c.wav", "d.bin"]


def test_the_timeline_shows_each_session_with_its_pauses(tmp_path: Path) -> None:
    pause = rec.Interval(NOW + 2 * SECOND, NOW + 4 * SECOND)
    later = ran(start=15, end=20)
    whole, held, second = lanes(page(tmp_path, ran(pause), later))
    assert (whole["class"], whole["x"], whole["width"]) == ("take", "0.00%", "50.00%")
    assert (held["class"], held["x"], held["width"]) == ("pause", "10.00%", "10.00%")
    assert (second["class"], second["x"], second["width"]) == ("take", "75.00%", "25.00%")


def test_the_axis_ends_in_a_mark_after_all_that_was_recorded(tmp_path: Path) -> None:
    found = Page(page(tmp_path, ran(end=4.6)))
    marks = [each for each in found.all("text") if "x" in each]
    assert [marks[0]["x"], marks[-1]["x"]] == ["0.00%", "100.00%"]
    assert "4.5\N{NO-BREAK SPACE}s5\N{NO-BREAK SPACE}s" in found.text
    [whole] = lanes(page(tmp_path, ran(end=4.6)))
    assert whole["width"] == "92.00%"


def test_a_vendor_that_tells_whole_seconds_moves_nothing(tmp_path: Path) -> None:
    """Its stop may lie before our own resume."""
    pause = rec.Interval(NOW + 2 * SECOND, NOW + 4 * SECOND)
    late = ran(pause, end=5, started_at=NOW + SECOND, stopped_at=NOW + 3 * SECOND)
    whole, held = lanes(page(tmp_path, late))
    assert (whole["x"], whole["width"]) == ("0.00%", "100.00%")
    assert (held["x"], held["width"]) == ("40.00%", "40.00%")


def test_a_session_whose_stop_nobody_answered_is_named_and_not_drawn(tmp_path: Path) -> None:
    html = page(tmp_path, ran(end=None))
    assert lanes(html) == []
    assert "conference" in Page(html).text


def test_files_of_one_recording_stand_under_one_title(tmp_path: Path) -> None:
    both = tuple(copied(tmp_path, f"{each}.wav", "wav", rec.FileRole.LEG) for each in "ab")
    text = " ".join(Page(page(tmp_path, ran(), copies=both)).text.split())
    assert text.count("The conference recorded here") == 1
    assert "The conference recorded here 2 files" in text


def test_a_length_of_which_only_whole_seconds_are_told_is_not_called_0(tmp_path: Path) -> None:
    copy = copied(tmp_path, "a.wav", "wav")
    short = evolve(copy, file=evolve(copy.file, duration=0 * SECOND))
    assert "under\N{NO-BREAK SPACE}1\N{NO-BREAK SPACE}s" in page(tmp_path, ran(), copies=(short,))


def test_the_report_says_of_how_many_a_figure_is_and_sums_up(tmp_path: Path) -> None:
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
    report = measured(
        Collection(pa.table(rows), ()),
        window,
        ("provider",),
        expiring=SECOND,
        prices=Prices({}),
        engine="duckdb",
    )
    table = page(tmp_path, report=report).partition('<table class="figures">')[2]
    cells = [
        [re.sub("<[^>]*>", "", cell).strip() for cell in re.split("</t[hd]>", row)[:-1]]
        for row in table.partition("</table>")[0].split("</tr>")[:-1]
    ]
    kilo = "\N{NO-BREAK SPACE}kB"
    assert cells == [
        ["Provider", "Recordings, drawn", "Recordings", "Size"],
        ["Audian", "", "2", f"1.0{kilo} of 1"],
        ["Plivo", "", "2", f"6.0{kilo}"],
        ["Together", "", "4", f"7.0{kilo} of 3"],
    ]


def test_a_promise_that_was_not_kept_comes_first(tmp_path: Path) -> None:
    html = page(tmp_path, ran(), broken=["the media becomes available"])
    text = " ".join(Page(html).text.split())
    assert text.index("the media becomes available") < text.index("Promises kept")
    assert "7 of 8" in text
    assert 'role="alert"' not in page(tmp_path, ran())


def test_a_run_in_which_nothing_was_recorded_says_so_and_draws_nothing(tmp_path: Path) -> None:
    found = Page(page(tmp_path, broken=["Plivo call: vendor start: no such call"]))
    assert "Nothing was recorded." in found.text
    assert "0 sessions" in found.text
    assert found.all("ol") == found.all("audio") == []
    assert "<b>1</b> session<" in page(tmp_path, ran())


def test_the_matrix_is_that_of_the_installed_vendors(tmp_path: Path) -> None:
    html = page(tmp_path, ran())
    expected = sum(
        info.can(operation, kind)
        for info in rec.providers().values()
        for kind in rec.SessionKind
        for operation in rec.Operation
    )
    assert html.count('class="mid yes"') == expected
    for info in rec.providers().values():
        assert info.label in html
