"""Start request: the shared parameters of `start`, in one table, their bounds, and a request."""

# Annotations are evaluated here: the table is made of them, without the cost of get_type_hints.

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, NamedTuple, TypedDict, TypeVar

from attrs import field, frozen

from recording_core.errors import UnsupportedOperation
from recording_core.model.entities import CommunicationSession
from recording_core.model.enums import OMIT
from recording_core.provider.validation import (
    check_channels,
    check_duration,
    check_extra,
    check_flag,
    check_participants,
    check_target,
    check_text,
    check_word,
)

Verb = TypeVar("Verb", bound=Callable[..., Any])


class StartParameter(NamedTuple):
    """One shared parameter of `start`.

    Attributes:
        check: returns the value in its final form; raises `TypeError` or `ValueError`
        help: one sentence, for the command line and the docs
        example: a value, for the conformance suite
        default: the value of a parameter that was not given
    """

    check: Callable[[Any, str], Any]
    help: str
    example: Any
    default: Any = None


class StartParameters(TypedDict, total=False):
    """The keywords of `start`, with their types, checks and help.

    A new one is a row here, and its final type a row of `_PARAMETER_TYPES` in
    `model/serialization.py`.
    """

    format: Annotated[
        str | None, StartParameter(check_word, "File format, e.g. mp3, wav or mp4.", "wav")
    ]
    max_duration: Annotated[
        timedelta | None,
        StartParameter(
            check_duration, "The vendor stops recording after this time.", timedelta(hours=1)
        ),
    ]
    channels: Annotated[
        int | None,
        StartParameter(
            check_channels, "Number of audio channels; 2 records each side separately.", 1
        ),
    ]
    participant: Annotated[
        str | Sequence[str] | None,
        StartParameter(
            check_participants, "Id of a participant to record; may be repeated.", "participant-1"
        ),
    ]
    tracks: Annotated[
        bool, StartParameter(check_flag, "Record one file per participant.", True, default=False)
    ]
    title: Annotated[
        str | None, StartParameter(check_text, "Title of the recording, for people.", "a title")
    ]
    callback_url: Annotated[
        str | None,
        StartParameter(
            check_text,
            "URL for the vendor's webhooks about this recording.",
            "https://example.com/hook",
        ),
    ]


#: Keyword of `start` -> its check, help and default.
START_PARAMETERS: Mapping[str, StartParameter] = {
    name: hint.__metadata__[0] for name, hint in StartParameters.__annotations__.items()
}
#: Keyword of `start` -> its type.
START_TYPES: Mapping[str, Any] = {
    name: hint.__origin__ for name, hint in StartParameters.__annotations__.items()
}


def document_parameters(verb: Verb) -> Verb:
    """Name each parameter of the table in a verb's signature and docstring, for help and docs."""
    signature = inspect.signature(verb)
    *given, extra, _ = signature.parameters.values()
    shared = [
        inspect.Parameter(name, extra.kind, default=each.default, annotation=START_TYPES[name])
        for name, each in START_PARAMETERS.items()
    ]
    documented: Any = verb
    documented.__signature__ = signature.replace(parameters=[*given, *shared, extra])
    if verb.__doc__:  # absent with `python -OO`
        lines = (f"{name}: {each.help}" for name, each in START_PARAMETERS.items())
        verb.__doc__ = verb.__doc__.replace("{parameters}", f"\n{' ' * 12}".join(lines))
    return verb


@frozen
class Bounds:
    """The values of one parameter of `start` that a vendor documents.

    `start` checks them before any request. Without arguments it sends every value.

    Attributes:
        values: the words or numbers that the vendor has, its default first; another one raises
            `UnsupportedOperation`
        least: the smallest value; a smaller one raises `ValueError`
        most: the largest value, of `participant` the largest number of ids; a larger one raises
            `ValueError`, and a second id `UnsupportedOperation` if `most` is 1
    """

    values: tuple[Any, ...] = ()
    least: Any = None
    most: Any = None


#: The keywords of `start` that a vendor supports, with or without their bounds.
SupportedParameters = frozenset[str] | Mapping[str, Bounds]


