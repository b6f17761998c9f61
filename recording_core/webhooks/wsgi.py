"""WSGI application that receives webhooks; needs no framework."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from recording_core.errors import WebhookRejected
from recording_core.webhooks.endpoint import Endpoint, build_response, handle_request
from recording_core.webhooks.receiver import Receiver
from recording_core.webhooks.request import WebhookRequest

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication


def wsgi_app(receiver: Receiver | Mapping[str, Receiver], *, url: str) -> WSGIApplication:
    """Build a WSGI application (PEP 3333) that receives webhooks.

    It responds with 200, with the status of a `WebhookRejected`, or with 503 if a listener
    raised, so that the vendor sends the webhook again.

    Arguments:
        receiver: one receiver, or a mapping of paths to receivers
        url: the public URL that is configured at the vendor; with several receivers, the URL that
            their paths are appended to
    """
    endpoint = Endpoint(receiver, url)

    def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        # PEP 3333: the bytes of a path are decoded as latin-1.
        path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
        try:
            found, url = endpoint.find_receiver(environ["REQUEST_METHOD"], path)
            request = WebhookRequest.from_wsgi(environ, url=url, max_body=found.max_body)
            status = handle_request(found, request)
        except WebhookRejected as error:
            status = HTTPStatus(error.status)
        headers, body = build_response(status)
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    return application
