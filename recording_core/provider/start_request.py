"""Start request: the shared parameters of `start`, in one table, and a request that has them."""

# Annotations are evaluated here: the table is made of them, without the cost of get_type_hints.

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, TypedDict

from attrs import field, frozen

from recording_core.model.entities import CommunicationSession
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


@frozen
class StartParameter:
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
    """The keywords of `start`, with their types, checks and help. A new one is a row here."""

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


@frozen
class StartRequest:
    """The parameters of `Provider.start`, checked.

    Each parameter is an attribute of its name, `None` (`tracks`: false) if it was not given:
    `request.format`, `request.max_duration`. `participant` is a tuple of ids.

    Attributes:
        target: the session to record
        parameters: every shared parameter, by the keyword of `start`
        extra: additional fields, sent to the vendor unchanged
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
