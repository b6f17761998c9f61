"""Bodies: requests as forms, and responses that are expected to be text, bytes or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from recording_core import MalformedPayload, NotFound, OutcomeUnknown, Unavailable
from recording_core.plugin import ErrorDetails, RetryPolicy
from recording_core.testing import Reply, Request
from recording_core.transport.client import Transport

Serve = Callable[..., tuple[str, list[Request]]]
MakeTransport = Callable[..., Transport]

#: the credential of `transport`, in conftest.py
TOKEN = "s3cr3t-T0KEN-of-the-account"
XML = {"Content-Type": "application/xml"}


def post(transport: Transport, **arguments: Any) -> Any:
    arguments = {"operation": "start", "retry": RetryPolicy.NEVER, **arguments}
    return transport.request("POST", "calls", **arguments).payload


def test_a_form_is_encoded_with_repeated_fields(serve: Serve, transport: MakeTransport) -> None:
    origin, journal = serve(Reply.json({}))
    form = {
        "Status": "in-progress",
        "Event": ["completed", "absent"],
        "Dual": True,
        "Limit": 60,
        "Blank": "",
        "Absent": None,
        "Name": "a b&c=é",
    }
    post(transport(origin), form=form)
    (request,) = journal
    assert request.header("content-type") == "application/x-www-form-urlencoded"
    assert request.header("accept") == "application/json"
    assert request.body == (
        b"Status=in-progress&Event=completed&Event=absent&Dual=true&Limit=60&Blank="
        b"&Name=a+b%26c%3D%C3%A9"
    )


@pytest.mark.parametrize("value", [{"a": 1}, [{"a": 1}], [["a"]]])
def test_a_form_with_an_object_raises_before_any_request(
    serve: Serve, transport: MakeTransport, value: Any
) -> None:
    origin, journal = serve(Reply.json({}))
    with pytest.raises(ValueError, match="'x_extra'"):
        post(transport(origin), form={"x_extra": value})
    assert not journal


def test_an_empty_form_has_no_body(serve: Serve, transport: MakeTransport) -> None:
    origin, journal = serve(Reply.json({}))
    post(transport(origin), form={})
    assert (journal[0].body, journal[0].header("content-length")) == (b"", "0")


def test_headers_are_added_and_replace_no_credential(
    serve: Serve, transport: MakeTransport
) -> None:
    origin, journal = serve(Reply(200, b"<a/>", XML))
    headers = {"Accept": "application/xml", "X-Version": "2", "X-Auth-Token": "another"}
    post(transport(origin), headers=headers, expect="text")
    found = [journal[0].header(name) for name in ("accept", "x-version", "x-auth-token")]
    assert found == ["application/xml", "2", TOKEN]


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("<a>é</a>".encode(), "application/xml", "<a>é</a>"),
        ("<a>é</a>".encode("latin-1"), 'text/xml; Charset="ISO-8859-1"; x=1', "<a>é</a>"),
        (b'{"a": 1}', "application/json", '{"a": 1}'),
        (b"", "text/plain", ""),
    ],
)
def test_a_text_is_returned_as_it_is(
    serve: Serve, transport: MakeTransport, body: bytes, content_type: str, text: str
) -> None:
    origin, journal = serve(Reply(200, body, {"Content-Type": content_type}))
    assert post(transport(origin), expect="text") == text
    assert journal[0].header("accept") == "*/*"


def test_a_text_shows_no_credential_of_ours(serve: Serve, transport: MakeTransport) -> None:
    origin, _ = serve(Reply(200, f"<token>{TOKEN}</token>".encode(), XML))
    assert post(transport(origin), expect="text") == "<token>***</token>"


@pytest.mark.parametrize("charset", ["utf-8", "no-such", "punycode", "rot13"])
def test_a_text_that_cannot_be_decoded_is_malformed(
    serve: Serve, transport: MakeTransport, charset: str
) -> None:
    reply = Reply(200, b"\xff\xfe\xff", {"Content-Type": f"text/plain; charset={charset}"})
    origin, _ = serve(reply)
    with pytest.raises(MalformedPayload, match=charset):
        transport(origin).request(
            "GET", "calls", operation="get", retry=RetryPolicy.IDEMPOTENT, expect="text"
        )


def test_bytes_are_returned_as_they_are(serve: Serve, transport: MakeTransport) -> None:
    origin, _ = serve(Reply(200, b"\x00\xff"))
    assert post(transport(origin), expect="bytes") == b"\x00\xff"


@pytest.mark.parametrize("body", [b"", b"OK", b"\xff", b'{"id": 1}'])
def test_a_body_that_is_not_expected_is_not_read(
    serve: Serve, transport: MakeTransport, body: bytes
) -> None:
    origin, _ = serve(Reply(200, body))
    assert post(transport(origin), expect="none") is None


def read_xml_error(status: int, headers: Any, body: Any) -> ErrorDetails:
    assert isinstance(body, str | dict)
    known = isinstance(body, str) and body.startswith("<Error>")
    return ErrorDetails(message=body[7:-8] if known else None, recognized=known, absent=known)


def test_a_provider_reads_the_text_of_an_error(serve: Serve, transport: MakeTransport) -> None:
    origin, _ = serve(Reply(404, b"<Error>no such call</Error>", XML))
    ours = transport(origin, retries=0, error_details=read_xml_error)
    with pytest.raises(NotFound, match="no such call") as caught:
        post(ours, expect="text")
    assert caught.value.absent


@pytest.mark.parametrize(
    ("body", "expect"),
    [
        (b"<html>404</html>", "text"),
        (b"\xff", "text"),
        (b"<Error>x</Error>", "json"),
        (b'""', "json"),
    ],
)
def test_another_text_is_no_evidence(
    serve: Serve, transport: MakeTransport, body: bytes, expect: str
) -> None:
    origin, _ = serve(Reply(404, body, XML))
    ours = transport(origin, retries=0, error_details=read_xml_error)
    with pytest.raises(OutcomeUnknown):
        post(ours, expect=expect)
    with pytest.raises(Unavailable):
        post(ours, expect=expect, operation="get", retry=RetryPolicy.IDEMPOTENT)
