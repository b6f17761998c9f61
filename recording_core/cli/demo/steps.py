"""What does the demo do? Steps, each the same at every vendor, each holding it to its promises."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import define, field
from rich.console import Console

import recording_core as rec
from recording_core.cli.commands.emulate import emulator_of
from recording_core.cli.commands.providers import matrix_lines
from recording_core.cli.commands.report import show_report
from recording_core.cli.demo.callbacks import Callbacks, calling_back
from recording_core.cli.output.progress import counting, downloading
from recording_core.cli.output.summary import Summary, summarised, summary_lines
from recording_core.cli.output.values import aligned, counted, one_line, padded, size
from recording_core.download.formats import FORMATS
from recording_core.model.enums import LIVE
from recording_core.model.events import build_event

if TYPE_CHECKING:
    from recording_core.reporting.report import Report
    from recording_core.testing import Emulator

__all__ = ["Promises", "run_demo"]

PAST = 45
#: And how many the second account has.
BRANCH = 20
#: How many of them are copied.
NEWEST = 5
PROCESSING = timedelta(milliseconds=300)
#: How long each part of a recording runs, in seconds.
TAKE = 0.4
PATIENCE = timedelta(seconds=30)

INTRODUCTION = """\
Every vendor whose plugin is installed is played by an emulator on this machine, which answers over
real HTTP with its vendor's own words, pages and quirks. What follows is one program that knows no
vendor: it records, waits, downloads, deletes and lists the same way everywhere, and checks what the
library promises as it goes."""


@define
class Promises:
    """What was checked, and what was not as promised."""

    kept: int = 0
    broken: list[str] = field(factory=list)

    def hold(self, truth: bool, promise: str) -> None:
        if truth:
            self.kept += 1
        else:
            self.broken.append(promise)
            click.echo(f"  {click.style('NOT AS PROMISED', fg='red', bold=True)} {promise}")

    @contextmanager
    def within(self, what: str) -> Iterator[None]:
        """An error of one vendor's is a promise broken, and does not end the others' show."""
        try:
            yield
        except rec.RecordingError as error:
            self.hold(False, one_line(f"{what}: {error}"))


@define
class Take:
    """One live session and the recording that is made of it."""

    vendor: Vendor
    session: rec.RecordingSession
    #: the session as `start` returned it
    started: rec.RecordingSession
    #: from the start's being sent to the stop's being answered
    ran: rec.Interval
    did: list[str] = field(factory=list)
    copies: tuple[rec.Copy, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.vendor.label} {self.session.target.kind}"


@define
class Vendor:
    """One emulated vendor, and the library's connection to it."""

    info: rec.ProviderInfo
    emulator: Emulator
    provider: rec.Provider
    #: another account at the same vendor, for the report
    branch: rec.Provider
    takes: list[Take] = field(factory=list)
    #: of its newest past recordings
    copies: tuple[rec.Copy, ...] = ()

    @property
    def label(self) -> str:
        return self.info.label


def run_demo(output: Path | None, *, drop_webhooks: bool = False) -> Promises:
    """All steps, with the copies in `output`, or nowhere in the end."""
    promises = Promises()
    began = datetime.now(UTC)
    with ExitStack() as stack:
        folder = output or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="recordings-"))
        )
        click.echo(textwrap.fill(INTRODUCTION, _width()))
        vendors = open_vendors(stack)
        emulators = [vendor.emulator for vendor in vendors]
        callbacks = stack.enter_context(calling_back(emulators, began, cut_off=drop_webhooks))
        record_live_sessions(vendors, promises)
        download_what_was_recorded(vendors, folder, promises)
        compare_what_was_told(vendors, callbacks, promises)
        delete_what_can_be(vendors, promises)
        show_tables(list_everything(vendors, folder, promises))
        report = report_on_all_accounts(vendors, output or Path(), promises)
        if output is not None:
            write_page(output, vendors, report, promises, began)
    return promises


# -- the steps ------------------------------------------------------------------------------------


