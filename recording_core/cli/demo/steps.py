"""Demo steps: what the demo does at every vendor, and the requirements that it checks."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click
from attrs import define, field

import recording_core as rec
from recording_core.cli.commands.emulate import build_emulator
from recording_core.cli.commands.report import show_report
from recording_core.cli.demo.archive_steps import PERIOD, ArchiveFigures, show_archive
from recording_core.cli.demo.page import TimelineEntry, build_demo_page
from recording_core.cli.output.matrix import write_matrix
from recording_core.cli.output.output import get_width, write_grid
from recording_core.cli.output.progress import show_download_progress, show_status
from recording_core.cli.output.summary import VendorListing, write_summary
from recording_core.cli.output.values import sanitize_line
from recording_core.cli.serving import serve_receivers
from recording_core.download.lengths import can_read_length
from recording_core.model.enums import LIVE
from recording_core.reporting.number_format import format_count, format_size
from recording_core.storage.folder import write_file

if TYPE_CHECKING:
    from recording_core.reporting.report import Report
    from recording_core.testing import Emulator

#: The number of past recordings of each vendor.
PAST = 45
#: The number of past recordings of the second account.
BRANCH = 20
#: The number of past recordings that are downloaded per vendor.
NEWEST = 5
PROCESSING = timedelta(milliseconds=300)
#: How long a session is recorded before its pause, in seconds: players show whole seconds.
FIRST_PART_SECONDS = 1.05
#: The duration of the pause, and of the part after it, in seconds.
PART_SECONDS = 0.2
#: How long to wait for media.
TIMEOUT = timedelta(seconds=30)
#: How long to wait for an emulator to send the webhooks that are due, in seconds.
DELIVERY_TIMEOUT = 10.0

INTRODUCTION = """\
Every installed vendor is emulated on this machine, over real HTTP, with its own fields, pages and
quirks. The demo has no vendor-specific code: it records, waits, downloads, deletes and lists in the
same way at every vendor, and checks the library's requirements."""
DELIVERED = "signed events from each vendor; missing ones come from reconciliation"
DROPPED = "none are delivered, so every event comes from reconciliation with the listing"


@define
class Requirements:
    """The number of requirements that were met, and those that were not."""

    passed: int = 0
    violations: list[str] = field(factory=list)

    def check(self, condition: bool, requirement: str) -> None:
        """Count a requirement; print it if the condition is False."""
        if condition:
            self.passed += 1
        else:
            self.violations.append(requirement)
            mark = click.style("REQUIREMENT NOT MET", fg="red", bold=True)
            click.echo(f"  {mark} {requirement}")

    @contextmanager
    def catch_errors(self, name: str) -> Iterator[None]:
        """Count an error at one vendor as a violation, so that the demo goes on with the others."""
        try:
            yield
        except rec.RecordingError as error:
            self.check(False, sanitize_line(f"{name}: {error}"))


@define
class DemoVendor:
    """An emulated vendor, the library's connections to it, and what was recorded."""

    #: the vendor's name for people
    label: str
    emulator: Emulator
    provider: rec.Provider
    #: a second account at the same vendor, for the report
    branch: rec.Provider
    sessions: list[TimelineEntry] = field(factory=list)
    #: the copies of its newest past recordings
    copies: tuple[rec.Copy, ...] = ()


