"""Requirements for the filters of a listing: `since`, `until`, `target` and `status`.

What they select is compared with what the suite recorded, and with what the vendor lists.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

from recording_core import CommunicationSession, Operation, Recording, RecordingStatus, SessionKind
from recording_core.model.enums import FINAL
from recording_core.testing.conformance.base import (
    ConformanceBase,
    check_equal,
    find_listing_time,
    state_requirement,
)
from recording_core.testing.conformance.listings import find_array_rows
from recording_core.testing.conformance.world import use_local_time
from recording_core.testing.emulator.server import Request
from recording_core.testing.json_paths import replace_value, walk_values

_NO_END = datetime.max.replace(tzinfo=UTC)
#: How often the suite records each kind about midnight; and more often than one page has rows.
_TAKES, _MANY_TAKES = 4, 22
#: From one of these to the next.
_TAKE = timedelta(seconds=70)
#: In which `since` and `until` are given.
_ZONES = (UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=8)))
#: Texts that name a day or a second: ISO 8601, RFC 2822, seconds and milliseconds since 1970.
_TIME = re.compile(
    r"\d{4}[-/]\d\d[-/]\d\d|\d{8}T\d|(\w{3}, )?\d\d? \w{3} \d{4}|1\d{9}(\d{3})?$", re.ASCII
)


class ListingFilterRequirements(ConformanceBase):
    """Requirements for what `list` selects."""

    def test_since_is_inclusive_and_until_is_exclusive(self) -> None:
        made = set().union(*self._record_around_midnight(_TAKES, _TAKE).values())
        everything = self._list_as_the_vendor()
        times = {each.id: at for each in everything if (at := find_listing_time(each))}
        assert times, (
            "no recording has a created_at or started_at: since and until cannot select any"
        )
        undated = {each.id for each in everything} - times.keys()
        edges = self._choose_edges(
            sorted({times[id] for id in made & times.keys()}),
            sorted({times[id] for id in times.keys() - made}),
        )
        # Each edge is a `since` and an `until`.
        begins, ends = [self.bounds["since"]] * 5, [None] * 5
        spans = list(zip([*begins, *edges], [*edges, *ends], strict=True))
        with use_local_time("CONF-05:30"):
            for (since, until), zone in zip(spans, itertools.cycle(_ZONES)):
                with state_requirement(
                    f"list(since={since}, until={until}) selects by created_at, else started_at"
                ):
                    arguments = {"since": since, "until": until}
                    given = {name: at and at.astimezone(zone) for name, at in arguments.items()}
                    found = {each.id for each in self.provider.list(**given)} - undated
                    expected = {id for id, at in times.items() if since <= at < (until or _NO_END)}
                    _check_ids(found, expected, times)

    def _choose_edges(self, made: list[datetime], others: list[datetime]) -> list[datetime]:
        """Choose times for `since` and `until`: about those of recordings, and midnight."""
        midnight = self._find_midnight(-1)
        near = sorted(made, key=lambda at: abs(at - midnight))[:2]
        seconds, resolution = timedelta(seconds=1), timedelta.resolution
        edges = {at + step * resolution for at in [*made, midnight] for step in (-1, 0, 1)}
        edges |= {at + step * seconds for at in near for step in (-1, 1)}
        edges |= set(others[:: max(1, len(others) // 4)])
        return sorted(edges)

    def _find_midnight(self, days: int) -> datetime:
        """Return the midnight (UTC) after now, or with -1 day the one before."""
        now = self.vendor.clock.now()
        return (now + timedelta(days=days + 1)).replace(hour=0, minute=0, second=0, microsecond=0)

    def _record_around_midnight(
        self, takes: int, interval: timedelta
    ) -> dict[CommunicationSession, set[str]]:
        """Record each kind that can be listed so often, half of the times after midnight (UTC).

        Return the ids by target. Each time all kinds begin at once.
        """
        made: dict[CommunicationSession, set[str]] = {}
        nameless: set[CommunicationSession] = set()
        before = set(self.vendor.list_ids())
        self.vendor.advance(
            self._find_midnight(0) - self.vendor.clock.now() - takes // 2 * interval
        )
        for _ in range(takes):
            end = self.vendor.clock.now() + interval
            targets = self.list_live_targets(Operation.LIST)  # one that ended is replaced
            sessions = [self.begin(self.provider, each) for each in targets]
            self.vendor.advance(self.warm_up)
            for session in sessions:
                self.vendor.finish_session(self.provider, session)
                ids = made.setdefault(session.target, set())
                if session.id is None:
                    nameless.add(session.target)
                else:
                    ids.add(session.id)
            self.vendor.advance(max(end - self.vendor.clock.now(), timedelta(0)))
        self.vendor.advance(self.processing_timeout)
        named = set().union(*made.values())
        for target in nameless:
            made[target] |= set(self.vendor.list_ids()) - before - named
        return made

    def _list_as_the_vendor(self) -> list[Recording]:
        """List everything, and require that it is what the vendor lists."""
        everything = self.list_all()
        _check_ids(
            {each.id for each in everything},
            set(self.vendor.list_ids()),
            {each.id: find_listing_time(each) for each in everything},
        )
        return everything

    def test_status_filters_the_list(self) -> None:
        made = set().union(*self._record_around_midnight(1, _TAKE).values())
        everything = self._list_as_the_vendor()
        statuses = {each.id: each.status for each in everything}
        unfinished = set(RecordingStatus) - FINAL
        for given in (FINAL, unfinished, *set(statuses.values())):
            with state_requirement(f"list(status={given!s}) returns exactly these recordings"):
                wanted = {given} if isinstance(given, RecordingStatus) else given
                found = {each.id for each in self.list_all(status=given)}
                _check_ids(found, {id for id in statuses if statuses[id] in wanted}, statuses)
        not_final = {id for id in made & statuses.keys() if statuses[id] not in FINAL}
        assert not not_final, f"{not_final} ended, but the list does not show that"
        live = [self.begin(self.provider, each) for each in self.list_live_targets(Operation.LIST)]
        self.vendor.advance(self.warm_up)
        running = {each for each in self.vendor.list_ids() if each in {one.id for one in live}}
        with state_requirement("a list of unfinished recordings has what runs"):
            found = {each.id for each in self.provider.list(status=unfinished)}
            _check_ids(found & running, running, statuses)

    def test_target_filters_the_list(self) -> None:
        everything = self._list_as_the_vendor()
        kinds = {recording.id: recording.kind for recording in everything}
        targets = dict.fromkeys(each.target for each in everything if each.target is not None)
        tried = Counter[SessionKind]()
        for target in targets:
            tried[target.kind] += 1
            if tried[target.kind] > 3 or not self.provider.can(Operation.LIST, target.kind):
                continue
            with state_requirement(
                f"list(target={target.kind}) returns exactly the recordings of that {target.kind}"
            ):
                found = {each.id: each for each in self.list_all(target=target)}
                expected = {each.id for each in everything if each.target == target}
                missing = expected - found.keys()
                assert not missing, f"recordings are missing: {sorted(missing)}"
                others = [each.id for each in found.values() if each.target != target]
                assert not others, f"recordings of other targets: {others}"
                others = [id for id in found if kinds.get(id) not in (target.kind, None)]
                assert not others, f"recordings of another kind: {others}"

    def test_target_selects_exactly_what_was_recorded_of_it(self) -> None:
        targets = self.find_live_targets(Operation.LIST)
        before = {each: {row.id for row in self.list_all(target=each)} for each in targets}
        # More than one page of twenty.
        for target, made in self._record_around_midnight(_MANY_TAKES, self.warm_up).items():
            with state_requirement(
                f"list(target=) returns the {len(made)} recordings that were made of {target}"
            ):
                found = {row.id: row for row in self.list_all(target=target)}
                old = before.get(target, set())
                _check_ids(found.keys() - old, made, found)
                assert old <= found.keys(), f"list lost {sorted(old - found.keys())}"
            times = {id: at for id in found if (at := find_listing_time(found[id]))}
            ordered = sorted(times[id] for id in made & times.keys())
            if len(ordered) < 3:
                continue
            since, until = ordered[1], ordered[-1]
            with state_requirement(f"list(target=, status=, since={since}, until={until})"):
                rows = self.provider.list(target=target, status=FINAL, since=since, until=until)
                dated = {row.id for row in rows} & times.keys()
                expected = {id for id, at in times.items() if since <= at < until}
                _check_ids(dated, {id for id in expected if found[id].status in FINAL}, found)

    def test_a_row_without_a_time_is_listed_and_counted(self) -> None:
        everything = self._list_as_the_vendor()
        ids = {each.id for each in everything}
        one = everything[len(everything) // 2].id
        for what, chosen in (("one of them", {one}), ("all of them", ids)):
            with (
                state_requirement(f"list returns and counts each row if {what} have no time"),
                self.alter_payloads(partial(_remove_times, chosen)),
            ):
                listing = self.provider.list(**self.bounds)
                found = {each.id: find_listing_time(each) for each in listing}
            _check_ids(found.keys(), ids, found)
            check_equal(
                "coverage.undated",
                listing.coverage.undated,
                sum(at is None for at in found.values()),
            )


def _remove_times(ids: Collection[str], request: Request, payload: Any) -> Any:
    """For `Emulator.alter`: remove every time of these recordings' rows."""
    for _, row in find_array_rows(payload, ids):
        for path, value in list(walk_values(row)):
            is_number = isinstance(value, int | float) and 10**9 <= value < 10**14
            is_number = is_number and str(value) not in ids
            is_text = isinstance(value, str) and value not in ids and _TIME.match(value)
            if is_number or is_text:
                replace_value(row, path, None)
    return payload


def _check_ids(found: Collection[str], expected: Collection[str], facts: Mapping[str, Any]) -> None:
    """Require that a listing returned exactly these ids; the message has a fact of each other."""
    lost, extra = (
        [f"{id} ({facts[id]})" if id in facts else id for id in sorted({*one} - {*other})]
        for one, other in ((expected, found), (found, expected))
    )
    assert not lost, f"of {len(expected)} recordings list lost {len(lost)}, such as {lost[:3]}"
    assert not extra, f"list returned {len(extra)} other recordings, such as {extra[:3]}"
