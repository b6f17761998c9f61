"""Assumptions: what a vendor's pages leave open, and probes that a real account answers.

A provider's table stands in a module of its own, which its `ProviderInfo` and its emulator name. It
imports neither client nor mapping, since emulators import it, and the client does not import it,
since a connection does not need it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from recording_core.errors import RecordingError
from recording_core.model.capabilities import Operation
from recording_core.model.entities import CommunicationSession, Recording, RecordingSession
from recording_core.model.enums import RecordingStatus

if TYPE_CHECKING:
    from recording_core.provider.provider import Provider

#: An observation holds at most this many of the newest recordings, and none that is older.
MOST_RECORDINGS = 200
PERIOD = timedelta(days=90)
#: The time between two verbs of an observed session: recording takes seconds to begin.
BETWEEN_VERBS = timedelta(seconds=6)


@frozen
class Observation:
    """What was seen of a real account, for the probes of assumptions.

    Attributes:
        provider: the connection; a probe calls verbs that change nothing, or
            `provider.transport.get`
        recordings: the newest recordings in the order of the list, at most 200 of 90 days
        sessions: the session after `start`, `pause`, `resume` and `stop`, as far as each succeeded;
            empty unless the user permitted one recording
    """

    provider: Provider
    recordings: tuple[Recording, ...] = ()
    sessions: Mapping[str, RecordingSession] = field(factory=dict)


@frozen
class Assumption:
    """A numbered assumption of a provider, one row of the table in its README.

    Attributes:
        number: the number, which no other assumption of this provider ever gets
        leaves_open: what the vendor's pages leave open
        assumed: what is assumed, and why this is the safe reading
        refuted_by: what would show that it is wrong
        probe: a function that returns whether the assumption holds, and `None` if the observation
            does not show it. It sends reads only. Without one, the assumption cannot be observed
            without a change
    """

    number: int
    leaves_open: str
    assumed: str
    refuted_by: str
    probe: Callable[[Observation], bool | None] | None = None


def observe_recordings(provider: Provider) -> tuple[Recording, ...]:
    """Read the newest recordings of an account, within the bounds. Raises `ProviderError`."""
    since = provider.clock.now() - PERIOD
    return tuple(islice(provider.list(since=since), MOST_RECORDINGS))


def observe_session(
    provider: Provider, target: CommunicationSession
) -> dict[str, RecordingSession | RecordingError]:
    """Start, pause, resume and stop one recording of a target.

    Returns the session after each verb, or the error that the verb raised. Verbs that the vendor
    does not support are left out. Recording is also stopped if an exception interrupts this.
    """
    found: dict[str, RecordingSession | RecordingError] = {}

    def run(operation: Operation, given: Any) -> Any:
        try:
            after = getattr(provider, operation)(given)
        except RecordingError as error:
            found[operation.value] = error
            return given
        found[operation.value] = after
        return after

    session = run(Operation.START, target)
    if not isinstance(session, RecordingSession):
        return found
    try:
        for operation in (Operation.PAUSE, Operation.RESUME):
            provider.clock.sleep(BETWEEN_VERBS.total_seconds())
            if provider.can(operation, target.kind):
                session = run(operation, session)
    finally:
        run(Operation.STOP, session)
    return found


def run_probe(assumption: Assumption, observation: Observation) -> tuple[bool | None, str]:
    """Run the probe of an assumption.

    Returns its answer (`None`: not seen) and a sentence: what is assumed, what refutes it, or why
    it was not seen.
    """
    if assumption.probe is None:
        return None, "It cannot be observed without a change"
    try:
        answer = assumption.probe(observation)
    except RecordingError as error:
        return None, str(error)
    except Exception as error:  # noqa: BLE001  # a probe reads payloads that no page describes
        return None, f"The probe failed with {type(error).__name__}"
    if answer is None:
        return None, "This account does not show it"
    return answer, assumption.assumed if answer else assumption.refuted_by


@frozen
class UnknownPart:
    """Something that a vendor sent and that the provider does not read.

    Attributes:
        kind: `status`: a word without a meaning; `unread`: a field in an unexpected form; `field`:
            a field that no page of the vendor shows
        name: the word, or the path of the field
        json_type: the JSON type of the field's value; empty for a status
        count: in how many payloads
    """

    kind: str
    name: str
    json_type: str
    count: int


def find_unknown_parts(
    observation: Observation, known_fields: Collection[str]
) -> Iterator[UnknownPart]:
    """Yield what the vendor sent and the provider does not read, without any of its values.

    `known_fields` are the paths of the fields that the vendor's pages show; if it is empty, unknown
    fields are not searched.
    """
    counts: dict[tuple[str, str, str], int] = {}

    def count(kind: str, name: str, json_type: str = "") -> None:
        key = kind, name, json_type
        counts[key] = counts.get(key, 0) + 1

    seen: list[Recording | RecordingSession] = [
        *observation.recordings,
        *observation.sessions.values(),
    ]
    for each in seen:
        if each.status is RecordingStatus.UNKNOWN and each.provider_status is not None:
            count("status", each.provider_status)
        if isinstance(each, Recording):
            for path in each.unread_fields:
                count("unread", path, _find_json_type(each.raw, path.split(".")))
        if known_fields:
            for found in set(_list_unknown_fields(each.raw, known_fields)):
                count("field", *found)
    for (kind, name, json_type), number in sorted(counts.items()):
        yield UnknownPart(kind, name, json_type, number)


def _list_unknown_fields(
    value: Any, known: Collection[str], path: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield path and JSON type of each field that is not known.

    The fields inside a known one are only searched if a known path leads into it: its keys may be
    names of files or participants.
    """
    if isinstance(value, list):
        for item in value:
            yield from _list_unknown_fields(item, known, path)
    if not isinstance(value, dict):
        return
    if path and not any(each.startswith(f"{path}.") for each in known):
        return
    for name, inner in value.items():
        inner_path = f"{path}.{name}" if path else name
        if inner_path in known:
            yield from _list_unknown_fields(inner, known, inner_path)
        else:
            yield inner_path, _name_json_type(inner)


def _find_json_type(value: Any, names: Iterable[str]) -> str:
    """Find the JSON type of the field at a path; empty if the path leads through an array."""
    for name in names:
        if not isinstance(value, Mapping) or name not in value:
            return ""
        value = value[name]
    return _name_json_type(value)


def _name_json_type(value: Any) -> str:
    names = {str: "string", bool: "boolean", int: "number", float: "number", list: "array"}
    return "null" if value is None else names.get(type(value), "object")
