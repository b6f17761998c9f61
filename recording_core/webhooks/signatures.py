"""Whose signature is it? Read out of a header in one canonical form, compared in constant time."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Iterable, Sequence

from recording_core.errors import ConfigurationError, WebhookRejected
from recording_core.model.events import WebhookRequest

__all__ = ["MOST", "check_base64", "check_hex", "key_bytes", "read_signatures"]

#: As many signatures are tried: vendors send one, or one for each of an account's few keys.
MOST = 16
#: No vendor's signature is longer, in characters; an RSA-4096 one has 684.
_LONGEST = 1024

_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/]{43}=", re.ASCII)


def read_signatures(request: WebhookRequest, *headers: str) -> list[str]:
    """What stands in these headers, repeated or separated by commas.

    Raises `WebhookRejected` (400) where there is nothing, or more than any vendor sends.
    """
    found: list[str] = []
    for name in headers:
        value = request.header(name)
        if value is None:
            continue
        if len(value) > MOST * _LONGEST:
            raise WebhookRejected(f"the header {name} is longer than any signature", status=400)
        found += [each for each in (part.strip(" \t") for part in value.split(",")) if each]
    if not found:
        raise WebhookRejected(f"no signature: the header {headers[0]} is missing", status=400)
    if len(found) > MOST:
        raise WebhookRejected(f"more than {MOST} signatures", status=400)
    return found


def check_hex(message: bytes, secrets: Sequence[str], signatures: Iterable[str]) -> None:
    """Return only if one is the HMAC-SHA256 of the message in lower-case hex.

    Raises `WebhookRejected`: 400 where none has that form, 401 where none is right; and
    `ConfigurationError` without a secret.
    """
    _check(message, secrets, [each for each in signatures if _HEX.fullmatch(each)], bytes.hex)


def check_base64(message: bytes, secrets: Sequence[str], signatures: Iterable[str]) -> None:
    """As `check_hex`, in canonical base64 of the standard alphabet."""
    _check(message, secrets, [each for each in signatures if _BASE64.fullmatch(each)], _base64)


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")


def _check(
    message: bytes, secrets: Sequence[str], signatures: list[str], written: Callable[[bytes], str]
) -> None:
    keys = [key_bytes(secret) for secret in secrets]
    if not keys:
        raise ConfigurationError("without a webhook secret no callback can be verified")
    if not signatures:
        raise WebhookRejected("the signature header holds no signature", status=400)
    for key in keys:
        # As text, of which there is one for each digest, and not as the bytes that it stands for.
        expected = written(hmac.digest(key, message, "sha256")).encode("ascii")
        for each in signatures:
            if hmac.compare_digest(expected, each.encode("ascii")):
                return
    raise WebhookRejected("the signature is not the vendor's, or of other content", status=401)


def key_bytes(secret: str) -> bytes:
    """A shared secret as the HMAC's key. Raises `ConfigurationError` for one that is none."""
    # A mark that an editor leaves before a text is not to be seen, and no space either.
    if not any(each.isprintable() and not each.isspace() for each in secret):
        raise ConfigurationError("a webhook secret must not be empty or blank")
    try:
        return secret.encode("utf-8")
    except UnicodeEncodeError:
        raise ConfigurationError("the webhook secret is no text") from None