def open_vendors(stack: ExitStack) -> list[Vendor]:
    _title(
        1,
        "The vendors",
        f"each with {PAST} past recordings, live sessions, and an account 'branch' with {BRANCH}",
    )
    vendors: list[Vendor] = []
    for info in rec.providers().values():
        if info.emulator is None:
            _line(info.label, "ships no emulator")
            continue
        emulator = stack.enter_context(emulator_of(info, recordings=PAST, processing=PROCESSING))
        settings: dict[str, Any] = {"base_url": emulator.base_url, **emulator.credentials}
        provider = rec.connect(info.name, **settings)
        branch = stack.enter_context(
            emulator_of(info, recordings=BRANCH, processing=PROCESSING, seed=1)
        )
        settings = {"base_url": branch.base_url, "account": "branch", **branch.credentials}
        other = rec.connect(info.name, **settings)
        vendors.append(
            Vendor(info, emulator, stack.enter_context(provider), stack.enter_context(other))
        )
        live = ", ".join(each.kind for each in emulator.sessions)
        _line(info.label, f"{emulator.base_url}  live: {live}")
    if not vendors:
        raise rec.PluginError(
            "no installed provider ships an emulator; install one, such as those of this project"
        )
    return vendors


def record_live_sessions(vendors: list[Vendor], promises: Promises) -> None:
    _title(2, "Record", "start, pause and resume where the vendor can be told so, stop")
    for vendor in vendors:
        for target in vendor.emulator.sessions:
            name = f"{vendor.label} {target.kind}"
            with _watched(f"{name} is recorded"), promises.within(name):
                began = rec.Interval(datetime.now(UTC))
                session = vendor.provider.start(target)
                take = Take(vendor, session, session, began, ["started"])
                vendor.takes.append(take)
                _record(take, promises)
            if vendor.takes and vendor.takes[-1].session.target == target:
                _line(vendor.label, target.kind, ", ".join(vendor.takes[-1].did))


def _record(take: Take, promises: Promises) -> None:
    provider, name = take.vendor.provider, take.name
    promises.hold(take.session.status in LIVE, f"{name}: after start it records")
    if _can(take, rec.Operation.ACTIVE):
        running = provider.active(take.session.target)
        found = running is not None and running.id in (None, take.session.id)
        promises.hold(found, f"{name}: what was started is found active")
        take.did.append("seen active")
    time.sleep(TAKE)
    if _can(take, rec.Operation.PAUSE):
        take.session = provider.pause(take.session)
        promises.hold(
            take.session.status is rec.RecordingStatus.PAUSED, f"{name}: after pause it is paused"
        )
        time.sleep(TAKE / 2)
        take.session = provider.resume(take.session)
        promises.hold(
            take.session.status is rec.RecordingStatus.RECORDING,
            f"{name}: after resume it records",
        )
        take.did += ["paused", "resumed"]
        time.sleep(TAKE / 2)
    else:
        _refused(take, rec.Operation.PAUSE, partial(provider.pause, take.session), promises)
    # A session is a value: any other process can read it and go on.
    again = rec.loads(rec.dumps(take.session), rec.RecordingSession)
    promises.hold(again == take.session, f"{name}: a session survives JSON")
    take.session = provider.stop(again)
    take.ran = rec.Interval(take.ran.start, datetime.now(UTC))
    promises.hold(take.session.status not in LIVE, f"{name}: after stop it does not record")
    take.session = provider.stop(take.session)
    take.did.append("stopped")


def download_what_was_recorded(vendors: list[Vendor], folder: Path, promises: Promises) -> None:
    _title(3, "Download", "wait for the media, fetch it, check size, SHA-256 and format")
    for take in _takes(vendors):
        label, kind = take.vendor.label, take.session.target.kind
        with promises.within(take.name):
            began = time.monotonic()
            with _watched(f"{take.name}: waiting for its media"):
                take.session = take.vendor.provider.wait(take.session, timeout=PATIENCE)
            waited = time.monotonic() - began
            found = take.session.recordings
            available = all(each.status is rec.RecordingStatus.AVAILABLE for each in found)
            promises.hold(available, f"{take.name}: the media becomes available")
            take.copies = _copied(take.vendor, found, folder, promises)
            _line(label, kind, f"waited {waited:.1f} s, {_copies_words(take.copies)}")


def _copied(
    vendor: Vendor, recordings: Sequence[rec.Recording], folder: Path, promises: Promises
) -> tuple[rec.Copy, ...]:
    """Copy recordings under a bar, and hold each copy against what the library says of it."""
    copies: list[rec.Copy] = []
    with downloading(recordings, folder, vendor.label) as arrived:
        for recording in recordings:
            fetched = vendor.provider.download(recording, folder)
            arrived(fetched)
            promises.hold(bool(fetched), f"{vendor.label} {recording.id}: has a file to download")
            copies += fetched
    for copy in copies:
        _compare(copy, promises)
    return tuple(copies)


