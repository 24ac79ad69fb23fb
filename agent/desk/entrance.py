"""Where visitors come from: which addresses are this page's own, and which are whose.

Behind a reverse proxy everybody's connection comes from the proxy, so the client's address is
what a trusted proxy says it is, and nobody whom a proxy forwards counts as somebody on this
machine unless the proxy is trusted and says so. A proxy that says nothing (nginx, unless it is
told to) looks like a browser on this machine; so where there is a public address, nobody is from
this machine unless the owner wants it so.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_FORWARDING = ("x-forwarded-for", "x-real-ip", "forwarded", "x-forwarded-host", "via")


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Somebody at the door. `local`: a browser on this machine, with nothing in between."""

    address: str
    local: bool
    secure: bool
    origin: str | None  # of the page that the request came from


@dataclass(frozen=True, kw_only=True)
class Entrance:
    """How the page is reached. `host`: the address it is served on; `public_url`: scheme and host
    that people type, '' where that is `host`; `trusted_proxies`: addresses or networks of
    reverse proxies; `with_simulator`: whether who is on this machine gets the simulator, None:
    where there is no `public_url`."""

    host: str = "127.0.0.1"
    public_url: str = ""
    trusted_proxies: tuple[str, ...] = ()
    with_simulator: bool | None = None

    @property
    def serves_simulator(self) -> bool:
        return not self.public_url if self.with_simulator is None else self.with_simulator

    def caller(self, peer: str | None, scheme: str, headers: Headers) -> Caller | None:
        """Who calls; None for a foreign host or origin.

        A name that somebody else had resolved to this machine is a foreign host, so that a page
        elsewhere cannot talk to this one through its visitor's browser.
        """
        host = headers.get("host", "")
        forwarded = any(name in headers for name in _FORWARDING)
        trusted = self._trusts(peer)
        address = self._client(peer, headers) if trusted else peer or ""
        named = _hostname(host)
        public = urlsplit(self.public_url)
        is_public = bool(public.netloc) and host.lower() == public.netloc.lower()
        if not (
            is_public
            or (named in LOOPBACK and (_is_loopback(peer) or trusted))
            or (named is not None and named == self.host)
        ):
            return None
        origin = headers.get("origin")
        if origin is not None and not self._is_own(origin, host, is_public):
            return None
        return Caller(
            address=address,
            local=(
                self.serves_simulator
                and named in LOOPBACK
                and _comes_from_loopback(headers)
                and _is_loopback(peer)
                and _is_loopback(address)
                and not is_public
                and (trusted or not forwarded)
            ),
            secure=scheme in ("https", "wss") or (is_public and public.scheme == "https"),
            origin=origin,
        )

    def _is_own(self, origin: str, host: str, is_public: bool) -> bool:
        if self.public_url and origin.lower() == self.public_url.lower():
            return True
        return not is_public and urlsplit(origin).netloc == host

    def _trusts(self, peer: str | None) -> bool:
        return peer is not None and _among(peer, self.trusted_proxies)

    def _client(self, peer: str | None, headers: Headers) -> str:
        """The last address in the chain that is none of the proxies'."""
        chain = [
            part.strip() for line in headers.getlist("x-forwarded-for") for part in line.split(",")
        ]
        for address in reversed(chain):
            bare = address.partition("%")[0].strip("[]")
            if not _is_address(bare):
                return "unknown"
            if not _among(bare, self.trusted_proxies):
                return bare
        return chain[0] if chain else peer or ""


def is_loopback_host(host: str) -> bool:
    """Whether only this machine reaches what is served on `host`."""
    return host in LOOPBACK


def _comes_from_loopback(headers: Headers) -> bool:
    """Whether the page that a request comes from, where the browser tells, is on this machine."""
    told = [headers[name] for name in ("origin", "referer") if headers.get(name)]
    return all(_hostname(page.partition("://")[2].partition("/")[0]) in LOOPBACK for page in told)


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(address: str | None) -> bool:
    return (
        address is not None
        and _is_address(address)
        and (
            (ip := ipaddress.ip_address(address)).is_loopback
            or (
                isinstance(ip, ipaddress.IPv6Address)
                and ip.ipv4_mapped is not None
                and ip.ipv4_mapped.is_loopback
            )
        )
    )


def _among(address: str, networks: Sequence[str]) -> bool:
    if not _is_address(address):
        return False
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(ip in ipaddress.ip_network(network) for network in networks)
