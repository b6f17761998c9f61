"""Does the demo's page hold what it shows, escaped, with a player for each audio file?"""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

import recording_core as rec
from recording_core.cli.demo_page import Taken, demo_page

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


def session(*pauses: rec.Interval, **times: Any) -> rec.RecordingSession:
    times = {"started_at": NOW, "stopped_at": NOW + 10 * SECOND, **times}
    return rec.RecordingSession(
        "plivo", "default", "S1", rec.conference("standup"), pauses=pauses, **times
    )


def page(folder: Path, *sessions: rec.RecordingSession, **more: Any) -> str:
    made = [Taken("Plivo", each, ("started",), more.get("copies", ())) for each in sessions]
    return demo_page(
        folder,
        taken=made,
        newest=more.get("newest", ()),
        report=None,
        kept=7,
        broken=more.get("broken", ()),
        took=12 * SECOND,
        made=NOW,
    )


def lanes(html: str) -> list[dict[str, str | None]]:
    found = Page(html).all("rect")
    return [each for each in found if each.get("class") in ("take", "pause") and "x" in each]


def test_it_fetches_nothing_and_runs_nothing(tmp_path: Path) -> None:
    found = Page(page(tmp_path, session(), copies=(copied(tmp_path, "a.wav", "wav"),)))
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
    html = page(tmp_path, session(), copies=copies, broken=[HOSTILE], newest=[(HOSTILE, copies)])
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
    found = Page(page(tmp_path, session(), copies=made, newest=past))
    assert [each["src"] for each in found.all("audio")] == ["a.mp3", "c.wav"]
    assert all("controls" in each for each in found.all("audio"))
    links = [each["href"] for each in found.all("a")]
    assert links == ["a.mp3", "b.mp4", "c.wav", "d.bin"]


def test_the_timeline_shows_each_session_with_its_pauses(tmp_path: Path) -> None:
    pause = rec.Interval(NOW + 2 * SECOND, NOW + 4 * SECOND)
    later = session(started_at=NOW + 15 * SECOND, stopped_at=NOW + 20 * SECOND)
    whole, held, second = lanes(page(tmp_path, session(pause), later))
    assert (whole["class"], whole["x"], whole["width"]) == ("take", "0.00%", "50.00%")
    assert (held["class"], held["x"], held["width"]) == ("pause", "10.00%", "10.00%")
    assert (second["class"], second["x"], second["width"]) == ("take", "75.00%", "25.00%")


@pytest.mark.parametrize("stopped", [timedelta(0), 3 * SECOND])
def test_a_vendor_that_tells_whole_seconds_hides_no_pause(
    tmp_path: Path, stopped: timedelta
) -> None:
    """Its stop may lie before our own resume."""
    pause = rec.Interval(NOW + 2 * SECOND, NOW + 4 * SECOND)
    whole, held = lanes(page(tmp_path, session(pause, stopped_at=NOW + stopped)))
    assert (whole["x"], whole["width"]) == ("0.00%", "100.00%")
    assert (held["x"], held["width"]) == ("50.00%", "50.00%")


def test_a_session_without_times_is_named_and_not_drawn(tmp_path: Path) -> None:
    html = page(tmp_path, session(started_at=None, stopped_at=None))
    assert lanes(html) == []
    assert "conference" in Page(html).text


def test_a_promise_that_was_not_kept_comes_first(tmp_path: Path) -> None:
    html = page(tmp_path, session(), broken=["the media becomes available"])
    text = " ".join(Page(html).text.split())
    assert text.index("the media becomes available") < text.index("Promises kept")
    assert "7 of 8" in text
    assert 'role="alert"' not in page(tmp_path, session())


def test_the_matrix_is_that_of_the_installed_vendors(tmp_path: Path) -> None:
    html = page(tmp_path, session())
    expected = sum(
        info.can(operation, kind)
        for info in rec.providers().values()
        for kind in rec.SessionKind
        for operation in rec.Operation
    )
    assert html.count('class="mid yes"') == expected
    for info in rec.providers().values():
        assert info.label in html
