"""Boundaries: whether the text that Twilio signs can be that of another event.

Twilio signs the URL, then the sorted names and values of a form, with nothing between them, and no
method. A caller may have chosen a part of the text, such as a name or a SIP header.

A genuine form has Twilio's names. Those that stand before any text of a caller are certain, and
since names are sorted, no later text can name them again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from recording_core import MalformedPayload, WebhookRequest
from recording_twilio import mapping, signature

_HEX = "[0-9a-fA-F]{32}"
_NUMBER = r"-?[0-9]*"
#: The fields whose values Twilio alone chooses; the pattern of each shows its end.
_CERTAIN: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern, re.ASCII)
    for name, pattern in {
        "AccountSid": f"AC{_HEX}",
        "ApiVersion": r"[0-9-]{10}",
        "CallSid": f"CA{_HEX}",
        "ConferenceSid": f"CF{_HEX}",
        "ErrorCode": _NUMBER,
        "RecordingChannels": _NUMBER,
        "RecordingDuration": _NUMBER,
        "RecordingSid": f"RE{_HEX}",
        "RecordingSource": r"[A-Za-z]{1,64}?(?=RecordingSta|\Z)",
        "RecordingStartTime": r"[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} "
        r"[+-][0-9]{4}",
        "RecordingStatus": r"[a-z-]+",
    }.items()
}
#: `RecordingStatus` -> which number also decides about the event.
_DECIDING = {None: "RecordingDuration", mapping.ABSENT: "ErrorCode"}
#: A form's text has no `=`. Every webhook names its account, before any text of a caller.
_ACCOUNT = re.compile(f"AccountSid(=?)AC{_HEX}", re.ASCII)


def check_boundaries(request: WebhookRequest, words: Iterable[str]) -> None:
    """Check that no other form with the same signature is about another event.

    `words` are the values of `RecordingStatus` that Twilio documents. Raises `MalformedPayload`.
    """
    parameters = sorted(set(signature.read_signed(request)))
    if parameters:
        _check_form(parameters, words)
        return
    # A query or a hash of JSON: the URL alone is signed, with its boundaries.
    account = _ACCOUNT.search(unquote(request.url))
    if account and not account[1]:
        raise MalformedPayload("the signed URL can also be the text of a form")


def _check_form(parameters: Iterable[tuple[str, str]], words: Iterable[str]) -> None:
    text = "".join([name + value for name, value in parameters])
    own: dict[str, tuple[int, str]] = {}
    position = certain = 0
    for name, value in parameters:
        is_certain = certain == position and name in _CERTAIN
        start = position + len(name)
        position = start + len(value)
        own[name] = (start, value)
        found = _CERTAIN[name].match(text, start) if is_certain else None
        if found and found.end() == position:
            certain = position
    _, word = own.get("RecordingStatus", (0, None))
    identifying = {
        "RecordingSid": f"RE{_HEX}",
        "RecordingStatus": f"(?:{'|'.join(words)})(?![a-z-])",
    }
    if word in _DECIDING:
        identifying[_DECIDING[word]] = "-?[0-9]+"
    for name, pattern in identifying.items():
        if text[certain : certain + len(name)] > name:
            continue  # the next name, and so every later one
        for found in re.compile(f"{name}({pattern})", re.ASCII).finditer(text):
            if own.get(name) != (found.start(1), found[1]):
                raise MalformedPayload(f"another text contains the field {name!r} with a value")
