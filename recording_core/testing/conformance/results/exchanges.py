"""Exchanges: what the vendor of a failed test sent last, as text without credentials."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from recording_core.redaction import MASK, Secrets, escape_controls
from recording_core.testing.emulator.emulator import Emulator
from recording_core.testing.emulator.journal import JournalEntry
from recording_core.webhooks.request import WebhookRequest

#: How many exchanges and events are shown, and how many characters of each body.
_MOST_EXCHANGES = 10
_MOST_EVENTS = 4
_MOST_BODY = 400
#: How much of the end of an incomplete body is left out.
_MARGIN = 1024
#: A number or a time: the values of a query that are shown, since any other may sign a link.
_PLAIN = re.compile(r"[-+:.\dTZ ]{1,32}")
#: The pairs of a form, of any content type.
_FORM = re.compile(r"[\w.~%+*\[\]-]+=[^\s<>\"{}]*")

#: How a reply departs from an ordinary one.
_FAULTS: Mapping[str, str] = {
    "abort": "the connection is closed before the first byte",
    "cut_headers": "the connection is closed inside the headers",
    "cut_after": "the connection is closed inside the body",
    "stall": "a pause",
    "drip": "byte by byte",
}


def find_emulator(item: pytest.Item, error: BaseException) -> Emulator | None:
    """Return the emulator that a failed test used last: its own, or that of the fixture."""
    found: Emulator | None = getattr(getattr(item, "instance", None), "vendor", None)
    trace = error.__traceback__
    while trace is not None:
        for value in trace.tb_frame.f_locals.values():
            if isinstance(value, Emulator) and value.journal:
                found = value
        trace = trace.tb_next
    return found


def describe_exchanges(emulator: Emulator, events: Sequence[WebhookRequest] = ()) -> str:
    """Describe the last exchanges of an emulator, and the last of its events, the newest last."""
    secrets = Secrets([*emulator.credentials.values(), *emulator.webhooks.values()])
    journal = list(emulator.journal)
    shown = journal[-_MOST_EXCHANGES:]
    lines = (
        [f"... {len(journal) - len(shown)} exchanges before"] if len(journal) > len(shown) else []
    )
    for each in shown:
        lines += _describe_exchange(each, secrets)
    lines += [
        f"> webhook {secrets.redact(each.url)}{_describe_body(each.body, None, secrets)}"
        for each in events[-_MOST_EVENTS:]
    ]
    return "\n".join(lines) or "nothing: no request reached the emulator"


def show(value: Any, credentials: Iterable[str] = ()) -> str:
    """Return the `repr` of a row or a body, cut, without these credentials and signed links.

    Bytes are the JSON or the form of a body, and shown as text.
    """
    secrets = Secrets(credentials)
    if isinstance(value, bytes):
        value = _redact_body(value.decode(errors="replace"), secrets)
    return secrets.shorten(repr(secrets.redact_payload(value)), _MOST_BODY)


def _describe_exchange(entry: JournalEntry, secrets: Secrets) -> Iterator[str]:
    request = entry.request
    pairs = [(name, text if _PLAIN.fullmatch(text) else MASK) for name, text in request.query]
    query = f"?{MASK}" if entry.port == "media" else f"?{urlencode(pairs, safe='*')}"
    path = request.path + (query if request.query else "")
    sent = _describe_body(request.body, request.header("content-type"), secrets)
    yield secrets.redact(escape_controls(f"> {request.method} {path}")) + sent
    if (reply := entry.reply) is None:
        yield f"< {entry.status}: the emulator raised an exception"
        return
    faults = [text for name, text in _FAULTS.items() if getattr(reply, name) not in (None, False)]
    kind = next(
        (value for key, value in reply.headers.items() if key.lower() == "content-type"), ""
    )
    body = _describe_body(reply.body, kind, secrets, entry.size)
    yield f"< {reply.status}" + "".join(f" ({each})" for each in faults) + body


def _describe_body(body: bytes, kind: str | None, secrets: Secrets, size: int | None = None) -> str:
    """Describe a body, or the beginning of one of `size` bytes, as the end of a line."""
    if not body:
        return ""
    length = len(body) if size is None else size
    if kind and not any(each in kind for each in ("json", "text", "html", "xml", "form")):
        return f"  ({length:,} bytes of {kind})"
    text = _redact_body(body.decode(errors="replace"), secrets)
    if length != len(body):
        # The end of what the journal kept may be a part of a credential, which is not recognised.
        text = text[:-_MARGIN]
    size_of_cut = f"  ({length:,} bytes)" if len(text) > _MOST_BODY else ""
    return f"  {escape_controls(secrets.shorten(text, _MOST_BODY))}{size_of_cut}"


def _redact_body(text: str, secrets: Secrets) -> str:
    """Redact JSON, the decoded pairs of a form, or other text."""
    try:
        payload: Any = json.loads(text)
        cleaned = secrets.redact_payload(payload)
        return json.dumps(cleaned, ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        text = secrets.redact(text)
    if not _FORM.fullmatch(text):
        return text
    pairs = (secrets.redact_payload(dict([each])) for each in parse_qsl(text, True))
    return urlencode([pair for each in pairs for pair in each.items()], safe="*")
