"""Forms: the parameters of a webhook, and the text of them that vendors sign."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl

from recording_core.errors import MalformedPayload

#: More parameters and escapes than any webhook has: a body from an unknown sender must be decoded
#: before its signature can be checked.
_MOST_PARAMETERS = 1000
_MOST_ESCAPES = 5000


def read_form(form: str | bytes) -> tuple[tuple[str, str], ...]:
    """Read the names and values of a form (`application/x-www-form-urlencoded`), or of a query.

    They are decoded, in the order in which they were sent, and include blank values. Raises
    `MalformedPayload` for a form that is not UTF-8, or is larger than any webhook.
    """
    try:
        text = form.decode("utf-8") if isinstance(form, bytes) else form
    except UnicodeDecodeError:
        raise MalformedPayload("the form is not UTF-8") from None
    if text.count("%") > _MOST_ESCAPES:
        raise MalformedPayload("the parameters have more escapes than any webhook")
    try:
        return tuple(
            parse_qsl(
                text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS
            )
        )
    except ValueError:
        raise MalformedPayload("the parameters cannot be decoded") from None


def build_form_message(url: str, parameters: Iterable[tuple[str, str]]) -> bytes:
    """Build the message that vendors sign of a form: the URL, then all names and values, sorted.

    Nothing separates them. A value that is repeated under its name counts once. Since `AB=C` and
    `A=BC` give the same message, accept only the names and values that the vendor documents. Raises
    `MalformedPayload` for text that cannot be encoded.
    """
    text = url + "".join(name + value for name, value in sorted(set(parameters)))
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedPayload("the text cannot be encoded in UTF-8") from None
