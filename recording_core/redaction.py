"""How is anything made safe to show? Credentials are masked, signed queries are cut off."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

__all__ = [
    "CREDENTIAL_FIELDS",
    "CREDENTIAL_KEYS",
    "MASK",
    "Secrets",
    "redact_object",
    "redact_payload",
    "redact_text",
    "redact_url",
]

MASK = "***"

#: Field names, in any of their spellings, whose values no payload keeps: what vendors echo of the
#: credentials that they were given (a storage's, a token's), and what others would call them.
CREDENTIAL_FIELDS = frozenset(
    {
        "access key",
        "access token",
        "api key",
        "api secret",
        "api token",
        "authorization",
        "auth token",
        "client secret",
        "credential",
        "credentials",
        "passphrase",
        "password",
        "private key",
        "refresh token",
        "rtmp url",  # a live-streaming target: its path is the stream's key
        "secret",
        "secret access key",
        "secret key",
        "signing secret",
        "stream key",
        "token",
        "webhook secret",
    }
)


class _Patterns:
    """Compiled when the first text is redacted: an import should not pay for errors to come."""

    @functools.cached_property
    def url_query(self) -> re.Pattern[str]:
        """A URL, and its query if it has one: what follows the "?" may sign it."""
        # Matches also without a query: else each URL within a long one would be read to its end.
        return re.compile(
            r"(?i)\b((?:https?|rtmps?|wss?):(?:\\?/){2}[^\s\"'<>?#]*)([?#][^\s\"'<>]*)?"
        )

    @functools.cached_property
    def url_user(self) -> re.Pattern[str]:
        """The user:password@ before a URL's host."""
        return re.compile(r"(?i)\b((?:https?|rtmps?|wss?):(?:\\?/){2})[^\s/\"'<>?#]*@")

    @functools.cached_property
    def signed_query(self) -> re.Pattern[str]:
        """A query that lost its origin, as in a path that an exception's text quotes."""
        names = "x-(?:amz|goog)-[a-z-]+|accesskey|token|signature|sig|key|api_key"
        return re.compile(rf"(?i)([?&](?:{names})=)[^&\s\"'<>]*")

    @functools.cached_property
    def authorization(self) -> re.Pattern[str]:
        """A header's value."""
        return re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{4,}")

    @functools.cached_property
    def escaped(self) -> re.Pattern[bytes]:
        """A plain character that JSON escapes without need, as some do of `&`, `+` or `/`."""
        return re.compile(rb"\\u00([2-7][0-9A-Fa-f])")

    @functools.cached_property
    def field(self) -> re.Pattern[str]:
        """A credential field in text that could not be parsed ("auth_token": "...")."""
        return re.compile(
            r"(?i)([\"']?\b(?:x[-_])?(?:"
            r"(?:(?:access|api|auth|client|refresh|signing|webhook)[-_]?)?(?:token|secret|password)"
            r"|(?:access|api|private|secret|signing)[-_]?key)[\"']?\s*[:=]\s*)"
            r"(\"(?:[^\"\\]|\\.)*\"?|'[^']*'?|[^\s,;&}\"']+)"
        )


_patterns = _Patterns()


def redact_url(url: str) -> str:
    """The URL without its query, fragment and user info; `https://h/a?X-Sig=1` -> `https://h/a?***`."""
    shown = _patterns.url_query.sub(lambda m: m[1] + (f"?{MASK}" if m[2] else ""), url)
    return _patterns.url_user.sub(r"\1", shown)


def redact_text(text: str, secrets: Iterable[str] = ()) -> str:
    """Free text (an error's body, a message) without credentials and signed queries."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, MASK)
    text = _patterns.authorization.sub(rf"\1 {MASK}", text)
    text = _patterns.field.sub(rf"\1{MASK}", text)
    return _patterns.signed_query.sub(rf"\1{MASK}", redact_url(text))


def _spellings(name: str) -> Iterator[str]:
    """`access key` as access_key, accessKey, Access-Key, ACCESS_KEY, x-access-key and so on."""
    words = name.split()
    for prefix in ([], ["x"]):
        parts = prefix + words
        for separator in ("", "_", "-", " "):
            yield separator.join(parts)
            yield separator.join(parts).upper()
            yield separator.join(part.capitalize() for part in parts)
            yield separator.join([parts[0], *(part.capitalize() for part in parts[1:])])


#: Those names in every spelling.
CREDENTIAL_KEYS = frozenset(key for name in CREDENTIAL_FIELDS for key in _spellings(name))


def redact_object(value: dict[str, Any]) -> dict[str, Any]:
    """One JSON object with its own credential fields masked, and what is nested in it as it is."""
    if CREDENTIAL_KEYS.isdisjoint(value):
        return value
    held = [key for key in value if key in CREDENTIAL_KEYS and value[key] not in (None, "")]
    return {**value, **dict.fromkeys(held, MASK)}


def redact_payload(value: Any) -> Any:
    """A decoded JSON value with the values of credential fields masked.

    The same object comes back where nothing had to be masked.
    """
    if type(value) is list:
        items = [redact_payload(item) for item in value]
        return items if any(map(operator.is_not, items, value)) else value
    if type(value) is not dict:
        return value
    masked = redact_object(value)
    changed: dict[str, Any] = {}
    for key, item in masked.items():
        cleaned = redact_payload(item)
        if cleaned is not item:
            changed[key] = cleaned
    return {**masked, **changed} if changed else masked


def _spelled(value: str) -> set[str]:
    """A credential as it is, and as URLs and JSON may write it."""
    return {value, quote(value, safe=""), quote_plus(value), value.replace("/", "\\/")}


class Secrets:
    """The credentials of one connection, which no text that leaves it may contain."""

    __slots__ = ("_fetched", "_values")

    def __init__(self, values: Iterable[str]) -> None:
        # Short values would mask ordinary words; a credential of under six characters is none.
        spelled = {each for value in values if len(value) >= 6 for each in _spelled(value)}
        self._values = tuple(sorted(spelled, key=len, reverse=True))
        self._fetched: tuple[str, ...] = ()

    def add(self, value: str) -> None:
        """One more that came later, such as a token; the last few of these are remembered."""
        if len(value) >= 6:
            self._fetched = (*_spelled(value), *self._fetched[:7])

    def redact(self, text: str) -> str:
        return redact_text(text, (*self._fetched, *self._values))

    def echoed_in(self, data: bytes) -> bool:
        """Whether an answer's bytes hold one of them, so that its values have to be looked at."""
        if b"\\u00" in data:
            data = _patterns.escaped.sub(lambda found: bytes.fromhex(found[1].decode()), data)
        return any(value.encode() in data for value in (*self._fetched, *self._values))

    def masked(self, value: Any) -> Any:
        """A decoded value without them; all else as it is, signed URLs too."""
        if isinstance(value, str):
            for secret in (*self._fetched, *self._values):
                value = value.replace(secret, MASK)
            return value
        if isinstance(value, dict):
            return {self.masked(key): self.masked(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.masked(item) for item in value]
        return value

    def redact_payload(self, value: Any) -> Any:
        """As the function of that name, and our own credentials masked wherever they are echoed."""
        return self._mask(redact_payload(value))

    def _mask(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, dict):
            return {self._mask(key): self._mask(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._mask(item) for item in value]
        return value

    def __repr__(self) -> str:
        return f"<Secrets of {len(self._values) + len(self._fetched)} values>"

    def __reduce__(self) -> str:
        raise TypeError("credentials are not pickled; connect anew in the other process")
