"""Redaction: mask credentials, cut signed queries and escape controls before a text is shown."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"

#: The most characters that are shown of a vendor's words, such as a message or a code.
MOST_WORDS = 500
#: The most characters that are shown of a body, and the most characters of JSON that a body may
#: have to be kept as it is.
MOST_EXCERPT = 2000
MOST_PAYLOAD = 65536
#: How much more is redacted than is shown. The end of that is left out: a credential which the cut
#: splits is not recognised.
_MARGIN = 2048

_CREDENTIALS = (
    "access key, access token, api key, api secret, api token, authorization, auth token, "
    "client secret, credential, credentials, passphrase, password, private key, refresh token, "
    "rtmp url, secret, secret access key, secret key, signing secret, stream key, token, "
    "webhook secret"
)
#: Field names, in any spelling, whose values are masked in every payload. Vendors echo credentials
#: that they received (of a storage, a token) under some of them; the others are common synonyms.
#: The path of an RTMP URL, the target of a live stream, is the stream's key.
CREDENTIAL_FIELDS = frozenset(_CREDENTIALS.split(", "))

# Regular expressions as text, which `re` compiles and caches on first use: importing stays fast.

#: A URL, and its query or fragment if it has one: the query may contain a signature. It is optional
#: here, since otherwise a text of many URLs would be scanned to its end from each of them.
_URL_QUERY = r"(?i)\b((?:https?|rtmps?|wss?):(?:\\?/){2}[^\s\"'<>?#]*)([?#][^\s\"'<>]*)?"
#: The user:password@ before a URL's host.
_URL_USER = r"(?i)\b((?:https?|rtmps?|wss?):(?:\\?/){2})[^\s/\"'<>?#]*@"
#: A signed query parameter outside a full URL, e.g. in a path that an exception quotes.
_SIGNED_QUERY = (
    r"(?i)([?&](?:x-(?:amz|goog)-[a-z-]+|accesskey|token|signature|sig|key|api_key)=)[^&\s\"'<>]*"
)
#: The value of an Authorization header.
_AUTHORIZATION = r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{4,}"
#: An ASCII character that a JSON encoder escaped without need, such as `&`, `+` or `/`.
_JSON_ESCAPE = rb"\\u00([2-7][0-9A-Fa-f])"
#: A credential field in text that could not be parsed ("auth_token": "...").
_CREDENTIAL_FIELD = (
    r"(?i)([\"']?\b(?:x[-_])?(?:"
    r"(?:(?:access|api|auth|client|refresh|signing|webhook)[-_]?)?(?:token|secret|password)"
    r"|passphrase|(?:access|api|private|secret|signing|stream)[-_]?key)[\"']?\s*[:=]\s*)"
    r"(\"(?:[^\"\\]|\\.)*\"?|'[^']*'?|[^\s,;&}\"']+)"
)


def redact_url(url: str) -> str:
    """Remove query, fragment and user info from a URL.

    `https://user:key@h/a?X-Sig=1` becomes `https://h/a?***`.
    """
    redacted = re.sub(_URL_QUERY, lambda found: found[1] + (f"?{MASK}" if found[2] else ""), url)
    return re.sub(_URL_USER, r"\1", redacted)


def redact_text(text: str, secrets: Iterable[str] = ()) -> str:
    """Remove credentials and signed queries from free text, such as an error body or a message."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, MASK)
    text = re.sub(_AUTHORIZATION, rf"\1 {MASK}", text)
    text = re.sub(_CREDENTIAL_FIELD, rf"\1{MASK}", text)
    return re.sub(_SIGNED_QUERY, rf"\1{MASK}", redact_url(text))


def shorten_text(text: str, most: int = MOST_WORDS, secrets: Iterable[str] = ()) -> str:
    """Redact the beginning of a text, and cut it to `most` characters.

    The time does not depend on the length of the text, which a vendor chooses. A credential that
    the cut splits is left out.
    """
    secrets = tuple(secrets)
    margin = max(_MARGIN, *map(len, secrets), 0)
    length = most + 2 * margin
    redacted = redact_text(text[:length], secrets)
    if len(text) > length:
        redacted = redacted[:-margin]
    elif len(redacted) <= most:
        return redacted
    return f"{redacted[: most - 1]}…"


def shorten_payload(value: Any, redact: Callable[[Any], Any], shorten: Callable[..., str]) -> Any:
    """Redact the body of an error. Of a long one, only the beginning of its JSON is kept, as text.

    `redact` redacts a decoded value, and `shorten` a text.
    """
    if isinstance(value, str):
        return shorten(value, MOST_EXCERPT)
    if not isinstance(value, dict | list):
        return value
    import json

    text = ""
    for part in json.JSONEncoder(ensure_ascii=False, default=str, skipkeys=True).iterencode(value):
        text += part
        if len(text) > MOST_PAYLOAD:
            return shorten(text, MOST_EXCERPT)
    return redact(value)


