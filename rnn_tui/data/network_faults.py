"""What a network can do wrong, in plain words."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request

from rnn_tui.symbols import clean_line

_NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
_CUT = (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED)


def host_of(url: str) -> str:
    """The host of a URL, safe for a screen."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        return clean_line(f"{parts.hostname or url}{port}")[:100]
    except ValueError:
        return clean_line(url)[:100]


def network_fault(error: BaseException, url: str, timeout: float) -> str:
    """What is wrong, from the exception that a request or a read raised; `timeout` in seconds."""
    while isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        error = error.reason
    host, way = _asked(url)
    match error:
        case socket.gaierror():
            return f"{host} can't be found{way}: there is no network, or no name server"
        case ConnectionRefusedError():
            return f"{host} refuses the connection{way}"
        case ssl.SSLCertVerificationError():
            reason = clean_line(error.verify_message)[:100]
            return (
                f"{host} can't prove who it is{way} ({reason}): this machine's clock is wrong, or a proxy needs a "
                "certificate that SSL_CERT_FILE names"
            )
        case ssl.SSLError():
            reason = clean_line(getattr(error, "reason", "") or str(error))[:100]
            return f"no safe connection to {host} comes about{way} ({reason})"
        case TimeoutError():
            return f"{host} is silent{way}: nothing came for {timeout:g} seconds"
        case http.client.RemoteDisconnected() | http.client.IncompleteRead():
            return f"{host} cut the connection{way}"
        case http.client.HTTPException():
            return f"{host} gives an answer that is no HTTP{way}"
        case OSError() if error.errno in _NO_ROUTE:
            return f"there is no network: no way leads to {host}{way}"
        case OSError() if error.errno in _CUT:
            return f"{host} cut the connection{way}"
    reason = getattr(error, "strerror", "") or getattr(error, "reason", "") or str(error)
    return f"{host} can't be reached{way} ({clean_line(str(reason)).lower()[:200]})"


def http_fault(status: int, host: str, reason: str) -> tuple[str, str]:
    """What an HTTP status of refusal means, and what to do."""
    if 300 <= status < 400:
        if "infinite loop" in reason:
            return f"{host} sends us in a circle, from one address to the next (HTTP {status})", "try again later"
        return f"{host} sends us where the file can't be had by http or https (HTTP {status})", "try again later"
    if status in (404, 410):
        return f"{host} has no such file (HTTP {status})", "it was moved or deleted there, so look for it elsewhere"
    if status in (401, 403, 451):
        return f"{host} does not let anybody have the file (HTTP {status})", "try again later, or from another network"
    if status == 407:
        return f"the proxy wants a name and a password (HTTP {status})", "put them into https_proxy"
    if status == 429:
        return f"{host} was asked too often (HTTP {status})", "try again in an hour"
    if status >= 500:
        return f"{host} has a fault of its own (HTTP {status})", "try again later"
    return f"{host} refuses (HTTP {status})", "try again later"


def _asked(url: str) -> tuple[str, str]:
    """The host that is connected to, and in brackets what for, where that is a proxy."""
    host = host_of(url)
    parts = urllib.parse.urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if not proxy or urllib.request.proxy_bypass(parts.hostname or ""):
        return host, ""
    # Without the name and password that may stand in it.
    return f"the proxy {host_of(proxy if '://' in proxy else 'http://' + proxy)}", f" (asked for {host})"
