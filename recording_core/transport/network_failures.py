"""Network failures: those whose reason is a certificate, a proxy or a variable of this machine."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from importlib.util import find_spec
from typing import Any

import requests
from requests.adapters import DEFAULT_CA_BUNDLE_PATH
from requests.utils import get_environ_proxies, select_proxy
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

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
_SOCKS_SCHEMES = frozenset({"socks4", "socks4a", "socks5", "socks5h"})
_PROXY_SCHEMES = _SOCKS_SCHEMES | {"http", "https"}
_UNREACHABLE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})
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
    variable, proxy = find_proxy(*origin)
    fault = find_proxy_fault(proxy) if proxy else None
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
    elif fault is not None and not sent:
        message, advice = f"{variable} {fault}", "Correct or unset it"
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
        # PySocks quotes the proxy's address and its answer, and no password.
        if reason := next((str(e) for e in causes if type(e).__module__ == "socks"), ""):
            message += f": {reason}"
    elif not sent and (broken := next(filter(None, map(_find_connection_fault, causes)), None)):
        reason, advice = broken
        message, lasting = f"No connection to {server} could be made: {reason}", False
    else:
        return None
    failure = Unavailable(f"{message}. Nothing was sent to the vendor. {advice}", **facts)
    failure._is_lasting = lasting
    return failure


def _find_connection_fault(error: BaseException) -> tuple[str, str] | None:
    """Find why no connection was made, and what to do, if this exception shows it."""
    if isinstance(error, socket.gaierror):
        reason = f"the name cannot be resolved (DNS: {error.strerror})"
        return reason, "Check base_url, and the DNS of this network"
    if isinstance(error, ConnectionRefusedError):
        return "it was refused, as no server listens there", "Check base_url, or try again later"
    if isinstance(error, requests.ConnectTimeout):
        return "no server answered in time", "Check base_url, and the firewalls of this network"
    if isinstance(error, OSError) and error.errno in _UNREACHABLE:
        return os.strerror(error.errno).lower(), "Check base_url and the network"
    return None


def _iterate_causes(error: BaseException) -> Iterator[BaseException]:
    """Iterate over an exception and those that requests and urllib3 wrapped in it."""
    yield error
    for each in (*error.args, getattr(error, "reason", None), error.__cause__):
        if isinstance(each, BaseException):
            yield from _iterate_causes(each)


def _find_variable(names: tuple[str, ...]) -> str | None:
    return next((name for name in names if os.environ.get(name)), None)


def find_bundle() -> tuple[str, str]:
    """Find the variable that names the file of certificate authorities, or `certifi`; and it."""
    variable = _find_variable(_BUNDLE_VARIABLES)
    return (variable, os.environ[variable]) if variable else ("certifi", DEFAULT_CA_BUNDLE_PATH)


def find_proxy(scheme: str, host: str, port: int) -> tuple[str | None, str | None]:
    """Find the variable that names the proxy for an origin, and its URL; None for no proxy."""
    url = f"{scheme}://{host}:{port}"
    if scheme != "https" or is_loopback(host):
        return None, None
    proxy = select_proxy(url, get_environ_proxies(url))
    if not proxy:
        return None, None
    return find_proxy_source(), proxy


def find_proxy_source() -> str:
    """Find the variable that names the proxy for https, if there is one."""
    return _find_variable(_PROXY_VARIABLES) or "the system's settings"


def parse_proxy(proxy: str) -> Url:
    """Parse the URL of a proxy, which may have no scheme. Raises `LocationParseError`."""
    return parse_url(proxy if "://" in proxy else f"http://{proxy}")


def find_proxy_fault(proxy: str) -> str | None:
    """Find what is wrong with the URL of a proxy, as the end of a sentence that never quotes it."""
    try:
        parsed = parse_proxy(proxy)
    except LocationParseError:
        parsed = None
    if parsed is None or not parsed.host or parsed.scheme not in _PROXY_SCHEMES:
        return "is not the URL of a proxy, such as http://proxy.example:3128"
    if parsed.scheme in _SOCKS_SCHEMES and find_spec("socks") is None:
        return "names a SOCKS proxy, which needs PySocks: pip install 'requests[socks]'"
    return None


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
