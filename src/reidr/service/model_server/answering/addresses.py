"""Pictures that a request names by an address: none, unless whoever runs the server has allowed where they may be.

A caller must not make the server read what the caller could not (server-side request forgery). So nothing is opened
but what lies below an allowed beginning, no redirect and no link is followed, a name that leads to a private address
is refused, and what is read is bounded in bytes and time.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import os
import re
import socket
import ssl
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from reidr.core.text import shown
from reidr.errors import ReIDError
from reidr.service.http.errors import RequestError

SECONDS = 10.0  # for one picture to come
PIECE = 65_536
HARMLESS = re.compile(r"[!-~]+")  # no space, no control character, ASCII alone


@dataclass(frozen=True)
class Site:
    """A beginning of https addresses. port: 443 unless another was named. path: ends in a slash."""

    host: str
    port: int
    path: str


@dataclass(frozen=True)
class Allowed:
    """Where pictures may be."""

    sites: tuple[Site, ...] = ()
    folders: tuple[tuple[Path, Path], ...] = ()
    """Each as it was named, and where it really is."""

    def __bool__(self) -> bool:
        return bool(self.sites or self.folders)

    def read(self, address: str, name: str, most: int) -> bytes:
        """The bytes of a picture, `most` at most. Raises RequestError; `name`: of the picture."""
        refused = RequestError(f"{name}: this server opens no such address")
        if not HARMLESS.fullmatch(address) or "\\" in address:
            raise refused
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:
            raise refused from None
        path = unquote(parts.path)
        # A "%" that is still there may be decoded once more by whoever answers, and become anything.
        if parts.username is not None or parts.fragment or "\0" in path or "%" in path or "\\" in path:
            raise refused
        if not {".", ".."}.isdisjoint(path.split("/")):
            raise refused
        if parts.scheme == "file" and not parts.netloc and not parts.query:
            return self._file(path, name, most)
        site = Site((parts.hostname or "").rstrip("."), port or 443, parts.path)
        if parts.scheme != "https" or not any(within(site, each) for each in self.sites):
            raise refused
        return fetched(parts, site, name, most)

    def _file(self, path: str, name: str, most: int) -> bytes:
        """A file below one of the folders; one that is not there and one that may not be read are told alike."""
        for names in self.folders:
            for named in names:
                with contextlib.suppress(ValueError, OSError):
                    return bounded(opened(names[-1], Path(path).relative_to(named).parts), name, most)
        raise RequestError(f"{name}: there is no such picture in the folders that this server opens")


NOWHERE = Allowed()


def allowed(beginnings: Sequence[str]) -> Allowed:
    """What was allowed: folders, and beginnings of https addresses. Raises ReIDError for anything else."""
    sites, folders = [], []
    for text in beginnings:
        if "://" not in text:
            folder = Path(text)
            if not folder.is_dir():
                raise ReIDError(f"{shown(text)}: no folder; allow a folder, or an address like https://host/pictures/")
            folders.append((folder.absolute(), folder.resolve()))
            continue
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise ReIDError(f"{shown(text)}: no address ({error})") from None
        if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or parts.username is not None:
            raise ReIDError(f"{shown(text)}: only https addresses are allowed, like https://host/pictures/")
        sites.append(Site(parts.hostname.rstrip("."), port or 443, f"{parts.path.rstrip('/')}/"))
    return Allowed(tuple(sites), tuple(folders))


def within(asked: Site, site: Site) -> bool:
    """Whether an address lies below an allowed one."""
    return (asked.host, asked.port) == (site.host, site.port) and asked.path.startswith(site.path)


def opened(folder: Path, steps: Sequence[str]) -> int:
    """A descriptor of a file below a folder; from step to step no link is followed. Raises OSError, ValueError."""
    if not steps:
        raise ValueError("the folder itself")
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for place, step in enumerate(steps, start=1):
        kind = os.O_DIRECTORY if place < len(steps) else os.O_NONBLOCK  # a pipe must not keep us waiting
        try:
            below = os.open(step, os.O_RDONLY | os.O_NOFOLLOW | kind, dir_fd=handle)
        finally:
            os.close(handle)
        handle = below
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ValueError("no file")
    return handle


def bounded(handle: int, name: str, most: int) -> bytes:
    """All of a file. Raises RequestError where it is larger than `most` bytes."""
    with open(handle, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise too_large(name, most)
    return content


def too_large(name: str, most: int) -> RequestError:
    """More bytes than a request may have."""
    return RequestError(f"{name}: more than the {most:,} bytes that are left for this request's pictures", 413)


def fetched(parts: SplitResult, site: Site, name: str, most: int) -> bytes:
    """What an allowed address answers. Raises RequestError."""
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection = Pinned(site, public_address(site, name))
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Accept": "image/*", "Accept-Encoding": "identity"})
            answer = connection.getresponse()
            if answer.status != 200:
                moved = " (it points elsewhere, which is not followed)" if 300 <= answer.status < 400 else ""
                raise RequestError(f"{name}: its address answers {answer.status}{moved}")
            return received(answer, name, most)
    except (OSError, http.client.HTTPException, UnicodeError):
        raise RequestError(f"{name}: its address could not be read") from None


def received(answer: http.client.HTTPResponse, name: str, most: int) -> bytes:
    """The body of an answer, bounded in bytes and time. Raises RequestError, OSError."""
    until, content = time.monotonic() + SECONDS, bytearray()
    while piece := answer.read1(PIECE):
        content += piece
        if len(content) > most:
            raise too_large(name, most)
        if time.monotonic() > until:
            raise RequestError(f"{name}: it did not come within {SECONDS:.0f} seconds")
    return bytes(content)


def public_address(site: Site, name: str) -> str:
    """The IP address to connect to. Raises RequestError for a name that leads to a private one, OSError for none.

    Whoever allows an address in numbers means it, be it private or not.
    """
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(site.host))
    found = [entry[4][0] for entry in socket.getaddrinfo(site.host, site.port, type=socket.SOCK_STREAM)]
    if not all(is_public(str(each)) for each in found):
        raise RequestError(f"{name}: its host is at a private address; such a host must be allowed by its number")
    return str(found[0])


def is_public(address: str) -> bool:
    """Whether an IP address is anybody's to reach."""
    known = ipaddress.ip_address(address.partition("%")[0])
    inner = known.ipv4_mapped if isinstance(known, ipaddress.IPv6Address) else None
    known = known if inner is None else inner
    return known.is_global and not known.is_multicast


class Pinned(http.client.HTTPSConnection):
    """A connection to one IP address that was looked at, whatever its name leads to a moment later."""

    def __init__(self, site: Site, address: str, context: ssl.SSLContext | None = None) -> None:
        self.context = context or trusted()
        super().__init__(site.host, site.port, timeout=SECONDS, context=self.context)
        self.address = address

    def connect(self) -> None:
        """Connect to the address; the certificate must be that of the name."""
        raw = socket.create_connection((self.address, self.port), self.timeout)
        try:
            self.sock = self.context.wrap_socket(raw, server_hostname=self.host)
        except BaseException:
            raw.close()
            raise


def trusted() -> ssl.SSLContext:
    """What certificates are checked by: the machine's own authorities."""
    return ssl.create_default_context()
