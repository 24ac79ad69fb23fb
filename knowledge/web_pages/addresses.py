"""Which addresses may be asked for: lists written by the owner, and hosts on the public internet.

A list could name, and a page could redirect to, what only this machine reaches: its own services,
the company's network, a cloud's metadata service. Such addresses are refused after the name is
resolved, and the connection then goes to the very address that was looked at.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit, urlunsplit

from knowledge.formats.encodings import decode
from knowledge.formats.pieces import MEGABYTE, Skipped, Unreadable

MOST_ADDRESSES = 2_000
_LONGEST_ADDRESS = 2_000
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# All of IPv6 that is given to networks of the public internet (RFC 4291, IANA).
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# Of protocols, not of websites (RFC 6890), and relays that are no more (RFC 7526). What Python
# says of them differs between its versions.
_OF_PROTOCOLS = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("192.88.99.0/24"))

Resolve = Callable[[str, int], Sequence[str]]
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Refused(Exception):
    """An address that is not asked; carries message and remedy."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The addresses of one list with their lines, each once, and the lines that are none."""

    addresses: tuple[tuple[int, str], ...] = ()
    skipped: tuple[Skipped, ...] = ()


def read_list(file: Path) -> Listed:
    """The addresses in a file, one a line; `#` begins a comment. Raises `Unreadable`."""
    try:
        if file.stat().st_size > MEGABYTE:
            raise Unreadable("larger than 1 MB", "split the list")
        text = decode(file.read_bytes())
    except OSError as error:
        raise Unreadable(
            f"cannot be read ({error.strerror})", "check that the file exists and may be read"
        ) from error
    found: dict[str, int] = {}
    skipped = []
    for number, line in enumerate(text.splitlines(), 1):
        # An address may hold a # of its own; a comment stands apart.
        told = line.partition(" #")[0].strip()
        if not told or told.startswith("#"):
            continue
        try:
            found.setdefault(normal(told), number)
        except Refused as error:
            skipped.append(Skipped(message=error.message, remedy=error.remedy, line=number))
    if len(found) > MOST_ADDRESSES:
        raise Unreadable(f"more than {MOST_ADDRESSES} addresses", "name the pages that matter")
    return Listed(
        addresses=tuple((number, address) for address, number in found.items()),
        skipped=tuple(skipped),
    )


def normal(address: str) -> str:
    """One spelling of an address, without its fragment. Raises `Refused` for what is no plain web
    address."""
    try:
        parts = urlsplit(address)
        host, port = ascii_host(parts.hostname or ""), parts.port
    except ValueError as error:
        raise Refused("this is no web address", "write https://host/page") from error
    if parts.scheme.lower() not in ("http", "https") or not host:
        raise Refused("this is no web address", "write https://host/page")
    if parts.username is not None or parts.password is not None:
        raise Refused("it holds a password", "name pages that are open to everybody")
    if len(address) > _LONGEST_ADDRESS or any(mark.isspace() for mark in address):
        raise Refused("this is no web address", "write one address a line")
    scheme = parts.scheme.lower()
    default = 443 if scheme == "https" else 80
    shown = f"[{host}]" if ":" in host else host
    netloc = shown if port in (None, default) else f"{shown}:{port}"
    return urlunsplit((scheme, netloc, parts.path or "/", parts.query, ""))


def ascii_host(host: str) -> str:
    """A host as it is asked for: in lower case, and in the spelling of RFC 3490 (`xn--…`) if its
    name is not plain ASCII. Raises ValueError for what is no host."""
    if host.isascii():
        return host.lower()
    # Also sees to it that no label is empty or too long.
    return host.encode("idna").decode("ascii").lower()


def site_of(address: str) -> str:
    """The site of a normal address, as in `https://host:port`: what a robots.txt is about."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def host_of(address: str) -> str:
    """The host of a normal address, with its port where it is not the usual one."""
    return urlsplit(address).netloc


def public_address(
    address: str, *, allowed_hosts: frozenset[str], resolve: Resolve | None = None
) -> str:
    """The IP address to connect to for a normal address. Raises `Refused` if the host is unknown,
    or if any of its addresses is not on the public internet and the owner did not allow the host
    (by name, or as `name:port`)."""
    parts = urlsplit(address)
    host, port = parts.hostname or "", _port(parts)
    try:
        found = (resolve or _resolve)(host, port)
    except (OSError, UnicodeError) as error:
        raise Refused(f"the host {host} is not known", "correct the address") from error
    if not found:
        raise Refused(f"the host {host} is not known", "correct the address")
    if {host, parts.netloc}.isdisjoint(map(_as_asked, allowed_hosts)):
        for each in found:
            if not is_public(each):
                raise Refused(
                    f"the host {host} is not on the public internet",
                    "if it is yours, allow this host for web pages in the configuration",
                )
    return found[0]


def is_public(address: str) -> bool:
    """Whether an IP address can belong to a website of the public internet."""
    try:
        ip: IpAddress = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if ip in _NAT64:
        return is_public(str(_inner(ip)))
    if isinstance(ip, ipaddress.IPv6Address) and ip not in _GLOBAL_UNICAST:
        return False
    if any(ip in network for network in _OF_PROTOCOLS):
        return False
    inner = _inner(ip)
    if inner is not None and not is_public(str(inner)):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not ip.is_unspecified


def _as_asked(allowed: str) -> str:
    host, colon, port = allowed.strip().partition(":")
    try:
        return f"{ascii_host(host)}{colon}{port}"
    except ValueError:
        return allowed


def _inner(ip: IpAddress) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to."""
    if not isinstance(ip, ipaddress.IPv6Address):
        return None
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip.teredo:
        return ip.teredo[1]
    return ip.ipv4_mapped or ip.sixtofour


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))