def _compare(copy: rec.Copy, promises: Promises) -> None:
    content = copy.path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    name = copy.path.name
    promises.hold(digest == copy.sha256, f"{name}: the file has the SHA-256 that was told")
    promises.hold(len(content) == copy.size, f"{name}: the file has the size that was told")
    promises.hold("unverified" not in copy.checks, f"{name}: the copy is proved whole")
    form = FORMATS.get(copy.file.format or "")
    promises.hold(
        form is not None and form.proves(content[:512]),
        f"{name}: the bytes are {copy.file.format}",
    )


def _copies_words(copies: Sequence[rec.Copy]) -> str:
    formats = "+".join(sorted({copy.file.format or "?" for copy in copies}))
    bytes_ = size(sum(copy.size for copy in copies))
    return f"{counted(len(copies), 'file')} ({formats}, {bytes_}), checked"


def compare_what_was_told(vendors: list[Vendor], callbacks: Callbacks, promises: Promises) -> None:
    ways = "cut off: all has to be asked for" if callbacks.cut_off else "or what was asked for"
    _title(4, "Callbacks", f"what each vendor told by itself, signed; {ways}")
    for take in _takes(vendors):
        with promises.within(take.name):
            learned = callbacks.learned(take.vendor.provider, take.vendor.emulator, take.session)
            keys = [each.key for each in learned.events]
            promises.hold(len(keys) == len(set(keys)), f"{take.name}: no fact is announced twice")
            _hold_events(take, learned.events, promises)
            told, asked = (_facts(events) for events in (learned.told, learned.asked))
            _line(
                take.vendor.label,
                take.session.target.kind,
                f"told: {told or 'nothing'}{f'; asked for: {asked}' if asked else ''}",
            )


def _hold_events(take: Take, events: Sequence[rec.RecordingEvent], promises: Promises) -> None:
    """The same events in any order end where asking ended."""
    if take.vendor.info.webhooks is None:
        return
    for each in take.session.recordings:
        fact = build_event(each)
        known = fact is not None and fact.key in {event.key for event in events}
        promises.hold(known, f"{take.name}: that {each.id} is {each.status} is announced")
    for ordered in (events, events[::-1]):
        session = take.started
        for event in ordered:
            session = session.apply(event)
        promises.hold(
            session.status is take.session.status,
            f"{take.name}: its events end in the status that asking ended in",
        )


def _facts(events: Sequence[rec.RecordingEvent]) -> str:
    return ", ".join(dict.fromkeys(each.kind for each in events))


def delete_what_can_be(vendors: list[Vendor], promises: Promises) -> None:
    _title(5, "Delete", "and ask again, to see it gone; the copies stay")
    for take in _takes(vendors):
        label, kind = take.vendor.label, take.session.target.kind
        with promises.within(take.name):
            if not _can(take, rec.Operation.DELETE):
                for recording in take.session.recordings:
                    again = partial(take.vendor.provider.delete, recording)
                    _refused(take, rec.Operation.DELETE, again, promises)
                _line(label, kind, "cannot be told to delete, and nothing was sent")
                continue
            for recording in take.session.recordings:
                take.vendor.provider.delete(recording)
                promises.hold(_is_gone(take, recording), f"{take.name}: what is deleted is gone")
            kept = all(copy.path.exists() for copy in take.copies)
            promises.hold(kept, f"{take.name}: the copies outlive the deletion")
            _line(label, kind, "deleted, and gone when asked again")


def _is_gone(take: Take, recording: rec.Recording) -> bool:
    try:
        again = take.vendor.provider.get(recording)
    except rec.NotFound:
        return True
    return again.status is rec.RecordingStatus.DELETED


def list_everything(vendors: list[Vendor], folder: Path, promises: Promises) -> list[Summary]:
    _title(6, "List", f"everything each vendor has, each once; and copy the newest {NEWEST}")
    summaries: list[Summary] = []
    for vendor in vendors:
        with promises.within(vendor.label):
            began = time.monotonic()
            with _watched(f"{vendor.label} is listed"):
                listing = vendor.provider.list()
                found = tuple(listing)
            took = time.monotonic() - began
            ids = [each.id for each in found]
            promises.hold(len(ids) == len(set(ids)), f"{vendor.label}: each recording comes once")
            promises.hold(
                set(ids) == set(vendor.emulator.listed()),
                f"{vendor.label}: the listing has what the vendor has",
            )
            promises.hold(listing.coverage.complete, f"{vendor.label}: the listing is complete")
            summaries.append(summarised(vendor.label, found, listing.coverage))
            pages = counted(listing.coverage.pages, "page")
            _line(
                vendor.label, f"{counted(len(found), 'recording')} in {pages}, {took * 1000:.0f} ms"
            )
            newest = [each for each in found if _can_be_copied(each)][:NEWEST]
            vendor.copies = _copied(vendor, newest, folder, promises)
            _line("", _copies_words(vendor.copies))
    return summaries