#: Control characters, marks of the direction of text, separators of lines, other characters that
#: are invisible (except joiners, which emoji and some scripts need), and halves of characters. They
#: change what a terminal shows, or hide what a text contains.
_CONTROLS = (
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff]"
)
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape_controls(text: str) -> str:
    """Escape control characters and marks of text direction as JSON does, such as `\\u001b`.

    A text that is JSON keeps its meaning.
    """
    if text.isprintable():
        return text
    return re.sub(
        _CONTROLS, lambda found: _SHORT_ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04x}", text
    )


def _generate_spellings(name: str) -> Iterator[str]:
    """Yield `access key` as access_key, accessKey, Access-Key, ACCESS_KEY, x-access-key etc."""
    words = name.split()
    for prefix in ([], ["x"]):
        parts = prefix + words
        for separator in ("", "_", "-", " "):
            yield separator.join(parts)
            yield separator.join(parts).upper()
            yield separator.join(part.capitalize() for part in parts)
            yield separator.join([parts[0], *(part.capitalize() for part in parts[1:])])


#: `CREDENTIAL_FIELDS` in every spelling.
CREDENTIAL_KEYS = frozenset(key for name in CREDENTIAL_FIELDS for key in _generate_spellings(name))


def redact_object(value: dict[str, Any]) -> dict[str, Any]:
    """Mask the credential fields of one JSON object, but not those of objects nested in it."""
    if CREDENTIAL_KEYS.isdisjoint(value):
        return value
    secret_keys = [key for key in value if key in CREDENTIAL_KEYS and value[key] not in (None, "")]
    return {**value, **dict.fromkeys(secret_keys, MASK)}


def redact_payload(value: Any) -> Any:
    """Mask the values of all credential fields in a decoded JSON value.

    Returns the same object if nothing had to be masked.
    """
    if type(value) is list:
        items = [redact_payload(item) for item in value]
        return items if any(map(operator.is_not, items, value)) else value
    if not isinstance(value, dict):
        return value
    masked = redact_object(value)
    cleaned = ((key, item, redact_payload(item)) for key, item in masked.items())
    changed = {key: new for key, item, new in cleaned if new is not item}
    return {**masked, **changed} if changed else masked


def change_strings(value: Any, change: Callable[[str], str]) -> Any:
    """Apply a function to every string of a decoded JSON value, also to the keys of objects."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {
            change(key) if isinstance(key, str) else key: change_strings(item, change)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [change_strings(item, change) for item in value]
    return value


def _encode_credential(value: str) -> set[str]:
    """Return a credential as it is, and as URLs and JSON may write it."""
    in_json = value.replace("\\", "\\\\").replace('"', '\\"')
    return {value, quote(value, safe=""), quote_plus(value), in_json, in_json.replace("/", "\\/")}


class Secrets:
    """The credentials of one connection, to be removed from every text and payload."""

    __slots__ = ("_fetched", "_values")

    def __init__(self, values: Iterable[str]) -> None:
        # Values under six characters would mask ordinary words, and no real credential is as short.
        encoded = {
            each for value in values if len(value) >= 6 for each in _encode_credential(value)
        }
        self._values = tuple(sorted(encoded, key=len, reverse=True))
        self._fetched: tuple[str, ...] = ()

    def add(self, value: str) -> None:
        """Add a credential that was fetched later, such as a token. The last few are kept."""
        if len(value) >= 6:
            self._fetched = (*_encode_credential(value), *self._fetched[:7])

    def redact(self, text: str) -> str:
        """Remove these credentials, and anything that looks like one, from free text."""
        return redact_text(text, (*self._fetched, *self._values))

    def shorten(self, text: str, most: int = MOST_WORDS) -> str:
        """Redact the beginning of a text as `redact` does, and cut it to `most` characters."""
        return shorten_text(text, most, (*self._fetched, *self._values))

    def shorten_payload(self, value: Any) -> Any:
        """Redact the body of an error as `redact_payload` does; of a long one its beginning."""
        return shorten_payload(value, self.redact_payload, self.shorten)

    def is_echoed_in(self, data: bytes) -> bool:
        """Whether the bytes of a response contain one of these credentials."""
        if b"\\u00" in data:
            data = re.sub(_JSON_ESCAPE, lambda found: bytes.fromhex(found[1].decode()), data)
        return any(value.encode() in data for value in (*self._fetched, *self._values))

    def mask_echoes(self, value: Any) -> Any:
        """Mask these credentials in a decoded value and keep everything else, also signed URLs."""
        return change_strings(value, self._mask)

    def redact_payload(self, value: Any) -> Any:
        """Mask credential fields, as the function does, and these credentials in every value."""
        return change_strings(redact_payload(value), self.redact)

    def _mask(self, text: str) -> str:
        for secret in (*self._fetched, *self._values):
            text = text.replace(secret, MASK)
        return text

    def compute_digest(self) -> str:
        """Compute a digest of the credentials that were given, too slow to guess them by it."""
        import hashlib

        data = "\0".join(self._values).encode()
        return hashlib.pbkdf2_hmac("sha256", data, b"recording_core.redaction", 100_000).hex()

    def __repr__(self) -> str:
        return f"<Secrets of {len(self._values) + len(self._fetched)} values>"

    def __reduce__(self) -> str:
        raise TypeError("credentials are not pickled: connect again in the other process")
