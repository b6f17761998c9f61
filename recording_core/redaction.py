"""How is anything made safe to show? Credentials are masked, signed queries are cut off."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable
from typing import Any

__all__ = ["CREDENTIAL_FIELDS", "MASK", "Secrets", "redact_payload", "redact_text", "redact_url"]

MASK = "***"

#: Field names, lower case and without separators, whose values no payload keeps: the vendors'
#: own (storage credentials of RealtimeKit, the token that Audian echoes, VoIPBin's and Plivo's
#: secrets) and the names that any other vendor would give them.
CREDENTIAL_FIELDS = frozenset(
    {
        "accesskey",
        "accesstoken",
        "apikey",
        "apisecret",
        "apitoken",
        "authorization",
        "authtoken",
        "clientsecret",
        "credential",
        "credentials",
        "password",
        "privatekey",
        "refreshtoken",
        "rtmpurl",  # a live-streaming target: its path is the stream's key
        "secret",
        "secretaccesskey",
        "secretkey",
        "signingsecret",
        "streamkey",
        "token",
        "webhooksecret",
        "xapikey",
        "xauthtoken",
    }
)

_SEPARATORS = str.maketrans("", "", "_- ")
# A URL up to its query; what follows the "?" signs it, and so does user:password@ before its host.
_URL_QUERY = re.compile(r"(?i)\b((?:https?|rtmps?|wss?)://[^\s\"'<>?#]*)[?#][^\s\"'<>]*")
_URL_USERINFO = re.compile(r"(?i)\b((?:https?|rtmps?|wss?)://)[^\s/\"'<>?#@]*@")
# A query that lost its origin, as in a path that an exception's text quotes.
_SIGNED_QUERY = re.compile(
    r"(?i)([?&](?:x-(?:amz|goog)-[a-z-]+|accesskey|token|signature|sig|key|api_key)=)[^&\s\"'<>]*"
)
_AUTHORIZATION = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{4,}")
# A credential field inside text that could not be parsed ("auth_token": "...", X-Auth-Token: ...).
_FIELD = re.compile(
    r"(?i)([\"']?\b(?:x[-_])?(?:"
    r"(?:(?:access|api|auth|client|refresh|signing|webhook)[-_]?)?(?:token|secret|password)"
    r"|(?:access|api|private|secret|signing)[-_]?key)[\"']?\s*[:=]\s*)"
    r"(\"(?:[^\"\\]|\\.)*\"?|'[^']*'?|[^\s,;&}\"']+)"
)


def redact_url(url: str) -> str:
    """The URL without its query, fragment and user info; `https://h/a?X-Sig=1` -> `https://h/a?***`."""
    return _URL_USERINFO.sub(r"\1", _URL_QUERY.sub(rf"\1?{MASK}", url))


def redact_text(text: str, secrets: Iterable[str] = ()) -> str:
    """Free text (an error's body, a message) without credentials and signed queries."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, MASK)
    text = _AUTHORIZATION.sub(rf"\1 {MASK}", text)
    text = _FIELD.sub(rf"\1{MASK}", text)
    return _SIGNED_QUERY.sub(rf"\1{MASK}", redact_url(text))


class _CredentialNames(dict[str, bool]):
    """Field name -> whether it names a credential, remembered: payloads repeat their names."""

    def __missing__(self, name: str) -> bool:
        answer = name.translate(_SEPARATORS).lower() in CREDENTIAL_FIELDS
        if len(self) < 10_000:  # names are the vendor's to choose, memory is ours
            self[name] = answer
        return answer


_is_credential = _CredentialNames()


def redact_payload(value: Any) -> Any:
    """A decoded JSON value with the values of credential fields masked.

    The same object comes back where nothing had to be masked; payloads nest no deeper than the
    decoder allows.
    """
    if type(value) is list:
        items = [redact_payload(item) if type(item) in _NESTED else item for item in value]
        return items if any(map(operator.is_not, items, value)) else value
    if type(value) is not dict:
        return value
    changed: dict[str, Any] = {}
    if any(map(_is_credential.__getitem__, value)):
        changed = {
            key: MASK
            for key, item in value.items()
            if _is_credential[key] and item is not None and item != ""
        }
    for key, item in value.items():
        if type(item) in _NESTED and key not in changed:
            cleaned = redact_payload(item)
            if cleaned is not item:
                changed[key] = cleaned
    return {**value, **changed} if changed else value


_NESTED = (dict, list)


class Secrets:
    """The credentials of one connection, which no text that leaves it may contain."""

    __slots__ = ("_values",)

    def __init__(self, values: Iterable[str]) -> None:
        # Short values would mask ordinary words; a credential of under six characters is none.
        self._values = tuple(sorted({v for v in values if len(v) >= 6}, key=len, reverse=True))

    def redact(self, text: str) -> str:
        return redact_text(text, self._values)

    def redact_payload(self, value: Any) -> Any:
        """As the function of that name, and our own credentials masked wherever they are echoed."""
        return self._mask(redact_payload(value))

    def _mask(self, value: Any) -> Any:
        if isinstance(value, str):
            for secret in self._values:
                if secret in value:
                    value = value.replace(secret, MASK)
            return value
        if isinstance(value, dict):
            return {key: self._mask(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._mask(item) for item in value]
        return value

    def __repr__(self) -> str:
        return f"<Secrets of {len(self._values)} values>"

    def __reduce__(self) -> str:
        raise TypeError("credentials are not pickled; connect anew in the other process")