def _can_be_copied(recording: rec.Recording) -> bool:
    return recording.status is rec.RecordingStatus.AVAILABLE and bool(recording.files)


def show_tables(summaries: list[Summary]) -> None:
    _title(7, "What each vendor can be told")
    for line in matrix_lines(indent=2):
        click.echo(line)
    _title(8, "What there is, and what is not to be had")
    heading, *lines = summary_lines(summaries, width=_width() - 2)
    click.secho(f"  {heading}", bold=True)
    for line in lines:
        for each in line.splitlines():
            click.echo(f"  {each}")


def report_on_all_accounts(
    vendors: list[Vendor], folder: Path, promises: Promises
) -> Report | None:
    _title(9, "The report", "every account of every vendor in one view")
    accounts = [each for vendor in vendors for each in (vendor.provider, vendor.branch)]
    report: Report | None = None
    with promises.within("report"):
        found = rec.report(accounts=accounts, by=("provider", "account"))
        promises.hold(found.complete, "report: all of every account was seen")
        promises.hold(len(found.rows) == len(accounts), "report: each account has its row")
        there = sum(len(vendor.emulator.listed()) + BRANCH for vendor in vendors)
        counted_ = found.totals["recordings"]
        promises.hold(counted_ == there, f"report: it counts the {there} recordings that there are")
        show_report(found, Console(width=_width(), highlight=False))
        page = folder / "report.html"
        found.to_html(page)
        promises.hold(page.stat().st_size > 0, "report: the page is written")
        click.echo(f"\nAs a page that opens from disk: {page}")
        report = found
    return report


def write_page(
    folder: Path,
    vendors: list[Vendor],
    report: Report | None,
    promises: Promises,
    began: datetime,
) -> None:
    """All of it as one page, beside the copies."""
    from recording_core.cli.demo.page import Taken, demo_page

    now = datetime.now(UTC)
    ours = {copy.recording_id for take in _takes(vendors) for copy in take.copies}
    html = demo_page(
        folder,
        taken=[
            Taken(take.vendor.label, take.session, take.ran, tuple(take.did), take.copies)
            for take in _takes(vendors)
        ],
        newest=[
            (vendor.label, [each for each in vendor.copies if each.recording_id not in ours])
            for vendor in vendors
        ],
        report=report,
        kept=promises.kept,
        broken=promises.broken,
        took=now - began,
        made=now,
    )
    (folder / "index.html").write_text(html, encoding="utf-8")


# -- words and small things -----------------------------------------------------------------------


def _takes(vendors: list[Vendor]) -> Iterator[Take]:
    for vendor in vendors:
        yield from vendor.takes


def _can(take: Take, operation: rec.Operation) -> bool:
    return take.vendor.provider.can(operation, take.session.target.kind)


def _refused(
    take: Take, operation: rec.Operation, attempt: Callable[[], object], promises: Promises
) -> None:
    """What cannot be said to a vendor raises before anything is sent."""
    seen = len(take.vendor.emulator.journal)
    try:
        attempt()
        unsent = False
    except rec.UnsupportedOperation:
        unsent = len(take.vendor.emulator.journal) == seen
    promises.hold(unsent, f"{take.name}: {operation} is refused before anything is sent")


def _watched(words: str) -> AbstractContextManager[object]:
    """What is being waited for, while somebody watches."""
    return counting(words) if sys.stderr.isatty() else nullcontext()


def _title(number: int, title: str, more: str = "") -> None:
    click.echo()
    head = click.style(f"{number}. {title}", bold=True)
    click.echo(f"{head}: {more}" if more else head)


def _line(label: str, *cells: str) -> None:
    """A vendor, perhaps a kind, and what happened."""
    columns = [padded(label, 11), *(padded(cell, 10) for cell in cells[:-1]), cells[-1]]
    for line in aligned([columns], indent=2, width=_width()):
        click.echo(line)


def _width() -> int:
    """What lines are wrapped to: the terminal, within reason."""
    return min(max(shutil.get_terminal_size((100, 24)).columns, 80), 120)