def run_demo(output: Path | None, *, drop_webhooks: bool = False) -> Requirements:
    """Run all steps; the copies stay in `output`, or are removed at the end if it is None."""
    with ExitStack() as stack:
        folder = output or Path(stack.enter_context(TemporaryDirectory(prefix="recordings-")))
        demo = Demo(stack, folder, drop_webhooks)
        click.echo(textwrap.fill(INTRODUCTION, min(get_width(), 100)))
        subtitle = (
            f"{PAST} past recordings and live sessions each, and {BRANCH} in a second account"
        )
        _print_title(1, "Vendors", subtitle)
        demo.start_vendors()
        demo.receive_webhooks()
        _print_title(2, "Record", "start, pause and resume if the vendor supports it, stop")
        demo.record_sessions()
        subtitle = "wait for the media, download it, check size, SHA-256 and format"
        _print_title(3, "Download", subtitle)
        demo.apply_to_sessions(demo.download_session)
        _print_title(4, "Webhooks", DROPPED if drop_webhooks else DELIVERED)
        demo.apply_to_sessions(demo.collect_events)
        _print_title(5, "Delete", "delete at the vendor, then request again; the copies stay")
        demo.apply_to_sessions(demo.delete_recordings)
        subtitle = f"all recordings of each vendor, each once; download the newest {NEWEST}"
        _print_title(6, "List", subtitle)
        listings = demo.list_recordings()
        _print_title(7, "Operations that each vendor supports")
        write_matrix(indent=2)
        _print_title(8, "Recordings of each vendor, and why media is missing")
        write_summary(listings, indent=2)
        _print_title(9, "Report", "all accounts of all vendors in one table")
        report = demo.report_all_accounts(output or Path())
        subtitle = f"copy the last {PERIOD.days} days, kill it in the middle, go on, verify, report"
        _print_title(10, "Archive", subtitle)
        demo.archive_all_vendors()
        if output is not None:
            demo.write_page(report)
        return demo.requirements


