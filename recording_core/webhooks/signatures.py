"""Signatures: read them from headers in one canonical form, compare them in constant time."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from recording_core.errors import ConfigurationError, WebhookRejected
from recording_core.webhooks.request import WebhookRequest

#: The most signatures per request. Vendors send one, or one for each of an account's few keys.
MAX_SIGNATURES = 16
#: The most characters of a signature; an RSA-4096 signature has 684.
_MAX_LENGTH = 1024

#: The hash function of an HMAC. Vendors still use SHA-1, which an HMAC does not weaken (RFC 6194).
Digest = Literal["sha1", "sha256"]

_HEX = {"sha1": r"[0-9a-f]{40}", "sha256": r"[0-9a-f]{64}"}
_BASE64 = {"sha1": r"[A-Za-z0-9+/]{27}=", "sha256": r"[A-Za-z0-9+/]{43}="}


def read_signatures(request: WebhookRequest, *headers: str) -> list[str]:
    """Read the signatures in these headers, which may be repeated or separated by commas.

    Raises `WebhookRejected` (400) if there is none, or more than any vendor sends.
    """
    found: list[str] = []
    for name in headers:
        value = request.header(name)
        if value is None:
            continue
        if len(value) > MAX_SIGNATURES * _MAX_LENGTH:
            raise WebhookRejected(
                f"The header {name} is longer than any vendor's signatures", status=400
            )
        found += [each for each in (part.strip(" \t") for part in value.split(",")) if each]
    if not found:
        raise WebhookRejected(
            f"The request is not signed: the header {headers[0]} is missing", status=400
        )
    if len(found) > MAX_SIGNATURES:
        raise WebhookRejected(f"The request has more than {MAX_SIGNATURES} signatures", status=400)
    return found


def check_hex(
    message: bytes, secrets: Sequence[str], signatures: Iterable[str], digest: Digest = "sha256"
) -> None:
    """Check that a signature is the HMAC of the message in lower-case hex.

    Raises `WebhookRejected`: 400 if no signature has that form, 401 if none is correct. Raises
    `ConfigurationError` without a secret.
    """
    _check(message, secrets, signatures, digest, _HEX, bytes.hex)


def check_base64(
    message: bytes, secrets: Sequence[str], signatures: Iterable[str], digest: Digest = "sha256"
) -> None:
    """Check signatures like `check_hex`, in canonical base64 of the standard alphabet."""
    _check(message, secrets, signatures, digest, _BASE64, _encode_base64)


def _encode_base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _check(
    message: bytes,
    secrets: Sequence[str],
    signatures: Iterable[str],
    digest: Digest,
    patterns: Mapping[str, str],
    encode: Callable[[bytes], str],
) -> None:
    keys = [encode_secret(secret) for secret in secrets]
    if not keys:
        raise ConfigurationError("no webhook can be verified without a secret")
    signatures = [each for each in signatures if re.fullmatch(patterns[digest], each, re.ASCII)]
    if not signatures:
        raise WebhookRejected("The signature header contains no valid signature", status=400)
    for key in keys:
        # Compared as text, since base64 decoders accept several texts for one digest.
        expected = encode(hmac.digest(key, message, digest)).encode("ascii")
        for each in signatures:
            if hmac.compare_digest(expected, each.encode("ascii")):
                return
    raise WebhookRejected(
        "The signature does not match: it is not the vendor's, or the content was changed",
        status=401,
    )


def encode_secret(secret: str) -> bytes:
    """Encode a shared secret as the HMAC's key. Raises `ConfigurationError` if it is invalid."""
    # Not `strip()`, which keeps a byte order mark that an editor wrote.
    if not any(each.isprintable() and not each.isspace() for each in secret):
        raise ConfigurationError("a webhook secret must not be empty or blank")
    try:
        return secret.encode("utf-8")
    except UnicodeEncodeError:
        raise ConfigurationError(
            "the webhook secret contains characters that cannot be encoded"
        ) from None
