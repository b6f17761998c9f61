"""Requirements for responses: each becomes a documented value or a typed error."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

import recording_core as rec
from recording_core.redaction import MASK, redact_payload
from recording_core.testing.conformance.base import (
    SINGLE_REQUESTS,
    Call,
    ConformanceBase,
    check_equal,
    check_types,
    skip_undeclared,
    state_requirement,
)
from recording_core.testing.conformance.listings import find_array_rows
from recording_core.testing.conformance.mutations import (
    REMOVED,
    WRONG,
    PayloadChange,
    RowChange,
    change_value,
    find_id,
    find_row_id,
    find_row_parts,
    find_rows,
    generate_changes,
    rewrite_payload,
)
from recording_core.testing.conformance.replies import API_FAILURES, REJECTIONS
from recording_core.testing.conformance.results.exchanges import show
from recording_core.testing.emulator.server import Request

#: In place of an object or an array of a row.
_NO_PARTS: tuple[Any, ...] = (None, {}, [])
#: A response of more than a million bytes is too large.
_SMALL_RESPONSES = rec.HttpSettings(retries=0, workers=1, max_json_bytes=1_000_000)
#: In seconds of real time.
_SHORT_TIMEOUT = rec.HttpSettings(retries=0, workers=1, read_timeout=0.3)

_ErrorClasses = type[rec.ProviderError] | tuple[type[rec.ProviderError], ...]
#: The failures of the API after which a read does not raise `MalformedPayload`.
ERRORS: Mapping[str, _ErrorClasses] = {
    **{f"HTTP {status}": error for status, error in REJECTIONS.items()},
    **dict.fromkeys(("HTTP 401 with text", "HTTP 403"), rec.AuthenticationFailed),
    # Truncated headers look like the end of the headers of a response without a body.
    "truncated headers": (rec.Unavailable, rec.MalformedPayload),
    **dict.fromkeys(("HTTP 500", "HTTP 502 with HTML", "HTTP 503", "HTTP 504"), rec.Unavailable),
    **dict.fromkeys(("a closed connection", "a truncated body"), rec.Unavailable),
    **dict.fromkeys(("no headers in time", "no body in time"), rec.Unavailable),
}


class AnswerRequirements(ConformanceBase):
    """Requirements for reads: `list`, `get` and `active`, if a vendor or a network misbehaves."""

    def test_an_error_response_raises_the_documented_error(self) -> None:
        self._check_errors(_SMALL_RESPONSES, stalling=False)

    def test_a_response_that_stalls_raises_unavailable(self) -> None:
        self._check_errors(_SHORT_TIMEOUT, stalling=True)

    def _check_errors(self, http: rec.HttpSettings, *, stalling: bool) -> None:
        refusals = {f"HTTP {status}": self.vendor.build_error(status) for status in (400, 404, 409)}
        with self.vendor.connect(http=http) as provider:
            for verb, read in self._build_reads(provider).items():
                for what, reply in {**API_FAILURES, **refusals}.items():
                    if bool(reply.stall) is not stalling:
                        continue
                    with state_requirement(
                        f"{verb} raises a typed error if the vendor sends {what}"
                    ):
                        self.vendor.faults.append(reply)
                        with pytest.raises(ERRORS.get(what, rec.MalformedPayload)) as caught:
                            read()
                        self.vendor.faults.clear()
                        check_equal("error.provider", caught.value.provider, provider.name)
                        if isinstance(caught.value, rec.RateLimited):
                            expected = timedelta(seconds=int(reply.headers["Retry-After"]))
                            check_equal("error.retry_after", caught.value.retry_after, expected)

    def test_a_read_is_retried_after_a_temporary_error(self) -> None:
        for verb, read in self._build_reads(self.provider).items():
            for what in ("HTTP 500", "HTTP 503", "HTTP 429", "a closed connection"):
                with state_requirement(f"{verb} succeeds if the vendor sends {what} only once"):
                    self.vendor.faults.append(API_FAILURES[what])
                    read()
                    assert not self.vendor.faults, f"{verb} sent no request"

    def test_values_have_the_documented_types(self) -> None:
        for recording in self._read_recordings():
            with state_requirement(
                f"each field of recording {recording.id} has its documented type"
            ):
                check_types(recording)
                owner = (recording.provider, recording.account)
                expected = (self.provider.name, self.provider.account)
                check_equal("(provider, account)", owner, expected)
                assert recording.raw, "raw is empty: it must hold the vendor's payload"
                ids = [file.id for file in recording.files]
                assert len(ids) == len(set(ids)), f"several files have the same id: {ids}"
        for session in self._run_sessions():
            with state_requirement(
                f"each field of the session of {session.target} has its documented type"
            ):
                check_types(session)

    def test_values_survive_json(self) -> None:
        for value in self._read_values():
            with state_requirement("loads(dumps(value)) equals the value, with its raw payload"):
                again = rec.loads(rec.dumps(value), type(value))
                assert again == value, f"{value!r} became {again!r}"
                assert again.raw == value.raw, f"raw was {value.raw!r} and became {again.raw!r}"

    def test_raw_is_the_whole_payload(self) -> None:
        if self.provider.can(rec.Operation.LIST):
            self._check_raw("list", *self.log_answers(self.list_all), find_array_rows)
        if self.provider.can(rec.Operation.GET):
            for id in self.vendor.list_ids()[::9]:
                found, answers = self.log_answers(partial(self.provider.get, id))
                self._check_raw("get", [found], answers, find_rows)

    def _check_raw(
        self,
        what: str,
        found: Sequence[rec.Recording],
        answers: Sequence[Any],
        find: Callable[..., Any],
    ) -> None:
        """Require that raw has each scalar of a recording's row, but for credentials."""
        secrets = set(self.vendor.credentials.values())
        for recording in found:
            shown = {repr(each) for each in _list_scalars(recording.raw)}
            rows = [row for answer in answers for _, row in find(answer, {recording.id})]
            lost = [
                [
                    each
                    for each in map(repr, _list_scalars(redact_payload(row)))
                    if each not in shown and not any(secret in each for secret in secrets)
                ]
                for row in rows
            ]
            with state_requirement("raw is the whole payload, but for credentials"):
                assert rows, f"{what}: no object that the vendor sent has the id {recording.id}"
                assert not lost or not all(lost), (
                    f"{what}: the vendor sent {show(rows[0])}, and raw lacks {', '.join(lost[0])}"
                )

    def test_raw_masks_credential_fields(self) -> None:
        planted = {name: f"canary-{name}" for name in ("access_key", "secret", "authToken")}
        with self.alter_payloads(lambda request, payload: rewrite_payload(payload, {}, planted)):
            values = self._read_values()
        for value in values:
            with state_requirement(f"credential fields in raw are replaced by {MASK}"):
                shown = list(_find_unmasked(value.raw))
                assert not shown, f"{value!r} shows {', '.join(shown)}"

    def test_unknown_fields_change_nothing_and_stay_in_raw(self) -> None:
        before = {each.id: each for each in self._read_recordings()}
        more = {"zz_new_field": {"words": ["and", 1, None]}}
        with (
            state_requirement("fields that the provider does not read change nothing but raw"),
            self.alter_payloads(lambda request, payload: rewrite_payload(payload, {}, more)),
        ):
            after = {each.id: each for each in self._read_recordings()}
            assert after.keys() == before.keys(), (
                f"with the field zz_new_field, {len(after)} recordings are read instead of "
                f"{len(before)}"
            )
            for id, recording in after.items():
                assert recording == before[id], (
                    f"with the field zz_new_field, {before[id]!r} became {recording!r}"
                )
                assert "zz_new_field" in json.dumps(dict(recording.raw)), (
                    f"raw of recording {id} lacks zz_new_field: {recording.raw!r}"
                )

    def test_an_unreadable_row_costs_only_that_row(self) -> None:
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            listing = provider.list(**self.find_newest_bounds())
            recordings, answers = self.log_answers(lambda: list(listing))
            ids = [each.id for each in recordings]
            # Every second row changes, so that no row may be lost with its neighbour.
            others, changed = ids[::2], ids[1::2]
            for path, genuine in find_row_parts(answers, ids):
                wrong = _NO_PARTS if isinstance(genuine, dict | list) else WRONG
                values = [REMOVED, *(each for each in wrong if each != genuine)]
                for start in range(0, len(values), len(changed)):
                    rows = dict(zip(changed, values[start:], strict=False))
                    change = RowChange(rows, path, list(rows.values()), whole=True)
                    name = ".".join(map(str, path))
                    with state_requirement(
                        f"list loses at most the rows whose {name} is one of {list(rows.values())}"
                    ):
                        found, error = self._sweep(listing, change)
                        assert error is None, f"a changed row ends the listing: {error!r}"
                        lost = {*others, *changed} - {each.id for each in found} - rows.keys()
                        assert not lost, f"these rows did not change, and are lost: {sorted(lost)}"
                        # A row whose id changed is listed under its new id.
                        missing, coverage = len(ids) - len(found), listing.coverage
                        is_counted = len(coverage.unreadable) >= missing and not coverage.complete
                        assert missing <= 0 or is_counted, (
                            f"{missing} rows are lost; coverage.unreadable has "
                            f"{len(coverage.unreadable)}, and complete is {coverage.complete}"
                        )

    def test_a_row_that_is_no_object_costs_only_itself(self) -> None:
        self.require_declared(rec.Operation.LIST)
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            listing = provider.list(**self.find_newest_bounds())
            ids = {each.id for each in listing}
            values: tuple[Any, ...] = (None, "zz", 7, [])
            for wrong in values:
                change = _RowReplacement(ids, wrong)
                with state_requirement(f"list loses and counts the rows that are {wrong!r}"):
                    found, error = self._sweep(listing, change)
                    assert error is None, f"such a row ends the listing: {error!r}"
                    missing, coverage = ids - {each.id for each in found}, listing.coverage
                    lost = missing - change.replaced
                    assert not lost, f"these rows did not change, and are lost: {sorted(lost)}"
                    assert len(coverage.unreadable) >= len(missing), (
                        f"{len(missing)} rows were {wrong!r} and are lost, and coverage.unreadable "
                        f"has {len(coverage.unreadable)}"
                    )
                    assert not (missing and coverage.complete), "coverage.complete is true"

    @pytest.mark.long
    def test_a_malformed_page_never_gives_complete_coverage(self) -> None:
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            listing = provider.list(**self.bounds)
            list(listing)
            # Without a total, nothing shows that the last page is not the last.
            has_total = listing.coverage.expected is not None
            for change, row_id, ids in self._generate_listing_changes(listing):
                if row_id is not None:
                    continue
                with state_requirement(f"coverage reports what a changed page lost ({change})"):
                    found, error = self._sweep(listing, change)
                    complete = listing.coverage.complete
                    assert not (error and complete), (
                        f"list raised {error!r}, but coverage.complete is true"
                    )
                    lost = ids - {recording.id for recording in found}
                    assert not (has_total and lost and complete), (
                        f"{len(lost)} of {len(ids)} recordings are lost, but coverage.complete is "
                        "true"
                    )

    def _generate_listing_changes(
        self, listing: rec.Listing
    ) -> Iterator[tuple[PayloadChange, str | None, set[str]]]:
        """Generate each change of a listing's payloads, the changed row's id, and all ids."""
        recordings, answers = self.log_answers(lambda: list(listing))
        ids = {each.id for each in recordings}
        for change in generate_changes(answers):
            yield change, find_row_id(change.place, answers, ids), ids

    @pytest.mark.long
    def test_one_changed_field_gives_typed_values_or_a_typed_error(self) -> None:
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            reads = self._build_single_reads(provider)
            if not reads:
                skip_undeclared(rec.Operation.GET, rec.Operation.ACTIVE)
            seen: set[tuple[Any, ...]] = set()
            for verb, read in reads.items():
                _, answers = self.log_answers(read)
                changes = list(generate_changes(answers))
                for number, change in enumerate(changes):
                    if number % 3 and change.place.shape in seen:
                        continue  # another read had this field with each value
                    with (
                        state_requirement(
                            f"{verb} with one changed field ({change}) returns documented types or "
                            "raises a RecordingError"
                        ),
                        self.alter_payloads(change),
                    ):
                        try:
                            value = read()
                            if value is not None:
                                check_types(value)
                        except rec.RecordingError as error:
                            name = getattr(error, "provider", provider.name)
                            check_equal(f"{error!r}.provider", name, provider.name)
                seen.update(change.place.shape for change in changes)

    # -- reads -----------------------------------------------------------------------------------

    def _read_recordings(self) -> list[rec.Recording]:
        """Read all recordings by `list`, and the first twenty again by `get`."""
        listed = self.list_all() if self.provider.can(rec.Operation.LIST) else []
        if self.provider.can(rec.Operation.GET):
            listed += [self.provider.get(each) for each in listed[:20]]
        return listed

    def _read_values(self) -> list[rec.Recording | rec.RecordingSession]:
        return [*self._read_recordings(), *self._run_sessions()]

    def _run_sessions(self) -> list[rec.RecordingSession]:
        """Run a session of each kind and return each of its states."""
        sessions: list[rec.RecordingSession] = []
        verbs = self.build_verbs(self.provider)
        for target in self.list_live_targets():
            sessions.append(self.begin(self.provider, target))
            for operation in (rec.Operation.PAUSE, rec.Operation.RESUME, rec.Operation.STOP):
                if self.provider.can(operation, target.kind):
                    self.vendor.advance(self.warm_up)
                    sessions.append(verbs[operation](sessions[-1]))
            if not self.provider.can(rec.Operation.STOP, target.kind):
                self.end(self.vendor, sessions[-1])
            self.vendor.advance(self.processing_timeout)
        return sessions

    def _build_reads(self, provider: rec.Provider) -> dict[str, Call]:
        """Build a call of each declared read, by name."""
        reads: dict[str, Call] = {}
        some: rec.Recording | str = self.vendor.list_ids()[0]
        if provider.can(rec.Operation.LIST):
            bounds = self.bounds
            some = self.list_all()[0]
            reads["list"] = lambda: list(provider.list(**bounds))
        if provider.can(rec.Operation.GET):
            reads["get"] = partial(provider.get, some)
        return reads

    def _build_single_reads(self, provider: rec.Provider) -> dict[str, Call]:
        """Build calls of `get` and `active`, one per shape of recording and kind."""
        reads: dict[str, Call] = {}
        if provider.can(rec.Operation.LIST) and provider.can(rec.Operation.GET):
            listed = reversed(self.list_all())
            shapes = {(each.kind, each.status, len(each.files)): each for each in listed}
            for (_, status, files), recording in shapes.items():
                reads[f"get of a recording that is {status} with {files} files"] = partial(
                    provider.get, recording.id, target=recording.target
                )
        for target in self.list_live_targets(rec.Operation.ACTIVE):
            self.begin(provider, target)
            reads[f"active of a {target.kind}"] = partial(provider.active, target)
        return reads

    def _sweep(
        self, listing: rec.Listing, change: Callable[[Request, Any], Any]
    ) -> tuple[list[rec.Recording], rec.RecordingError | None]:
        """Read a listing with one change; return the recordings, and the error that ended it."""
        found: list[rec.Recording] = []
        with self.alter_payloads(change):
            try:
                for recording in listing:
                    check_types(recording)
                    found.append(recording)
            except rec.RecordingError as error:
                return found, error
        return found, None


class _RowReplacement:
    """For `Emulator.alter`: replace a row in the middle of each page, which no cursor names."""

    def __init__(self, ids: set[str], value: Any) -> None:
        self._ids, self._value = ids, value
        self.replaced: set[str] = set()

    def __call__(self, request: Request, payload: Any) -> Any:
        rows = list(find_array_rows(payload, self._ids))
        arrays = {path[:-1] for path, _ in rows if len(path) == len(rows[0][0])}
        if len(arrays) == 1 and len(rows) >= 3:
            path, row = rows[len(rows) // 2]
            self.replaced.update(filter(None, [find_id(row, self._ids)]))
            change_value(payload, path, self._value)
        return payload


def _list_scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, list | tuple):
        yield value
        return
    for each in value:
        yield from _list_scalars(each)


def _find_unmasked(value: Any, path: str = "raw") -> Iterator[str]:
    """Return the paths of the credential fields that are not masked."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            is_credential = redact_payload({key: "some-value"})[key] == MASK
            if is_credential and item not in (None, "", MASK):
                yield f"{path}.{key}"
            else:
                yield from _find_unmasked(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _find_unmasked(item, f"{path}[]")
