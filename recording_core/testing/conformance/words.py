"""Requirements for words: each word of the provider's table has its status; others are unknown."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from attrs import field, frozen

import recording_core as rec
from recording_core.testing.conformance.base import (
    SINGLE_REQUESTS,
    check_equal,
    state_requirement,
)
from recording_core.testing.conformance.mutations import change_value, find_rows
from recording_core.testing.conformance.results.exchanges import show
from recording_core.testing.conformance.states import Read, StateReads, Value, collect
from recording_core.testing.conformance.word_tables import find_status_words
from recording_core.testing.emulator.server import Request
from recording_core.testing.json_paths import JsonPath, get_value, walk_values

#: A word that no vendor has, and one in place of a word that is a number.
NEW_WORD = "zz-new-word"
_NEW_CODE = "97531"
#: What may be a word of a table, and no id, time or URL.
_WORD = re.compile(r"[A-Za-z]+(?:[ _.-]?[A-Za-z]+){0,4}[0-9]?", re.ASCII)

#: The status of a word -> the other statuses that its row may have, since there is other evidence:
#: an end, files, an error's code, the time that the vendor keeps media. Any other word is final.
_REFINED: Mapping[rec.RecordingStatus, frozenset[rec.RecordingStatus]] = {
    rec.RecordingStatus.PENDING: frozenset({rec.RecordingStatus.PROCESSING}),
    rec.RecordingStatus.RECORDING: frozenset(
        {rec.RecordingStatus.STOPPING, rec.RecordingStatus.PROCESSING}
    ),
    rec.RecordingStatus.PAUSED: frozenset({rec.RecordingStatus.PROCESSING}),
    rec.RecordingStatus.STOPPING: frozenset(
        {
            *(rec.RecordingStatus.PROCESSING, rec.RecordingStatus.AVAILABLE),
            *(rec.RecordingStatus.FAILED, rec.RecordingStatus.EXPIRED),
        }
    ),
    rec.RecordingStatus.PROCESSING: frozenset(
        {
            *(rec.RecordingStatus.RECORDING, rec.RecordingStatus.AVAILABLE),
            *(rec.RecordingStatus.FAILED, rec.RecordingStatus.EXPIRED),
        }
    ),
    rec.RecordingStatus.AVAILABLE: frozenset(
        {rec.RecordingStatus.PROCESSING, rec.RecordingStatus.EXPIRED}
    ),
    rec.RecordingStatus.FAILED: frozenset({rec.RecordingStatus.EMPTY}),
}


@frozen
class _Reaction:
    """What one read made of a new word at one place of one row."""

    read: str
    path: JsonPath
    word: str
    before: Value
    after: Value | None

    @property
    def is_status(self) -> bool:
        """Whether the place holds the status, since what was read changed."""
        if self.after is None:
            return True
        if self.after.provider_status != self.before.provider_status:
            return True
        # A provider that keeps the word has it from another place.
        return self.before.provider_status is None and self.after.status != self.before.status


@frozen
class _Row:
    """The words of a recording's own row: by the key of its id, and not of a row that names it."""

    id: str
    words: Mapping[JsonPath, str] = field(factory=dict)


class WordChange:
    """For `Emulator.alter`: put a word at a path of the rows, by the id of their recording."""

    def __init__(self, path: JsonPath, words: Mapping[str, str]) -> None:
        self._path, self._words = path, words
        self.replaced: dict[str, str] = {}

    def __call__(self, request: Request, payload: Any) -> Any:
        for id, row in find_rows(payload, self._words.keys()):
            try:
                value = get_value(row, self._path)
            except (LookupError, TypeError):
                continue  # not every row has the field
            if is_word(value) or _is_code(value):
                self.replaced.setdefault(id, value)
                change_value(row, self._path, self._words[id])
        return payload