@define
class Demo:
    """A run of the demo: its vendors, and what was received and checked."""

    stack: ExitStack
    #: the directory of the copies
    folder: Path
    #: whether no webhook is delivered
    drop_webhooks: bool
    began: datetime = field(factory=lambda: datetime.now(UTC))
    requirements: Requirements = field(factory=Requirements)
    vendors: list[DemoVendor] = field(factory=list)
    receivers: dict[str, rec.Receiver] = field(factory=dict)
    archive: ArchiveFigures | None = None
    #: the events of the webhooks that arrived
    events: list[rec.RecordingEvent] = field(factory=list)

    def start_vendors(self) -> None:
        """Start an emulator and a second account for each vendor."""
        for info in rec.providers().values():
            if info.emulator is None:
                _print_line(info.label, "has no emulator")
                continue
            emulator, provider = self._start_account(info, "default", PAST, seed=0)
            _, branch = self._start_account(info, "branch", BRANCH, seed=1)
            self.vendors.append(DemoVendor(info.label, emulator, provider, branch))
            kinds = ", ".join(each.kind for each in emulator.sessions)
            _print_line(info.label, emulator.base_url, f"live: {kinds}")
        if not self.vendors:
            raise rec.PluginError(
                "No installed provider has an emulator: install a provider with an emulator"
            )

    def _start_account(
        self, info: rec.ProviderInfo, account: str, recordings: int, seed: int
    ) -> tuple[Emulator, rec.Provider]:
        emulator = build_emulator(info, recordings=recordings, processing=PROCESSING, seed=seed)
        self.stack.enter_context(emulator)
        settings: dict[str, Any] = {"base_url": emulator.base_url, **emulator.credentials}
        connection = rec.connect(info.name, account=account, **settings)
        return emulator, self.stack.enter_context(connection)

    def receive_webhooks(self) -> None:
        """Receive the emulators' webhooks on loopback, unless `drop_webhooks` is set."""
        vendors = {each.provider.name: each for each in self.vendors if each.provider.info.webhooks}
        for name, vendor in vendors.items():
            keys: dict[str, Any] = dict(vendor.emulator.webhooks)
            self.receivers[name] = rec.receiver(name, **keys)
            self.receivers[name].listen(self.events.append)
        if vendors and not self.drop_webhooks:
            paths = {f"/{name}": receiver for name, receiver in self.receivers.items()}
            address = self.stack.enter_context(serve_receivers(paths))
            for name, vendor in vendors.items():
                vendor.emulator.deliver_to(f"{address}/{name}")

    def record_sessions(self) -> None:
        """Record every live session of every vendor."""
        for vendor in self.vendors:
            for target in vendor.emulator.sessions:
                name = f"{vendor.label} {target.kind}"
                with self.requirements.catch_errors(name):
                    with show_status(f"Recording {name}"):
                        recorded = _record(vendor, target)
                    _print_line(vendor.label, target.kind, ", ".join(recorded.actions))
                    can_stop = vendor.provider.can(rec.Operation.STOP, target.kind)
                    is_stopped = recorded.session.status not in LIVE or not can_stop
                    self.requirements.check(is_stopped, f"{name}: the recording is stopped")

    def apply_to_sessions(self, act: Callable[[DemoVendor, TimelineEntry], str]) -> None:
        """Call `act` for each recorded session and print the description that it returns."""
        for vendor in self.vendors:
            for recorded in vendor.sessions:
                kind = recorded.session.target.kind
                with self.requirements.catch_errors(f"{vendor.label} {kind}"):
                    _print_line(vendor.label, kind, act(vendor, recorded))

    def download_session(self, vendor: DemoVendor, recorded: TimelineEntry) -> str:
        """Wait for the recordings of a session and download them."""
        began = time.monotonic()
        with show_status(f"{vendor.label}: waiting for the media"):
            recorded.session = vendor.provider.wait(recorded.session, timeout=TIMEOUT)
        waited = time.monotonic() - began
        recordings = recorded.session.recordings
        self.requirements.check(bool(recordings), f"{vendor.label}: the session has a recording")
        recorded.copies = self._download(vendor, recordings)
        return f"waited {waited:.1f} s, {_describe_copies(recorded.copies)}"

    def _download(
        self, vendor: DemoVendor, recordings: Sequence[rec.Recording]
    ) -> tuple[rec.Copy, ...]:
        """Download recordings with a progress bar and check that every copy is verified."""
        found: list[rec.Copy] = []
        with show_download_progress(recordings, self.folder, vendor.label) as add_copies:
            for each in recordings:
                copies = vendor.provider.download(each, self.folder)
                add_copies(copies)
                # Without the extra `media`, a duration that was not compared is a doubt.
                verified = bool(copies) and all(
                    copy.verified or not can_read_length(copy.path.suffix.removeprefix("."))
                    for copy in copies
                )
                self.requirements.check(verified, f"{vendor.label} {each.id}: the copy is verified")
                found += copies
        return tuple(found)

    def collect_events(self, vendor: DemoVendor, recorded: TimelineEntry) -> str:
        """Wait for the webhooks that are due, and reconcile the events that did not arrive."""
        receiver = self.receivers.get(vendor.provider.name)
        if receiver is None:
            return "delivered: none"
        if not self.drop_webhooks:
            vendor.emulator.wait_for_deliveries(DELIVERY_TIMEOUT)
        ids = {each.id for each in recorded.session.recordings}
        delivered = [each for each in self.events if each.recording_id in ids]
        # One minute earlier, because the vendor's clock may differ.
        since = self.began - timedelta(minutes=1)
        found = receiver.reconcile(vendor.provider, since=since, target=recorded.session.target)
        reconciled = [each for each in found if each.recording_id in ids]
        has_events = ids == {each.recording_id for each in (*delivered, *reconciled)}
        self.requirements.check(has_events, f"{vendor.label}: each recording has an event")
        words = f"delivered: {_list_kinds(delivered) or 'none'}"
        return f"{words}; reconciled: {_list_kinds(reconciled)}" if reconciled else words

    def delete_recordings(self, vendor: DemoVendor, recorded: TimelineEntry) -> str:
        """Delete the recordings of a session if the vendor supports it."""
        if not vendor.provider.can(rec.Operation.DELETE, recorded.session.target.kind):
            return "not supported; no request was sent"
        for each in recorded.session.recordings:
            vendor.provider.delete(each)
            is_deleted = _is_deleted(vendor.provider, each)
            self.requirements.check(is_deleted, f"{vendor.label} {each.id}: it is deleted")
        return "deleted; a second request confirms it"

    def list_recordings(self) -> list[VendorListing]:
        """List all recordings of every vendor and download the newest ones."""
        listings: list[VendorListing] = []
        for vendor in self.vendors:
            label = vendor.label
            with self.requirements.catch_errors(label):
                began = time.monotonic()
                with show_status(f"Listing {label}"):
                    listing = vendor.provider.list()
                    recordings = tuple(listing)
                milliseconds = (time.monotonic() - began) * 1000
                coverage = listing.coverage
                self.requirements.check(coverage.complete, f"{label}: the listing is complete")
                listings.append(VendorListing(label, recordings, coverage))
                seen = format_count(len(recordings), "recording")
                pages = format_count(coverage.pages, "page")
                _print_line(label, f"{seen} in {pages}, {milliseconds:.0f} ms")
                available = rec.RecordingStatus.AVAILABLE
                newest = [each for each in recordings if each.status is available and each.files]
                vendor.copies = self._download(vendor, newest[:NEWEST])
                _print_line("", _describe_copies(vendor.copies))
        return listings

    def report_all_accounts(self, folder: Path) -> Report | None:
        """Print a report on all accounts and write it as a page into `folder`."""
        accounts = [each for vendor in self.vendors for each in (vendor.provider, vendor.branch)]
        found: Report | None = None
        with self.requirements.catch_errors("report"):
            found = rec.report(accounts=accounts, by=("provider", "account"))
            self.requirements.check(found.complete, "report: all accounts were listed completely")
            show_report(found)
            found.to_html(folder / "report.html")
            click.echo(f"\nThe report as a page: {folder / 'report.html'}")
        return found

    def archive_all_vendors(self) -> None:
        """Copy all vendors' recordings into an archive, and report from it."""
        with self.requirements.catch_errors("archive"):
            folder = self.folder / "archive"
            self.archive, found = show_archive(folder, self.vendors, self.requirements, _print_line)
            click.echo()
            show_report(found)

    def write_page(self, report: Report | None) -> None:
        """Write all results as one page into the folder of the copies."""
        now = datetime.now(UTC)
        entries = [each for vendor in self.vendors for each in vendor.sessions]
        recorded_here = {copy.recording_id for each in entries for copy in each.copies}
        past_copies = [
            (each.label, [copy for copy in each.copies if copy.recording_id not in recorded_here])
            for each in self.vendors
        ]
        html = build_demo_page(
            self.folder,
            entries=entries,
            past_copies=past_copies,
            report=report,
            archive=self.archive,
            passed=self.requirements.passed,
            violations=self.requirements.violations,
            duration=now - self.began,
            created_at=now,
        )
        write_file(self.folder / "index.html", html.encode())


