"""Network failures: those whose reason is a certificate, a proxy or a variable of this machine."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import requests
from requests.utils import get_environ_proxies, select_proxy

from recording_core.errors import Unavailable
from recording_core.transport.address_policy import Origin, is_loopback

#: The variables that name a file of certificate authorities, and a proxy for https, in the order in
#: which requests reads them: https://requests.readthedocs.io/en/latest/user/advanced/
_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")

_CHECK_CLOCK = "Check the clock of this machine. If it is right, the server needs a new certificate"
_CHECK_HOST = "Another server answers than the one of the URL: check base_url, DNS and proxies"
#: What to do about a certificate, by OpenSSL's code of the error (X509_V_ERR_ in x509_vfy.h). All
#: others mean that its authority is not trusted here.
_ADVICE = {9: _CHECK_CLOCK, 10: _CHECK_CLOCK, 62: _CHECK_HOST, 64: _CHECK_HOST}
#: What http.client raises if a proxy refuses to connect.
_TUNNEL_STATUS = re.compile(r"Tunnel connection failed: ([0-9]{3})")
#: Statuses of a proxy after which a later attempt may succeed, in addition to 5xx.
_PASSING_STATUSES = frozenset({408, 425, 429})


def explain_failure(
    error: Exception, origin: Origin, facts: Mapping[str, Any], *, sent: bool
) -> Unavailable | None:
    """Build the error of an exchange that a certificate, a proxy or a variable prevented.

    Returns None for a failure with another reason. `sent` is whether the server received a byte of
    the request. The error is lasting if another attempt would fail in the same way.
    """
    _, host, port = origin
    server = f"{host}:{port}"
    variable = _find_proxy_variable(origin)
    causes = list(_iterate_causes(error))
    if any(isinstance(each, requests.exceptions.ProxyError) for each in causes):
        server = f"the proxy of {variable}"
    certificate = next((e for e in causes if isinstance(e, ssl.SSLCertVerificationError)), None)
    tls = next((e for e in causes if isinstance(e, ssl.SSLError)), None)
    status = next((int(found[1]) for e in causes if (found := _TUNNEL_STATUS.search(str(e)))), 0)
    bundle = _find_variable(_BUNDLE_VARIABLES)
    advice = f"Check {variable}, or add the host to NO_PROXY to connect without the proxy"
    lasting = True
    if certificate is not None:
        reason = certificate.verify_message.rstrip(".")
        advice = _ADVICE.get(certificate.verify_code) or _describe_bundle(bundle)
        message = f"The TLS certificate of {server} is not accepted: {reason}"
    elif bundle and _is_about_bundle(error, tls):
        message = f"{bundle} does not name a readable file of certificate authorities"
        advice = "Correct or unset it"
    elif status:
        phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "unknown"
        message = (
            f"The proxy of {variable} did not connect to {host}:{port}: HTTP {status} ({phrase})"
        )
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            advice = f"Correct the user and the password in {variable}"
        lasting = status < 500 and status not in _PASSING_STATUSES
    elif tls is not None and not sent:
        reason = (tls.reason or "unknown reason").replace("_", " ").lower()
        message = f"The TLS handshake with {server} failed: {reason}"
        advice, lasting = "If it persists, check base_url and the proxies of this network", False
    elif variable is not None and not sent:
        message, lasting = f"The proxy of {variable} did not connect to {host}:{port}", False
    else:
        return None
    failure = Unavailable(f"{message}. Nothing was sent to the vendor. {advice}", **facts)
    failure._is_lasting = lasting
    return failure


def _iterate_causes(error: BaseException) -> Iterator[BaseException]:
    """Iterate over an exception and those that requests and urllib3 wrapped in it."""
    yield error
    for each in (*error.args, getattr(error, "reason", None)):
        if isinstance(each, BaseException):
            yield from _iterate_causes(each)


def _find_variable(names: tuple[str, ...]) -> str | None:
    return next((name for name in names if os.environ.get(name)), None)


def _find_proxy_variable(origin: Origin) -> str | None:
    """Find the variable that names the proxy for an origin; None if no proxy is used."""
    scheme, host, port = origin
    url = f"{scheme}://{host}:{port}"
    if scheme != "https" or is_loopback(host) or not select_proxy(url, get_environ_proxies(url)):
        return None
    return _find_variable(_PROXY_VARIABLES) or "the system's settings"


def _describe_bundle(variable: str | None) -> str:
    if variable is not None:
        return f"Add the certificate of its authority to the file that {variable} names"
    return (
        f"If this network has a certificate authority of its own, set {_BUNDLE_VARIABLES[0]} to a "
        "file that contains its certificate"
    )


def _is_about_bundle(error: Exception, tls: ssl.SSLError | None) -> bool:
    """Whether the file of certificate authorities could not be opened or read."""
    if tls is not None:
        return tls.library in ("X509", "PEM")
    return type(error) in (FileNotFoundError, NotADirectoryError, PermissionError)