class WordRequirements(StateReads):
    """Requirements for the words by which a vendor states what has become of a recording."""

    def test_each_word_of_the_table_has_its_status(self) -> None:
        self.require_declared(rec.Operation.LIST)
        table = find_status_words(self.provider)
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            listings = [partial(provider.list, **self.find_newest_bounds())]
            listings += [
                partial(provider.list, target=target, **self.find_recent_bounds())
                for target in self.record_targets(rec.Operation.LIST)
            ]
            for sweep in listings:
                found, answers = self.log_answers(partial(list, sweep()))
                plain = {
                    each.id: each for each in found if each.status is rec.RecordingStatus.AVAILABLE
                }
                for path, new in _find_table_paths(answers, plain, table).items():
                    more = {**table, new: frozenset({rec.RecordingStatus.UNKNOWN})}
                    for words in _deal_words(list(plain), list(more)):
                        self._check_words(provider, sweep, path, words, plain, more)

    def _check_words(
        self,
        provider: rec.Provider,
        sweep: Callable[..., Iterable[rec.Recording]],
        path: JsonPath,
        words: Mapping[str, str],
        plain: Mapping[str, rec.Recording],
        table: Mapping[str, frozenset[rec.RecordingStatus]],
    ) -> None:
        """Check the rows of a list with these words at a path."""
        name = _describe_path(path)
        change = WordChange(path, words)
        with self.alter_payloads(change):
            with state_requirement(f"a word of the provider's table in {name} costs no recording"):
                listed = {each.id: each for each in sweep()}
                lost = {words[id] for id in change.replaced if id not in listed}
                assert not lost, f"list loses the rows with {name}={sorted(lost)}"
            by_status: dict[rec.RecordingStatus, set[str]] = {}
            for id in change.replaced:
                self._check_word(f"list: {name}={words[id]!r}", words[id], table, listed[id])
                by_status.setdefault(listed[id].status, set()).add(id)
                if listed[id].status is plain[id].status:
                    files = [file.id for file in plain[id].files]
                    check_equal(
                        f"files of the row with {name}={words[id]!r}",
                        [file.id for file in listed[id].files],
                        files,
                    )
                if provider.can(rec.Operation.GET):
                    with state_requirement(f"get returns the recording with {name}={words[id]!r}"):
                        got = provider.get(id, target=plain[id].target)
                    self._check_word(f"get: {name}={words[id]!r}", words[id], table, got)
            for status, ids in by_status.items():
                with state_requirement(f"list(status={str(status)!r}) returns what has it"):
                    with self.vendor.log_requests("api") as plainly:
                        expected = {each.id for each in sweep() if each.status is status}
                    with self.vendor.log_requests("api") as filtered:
                        found = list(sweep(status=status))
                    others = {str(each.status) for each in found if each.status is not status}
                    assert not others, f"list(status={str(status)!r}) returns {others}"
                    # A vendor's own filter does not see the words that this test has put there.
                    queries = {(each.request.path, each.request.query) for each in plainly}
                    if queries.issuperset(
                        (each.request.path, each.request.query) for each in filtered
                    ):
                        lost = expected & ids - {each.id for each in found}
                        assert not lost, (
                            f"list(status={str(status)!r}) lacks {sorted(lost)}, whose {name} is "
                            f"{sorted({words[id] for id in lost})}"
                        )

    def _check_word(
        self,
        what: str,
        word: str,
        table: Mapping[str, frozenset[rec.RecordingStatus]],
        found: rec.Recording,
    ) -> None:
        allowed = {each for status in table[word] for each in (status, *_REFINED.get(status, ()))}
        with state_requirement("a word of the provider's table has the status of the table"):
            assert found.status in allowed, (
                f"{what} gives the status {found.status}, not one of {sorted(allowed)}: the "
                f"table of the provider has {word!r} for {sorted(table[word])}"
            )
            check_equal(f"{what}: provider_status", found.provider_status, word)

    def test_an_unknown_word_is_unknown_and_kept(self) -> None:
        reactions: list[_Reaction] = []
        seen: dict[str, dict[JsonPath, set[str]]] = {}
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            for read, call in self.generate_reads(provider):
                reactions += self._react(read, call, seen)
        table = find_status_words(self.provider)
        places = {each.path for each in reactions if each.is_status} or {
            each.path for each in reactions if each.word in table
        }
        for each in reactions:
            if each.path not in places:
                continue
            name = _describe_path(each.path)
            with state_requirement(
                "an unknown status word maps to UNKNOWN and stays in provider_status"
            ):
                found = each.after and (each.after.status, each.after.provider_status)
                # `active` may leave out a recording with another word.
                is_left_out = found is None and isinstance(each.before, rec.RecordingSession)
                new = _find_new_word(each.word)
                assert is_left_out or found == (rec.RecordingStatus.UNKNOWN, new), (
                    f"{each.read}: the vendor sent {name}={new!r} in place of {each.word!r}; "
                    f"(status, provider_status) is {_show(found)}, not ('unknown', {new!r})"
                )
        if not places:
            _check_no_status(seen)

    def test_an_unknown_word_costs_no_verb(self) -> None:
        self.require_declared(rec.Operation.START)
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            leaves, words = self._find_leaves(provider)
            for target in self.find_targets(rec.Operation.START):
                verbs = self.build_verbs(provider)
                order = (rec.Operation.PAUSE, rec.Operation.RESUME, rec.Operation.ACTIVE)
                start = partial(self.begin, provider, target)
                session = self._check_verb(f"{target.kind} start", start, leaves, words)
                for operation in (*order, rec.Operation.STOP):
                    if provider.can(operation, target.kind):
                        self.vendor.advance(self.warm_up)
                        verb = partial(verbs[operation], session)
                        # Without an id it is found by `active`, which may leave it out.
                        with suppress(*[rec.NotFound] * (session.id is None)):
                            self._check_verb(f"{target.kind} {operation}", verb, leaves, words)
                if session.id is None or not provider.can(rec.Operation.STOP, target.kind):
                    self.end(self.vendor, session)
                self.vendor.advance(self.processing_timeout)

    def _check_verb(
        self, what: str, verb: Callable[[], Any], leaves: set[Any], words: set[str]
    ) -> Any:
        """Check the session after a verb whose answers have an unknown word for each status."""
        answers: list[Any] = []

        def alter(request: Request, payload: Any) -> Any:
            for path, value in walk_values(payload):
                if path and path[-1] in leaves and isinstance(value, str) and value in words:
                    change_value(payload, path, _find_new_word(value))
            answers.append(payload)
            return payload

        with (
            state_requirement(f"{what} succeeds if the vendor sends an unknown status word"),
            self.alter_payloads(alter),
        ):
            session = verb()
        if session is None:
            return None  # `active` may leave out a recording with another word
        shown = [
            row
            for answer in answers
            for _, row in find_rows(answer, {session.id})
            if any(row.get(leaf) in (NEW_WORD, _NEW_CODE) for leaf in leaves)
        ]
        if shown:
            with state_requirement("a verb returns UNKNOWN with the word, and never guesses"):
                found = (session.status, session.provider_status)
                expected = [(rec.RecordingStatus.UNKNOWN, new) for new in (NEW_WORD, _NEW_CODE)]
                assert found in expected, (
                    f"{what}: the vendor sent {show(shown[-1])}; (status, provider_status) is "
                    f"{_show(found)}, not 'unknown' with that word"
                )
        return session

    # -- reads -----------------------------------------------------------------------------------

    def _react(
        self, read: str, call: Read, seen: dict[str, dict[JsonPath, set[str]]]
    ) -> Iterator[_Reaction]:
        """Put a new word at each place of the own rows that holds a word; read once per place."""
        try:
            plain, answers = self.log_answers(call)
        except (rec.NotFound, rec.NotReady):
            return  # some vendors return a recording only after its end
        before = {each.id: each for each in plain if each.id is not None}
        rows = _find_own_rows(answers, before, find_status_words(self.provider))
        for row in rows:
            for path, word in row.words.items():
                seen.setdefault(row.id, {}).setdefault(path, set()).add(word)
        places = {path: _find_new_word(word) for row in rows for path, word in row.words.items()}
        for path, new in places.items():
            change = WordChange(path, dict.fromkeys(before, new))
            with (
                state_requirement(
                    f"{read} succeeds if the vendor sends {_describe_path(path)}={new!r}"
                ),
                self.alter_payloads(change),
            ):
                after = {each.id: each for each in call()}
            own = {row.id for row in rows if path in row.words}
            for id, word in change.replaced.items():
                if id in own:
                    yield _Reaction(read, path, word, before[id], after.get(id))

    def _find_leaves(self, provider: rec.Provider) -> tuple[set[Any], set[str]]:
        """Find the names of the fields that hold a status, and the words that they may hold."""
        words = set(find_status_words(self.provider))
        leaves: set[Any] = set()
        seen: dict[str, dict[JsonPath, set[str]]] = {}
        reads: list[tuple[str, Read]] = []
        if provider.can(rec.Operation.LIST):
            reads.append(("list", collect(partial(provider.list, **self.find_newest_bounds()))))
        for read, call in reads:
            for each in self._react(read, call, seen):
                if each.is_status:
                    leaves.add(each.path[-1])
                    words.add(each.word)
        return leaves, words