def _record(vendor: DemoVendor, target: rec.CommunicationSession) -> TimelineEntry:
    provider, began = vendor.provider, datetime.now(UTC)
    session = vendor.emulator.begin_session(provider, target)
    recorded = TimelineEntry(vendor.label, session, rec.Interval(began), ["started"])
    if not provider.can(rec.Operation.START, target.kind):
        recorded.actions = ["started by the vendor"]
    vendor.sessions.append(recorded)
    if provider.can(rec.Operation.ACTIVE, target.kind) and provider.active(target):
        recorded.actions.append("found active")
    time.sleep(FIRST_PART_SECONDS)
    if provider.can(rec.Operation.PAUSE, target.kind):
        recorded.session = provider.pause(recorded.session)
        time.sleep(PART_SECONDS)
        recorded.session = provider.resume(recorded.session)
        recorded.actions += ["paused", "resumed"]
        time.sleep(PART_SECONDS)
    recorded.session = vendor.emulator.finish_session(provider, recorded.session)
    recorded.interval = rec.Interval(began, datetime.now(UTC))
    can_stop = provider.can(rec.Operation.STOP, target.kind)
    recorded.actions.append("stopped" if can_stop else "ended with its session")
    return recorded


def _is_deleted(provider: rec.Provider, recording: rec.Recording) -> bool:
    try:
        return provider.get(recording).status is rec.RecordingStatus.DELETED
    except rec.NotFound:
        return True


def _describe_copies(copies: Sequence[rec.Copy]) -> str:
    formats = "+".join(sorted({copy.file.format or "?" for copy in copies}))
    total = format_size(sum(copy.size for copy in copies))
    return f"{format_count(len(copies), 'file')} ({formats}, {total}), checked"


def _list_kinds(events: Sequence[rec.RecordingEvent]) -> str:
    return ", ".join(dict.fromkeys(each.kind for each in events))


def _print_title(number: int, title: str, subtitle: str = "") -> None:
    head = click.style(f"{number}. {title}", bold=True)
    click.echo(f"\n{head}: {subtitle}" if subtitle else f"\n{head}")


def _print_line(label: str, *cells: str) -> None:
    """Print a vendor's name and cells in columns; the last cell is wrapped."""
    write_grid([(label, *cells)], widths=(11, 10)[: len(cells)], indent=2)