@frozen(eq=False, repr=False)
class StartRequest:
    """The parameters of `Provider.start`, checked.

    Each parameter is an attribute of its name, `None` (`tracks`: false) if it was not given:
    `request.format`, `request.max_duration`. `participant` is a tuple of ids.

    Attributes:
        target: the session to record
        parameters: every shared parameter, by the keyword of `start`
        extra: additional fields of the vendor's request; `merge` adds them to its body
    """

    target: CommunicationSession
    parameters: Mapping[str, Any] = field(repr=False)
    extra: Mapping[str, Any] = field(factory=dict, repr=False)

    def __getattr__(self, name: str) -> Any:
        # Looked up only for names that are not fields.
        if name in START_PARAMETERS:
            return self.parameters.get(name)
        raise AttributeError(f"StartRequest has no attribute {name!r}")

    def given_parameters(self) -> dict[str, Any]:
        """Return the shared parameters that were given, by the keyword of `start`."""
        return {name: value for name, value in self.parameters.items() if value}

    def merge(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of the vendor's request with `extra`.

        Objects are merged deeply, other values and lists are replaced, and `rec.OMIT` removes a
        field. Raises `ValueError` if `extra` would change what is recorded: if it has a field whose
        value in `body` is the id of the target or of a participant.
        """
        return _merge(body, self.extra, frozenset({self.target.id, *(self.participant or ())}))


def _merge(
    body: Mapping[str, Any], extra: Mapping[str, Any], ids: frozenset[str]
) -> dict[str, Any]:
    merged = dict(body)
    for name, value in extra.items():
        ours = body.get(name)
        if isinstance(ours, Mapping) and isinstance(value, Mapping):
            merged[name] = _merge(ours, value, ids)
        elif _contains_id(ours, ids):
            raise ValueError(
                f"extra must not contain {name!r}, which names what is recorded: pass another "
                "target or participant"
            )
        elif value is OMIT:
            merged.pop(name, None)
        elif (kept := _drop_omitted(value)) is not OMIT:
            merged[name] = kept
    return merged


def _contains_id(value: Any, ids: frozenset[str]) -> bool:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return any(_contains_id(each, ids) for each in value)
    return isinstance(value, str) and value in ids


def _drop_omitted(value: Any) -> Any:
    """Return a value without what `OMIT` marks; `OMIT` for an object that has nothing else."""
    if isinstance(value, Mapping) and value:
        kept = {name: _drop_omitted(each) for name, each in value.items()}
        return {name: each for name, each in kept.items() if each is not OMIT} or OMIT
    if isinstance(value, list | tuple):
        return [kept for each in value if (kept := _drop_omitted(each)) is not OMIT]
    return value


def build_start_request(
    target: CommunicationSession, given: Mapping[str, Any], extra: Mapping[str, Any] | None
) -> StartRequest:
    """Check the arguments of `start`. Raises `TypeError` or `ValueError`."""
    unknown = ", ".join(sorted(set(given) - set(START_PARAMETERS)))
    if unknown:
        raise TypeError(f"start has no parameter {unknown}; it has {', '.join(START_PARAMETERS)}")
    parameters = {
        name: parameter.check(given.get(name, parameter.default), name)
        for name, parameter in START_PARAMETERS.items()
    }
    return StartRequest(check_target(target), parameters, check_extra(extra))


def check_support(request: StartRequest, supported: SupportedParameters, vendor: str) -> None:
    """Check the given parameters against those of a vendor.

    Raises `UnsupportedOperation` or `ValueError`.
    """
    for name, value in request.given_parameters().items():
        if name not in supported:
            raise UnsupportedOperation(
                f"{vendor} does not support {name} when it records a {request.target.kind}. "
                f"Supported: {', '.join([*sorted(supported), 'extra'])}"
            )
        if isinstance(supported, Mapping):
            _check_bounds(f"{vendor}'s {name}", value, supported[name])


def _check_bounds(what: str, value: Any, bounds: Bounds) -> None:
    ids = value if isinstance(value, tuple) else None
    size = value if ids is None else len(ids)
    if bounds.values and not {*bounds.values}.issuperset(ids or (value,)):
        values = ", ".join(map(str, bounds.values))
        raise UnsupportedOperation(f"{what} is one of {values}, and cannot be {value!r}")
    if ids and bounds.most == 1 < len(ids):
        raise UnsupportedOperation(f"{what} is one id: start one recording per participant")
    if bounds.least is not None and size < bounds.least:
        raise ValueError(f"{what} must be at least {_format_bound(bounds.least)}")
    if bounds.most is not None and size > bounds.most:
        raise ValueError(f"{what} must be at most {_format_bound(bounds.most)}")


def _format_bound(bound: Any) -> str:
    return f"{bound.total_seconds():g} s" if isinstance(bound, timedelta) else f"{bound}"