def is_word(value: Any) -> bool:
    """Whether a value may be a word of a table."""
    return isinstance(value, str) and len(value) <= 40 and bool(_WORD.fullmatch(value))


def _describe_path(path: JsonPath) -> str:
    return ".".join(map(str, path))


def _show(found: Any) -> str:
    return "nothing: the recording is lost" if found is None else f"('{found[0]}', {found[1]!r})"


def _is_code(value: Any) -> bool:
    """Whether a value may be a word that is a number, if all values at its place are words."""
    return isinstance(value, str) and value.isdecimal() and len(value) <= len(_NEW_CODE)


def _find_new_word(word: str) -> str:
    return _NEW_CODE if word.isdecimal() else NEW_WORD


def _find_own_rows(
    answers: list[Any], ids: Mapping[str, Any], table: Collection[str]
) -> list[_Row]:
    """Find the words of the rows that are the recordings' own: the first with their ids."""
    rows: dict[str, dict[JsonPath, Any]] = {}
    for answer in answers:
        for id, row in find_rows(answer, ids.keys()):
            values = {path: each for path, each in walk_values(row) if isinstance(each, str)}
            rows.setdefault(id, values)
    others = {path for row in rows.values() for path, each in row.items() if each not in table}
    return [
        _Row(
            id,
            {
                path: each
                for path, each in row.items()
                if is_word(each) or (_is_code(each) and path not in others)
            },
        )
        for id, row in rows.items()
    ]


def _find_table_paths(
    answers: list[Any], plain: Mapping[str, rec.Recording], table: Mapping[str, Any]
) -> dict[JsonPath, str]:
    """Find the places of words that `provider_status` has, too, and a new word for each."""
    return {
        path: _find_new_word(word)
        for row in _find_own_rows(answers, plain, table)
        for path, word in row.words.items()
        if word in table and plain[row.id].provider_status in (None, word)
    }


def _deal_words(ids: list[str], words: list[str]) -> Iterator[dict[str, str]]:
    """Deal the words to the rows, as often as each word needs a row."""
    for start in range(0, len(words), max(len(ids), 1)):
        yield dict(zip(ids, words[start:], strict=False))


def _check_no_status(seen: Mapping[str, Mapping[JsonPath, set[str]]]) -> None:
    """Require that no word of a row changes while its recording is made."""
    with state_requirement("the status is the vendor's own word, if the vendor sends one"):
        for id, path in itertools.chain.from_iterable(
            ((id, path) for path in words) for id, words in seen.items()
        ):
            words = seen[id][path]
            assert len(words) == 1, (
                f"{_describe_path(path)} of the recording {id} was {sorted(words)} while it was "
                "made, and no other word there changes `status` or `provider_status`"
            )
