"""Pictures by address: only what lies below what was allowed, whatever a request tries."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from asking import data_url, show

from reidr.errors import ReIDError
from reidr.service.http.errors import RequestError
from reidr.service.model_server.answering import addresses
from reidr.service.model_server.answering.addresses import Allowed, Pinned, Site, allowed, is_public
from reidr.service.model_server.answering.messages import read_messages
from reidr.service.model_server.limits import Limits

PICTURE = b"a picture's bytes"
NO_SUCH = "picture 1: there is no such picture in the folders that this server opens"
NOT_OPENED = "picture 1: this server opens no such address"


def refusal(where: Allowed, address: str, most: int = 1000) -> str:
    with pytest.raises(RequestError) as told:
        where.read(address, "picture 1", most)
    return str(told.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of pictures with all kinds of traps in it, beside a secret."""
    made = tmp_path / "crops"
    (made / "17").mkdir(parents=True)
    (made / "17" / "a.png").write_bytes(PICTURE)
    (made / "empty name.png").write_bytes(PICTURE)
    (tmp_path / "secret.png").write_bytes(b"secret")
    (tmp_path / "crops2").mkdir()
    (tmp_path / "crops2" / "a.png").write_bytes(b"secret")
    (made / "link.png").symlink_to(tmp_path / "secret.png")
    (made / "outside").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(made / "pipe.png")
    return made


def test_files_below_the_folder_are_read(folder: Path) -> None:
    where = allowed([str(folder)])
    assert where.read(f"file://{folder}/17/a.png", "picture 1", 1000) == PICTURE
    assert where.read(f"file://{folder}/empty%20name.png", "picture 1", 1000) == PICTURE
    assert "more than the 5 bytes" in refusal(where, f"file://{folder}/17/a.png", 5)
    link = folder.parent / "named"
    link.symlink_to(folder, target_is_directory=True)
    for named in (link, folder):  # whoever runs the server may name it by a link
        assert allowed([str(link)]).read(f"file://{named}/17/a.png", "picture 1", 1000) == PICTURE


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/../secret.png", NOT_OPENED), ("/17/../../secret.png", NOT_OPENED), ("/17/../17/a.png", NOT_OPENED),
        ("/%2e%2e/secret.png", NOT_OPENED), ("/..%2fsecret.png", NOT_OPENED), ("/%252e%252e/secret.png", NOT_OPENED),
        ("/..\\secret.png", NOT_OPENED), ("/..%5csecret.png", NOT_OPENED), ("/17/a.png%00.jpg", NOT_OPENED),
        ("/17/a.png#x", NOT_OPENED), ("/17/a.png?x", NOT_OPENED), ("/17/a b.png", NOT_OPENED),
        ("/link.png", NO_SUCH), ("/outside/secret.png", NO_SUCH), ("2/a.png", NO_SUCH), ("/pipe.png", NO_SUCH),
        ("/none.png", NO_SUCH), ("/17", NO_SUCH), ("", NO_SUCH), ("/17/a.png/more", NO_SUCH),
    ],
)  # fmt: skip
def test_nothing_outside_the_folder_is_read(folder: Path, path: str, said: str) -> None:
    assert refusal(allowed([str(folder)]), f"file://{folder}{path}") == said


def test_other_kinds_of_addresses_are_refused(folder: Path) -> None:
    where = allowed([str(folder), "https://pictures.example/crops"])
    for address in (
        f"file://localhost{folder}/17/a.png", f"{folder}/17/a.png", f"FILE://host{folder}/17/a.png", "",
        "http://pictures.example/crops/a.png", "ftp://pictures.example/crops/a.png", "https://pictures.example/a.png",
        "https://pictures.example/crops2/a.png", "https://pictures.example/crops", "https://[::1/crops/a.png",
        "https://pictures.example:8443/crops/a.png", "https://pictures.example:x/crops/a.png",
        "https://pictures.example@evil.example/crops/a.png", "https://me@pictures.example/crops/a.png",
        "https://pictures.example.evil.example/crops/a.png", "https://evil.example/crops/a.png",
        "https://pictures.example/crops/../a.png", "https://pictures.example/crops/%2e%2e/a.png",
        "https://pictures.example/crops/a\r\nHost: x", "https:///crops/a.png", "gopher://pictures.example/crops/a",
    ):  # fmt: skip
        assert refusal(where, address) == NOT_OPENED, address


class Answers(BaseHTTPRequestHandler):
    """A host of pictures that also redirects and sends too much."""

    def do_GET(self) -> None:
        if self.path == "/crops/moved.png":
            self.send_response(302)
            self.send_header("Location", "https://pictures.example/crops/a.png")
            self.end_headers()
            return
        if self.path not in ("/crops/a.png", "/crops/a.png?size=2"):
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(PICTURE)

    def log_message(self, *_: Any) -> None:
        pass


class Plain(http.client.HTTPConnection):
    """As `Pinned`, without TLS, to the server of the test; remembers whom it would have asked."""

    asked: ClassVar[list[str]] = []
    port_here = 0

    def __init__(self, site: Site, address: str) -> None:
        self.asked.append(address)
        super().__init__("127.0.0.1", self.port_here, timeout=10)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A host at whatever name; gives the IP addresses that were asked."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        monkeypatch.setattr(Plain, "port_here", server.server_port)
        monkeypatch.setattr(Plain, "asked", [])
        monkeypatch.setattr(addresses, "Pinned", Plain)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield Plain.asked
        server.shutdown()


def led_to(monkeypatch: pytest.MonkeyPatch, *found: str) -> None:
    """Let the host's name lead to these addresses, the first time; later to this machine."""
    answers, others = iter([found]), socket.getaddrinfo

    def resolved(name: str, *given: Any, **named: Any) -> Any:
        if name != "pictures.example":
            return others(name, *given, **named)
        return [(0, 0, 0, "", (each, 443)) for each in next(answers, ("127.0.0.1",))]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)


def test_an_allowed_host_is_asked_and_no_redirect_followed(host: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    where = allowed(["https://Pictures.example/crops/", "https://127.0.0.1:9/crops"])
    monkeypatch.setattr(addresses, "public_address", lambda site, name: "1.1.1.1")
    for asked in ("https://pictures.example/crops/a.png", "https://PICTURES.example:443/crops/a.png?size=2"):
        assert where.read(asked, "picture 1", 1000) == PICTURE
    said = refusal(where, "https://pictures.example/crops/moved.png")
    assert said == "picture 1: its address answers 302 (it points elsewhere, which is not followed)"
    assert refusal(where, "https://pictures.example/crops/none.png") == "picture 1: its address answers 404"
    assert "more than the 5 bytes" in refusal(where, "https://pictures.example/crops/a.png", 5)
    assert len(host) == 5
    monkeypatch.setattr(addresses, "SECONDS", -1.0)
    assert "did not come within" in refusal(where, "https://pictures.example/crops/a.png")


@pytest.mark.parametrize(
    "found",
    [
        ("10.0.0.5",), ("127.0.0.1",), ("169.254.169.254",), ("192.168.1.1",), ("0.0.0.0",), ("::1",),
        ("fe80::1%eth0",), ("::ffff:10.0.0.5",), ("fd00::1",), ("224.0.0.1",), ("100.64.0.1",),
        ("1.1.1.1", "10.0.0.5"),
    ],
)  # fmt: skip
def test_a_name_that_leads_into_the_own_network_is_refused(
    found: tuple[str, ...], host: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    led_to(monkeypatch, *found)
    said = refusal(allowed(["https://pictures.example/"]), "https://pictures.example/crops/a.png")
    assert said == "picture 1: its host is at a private address; such a host must be allowed by its number"
    assert host == []


def test_what_was_looked_at_is_what_is_asked(host: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    led_to(monkeypatch, "1.1.1.1")  # asked again, the name would lead to this machine
    where = allowed(["https://pictures.example/", "https://10.0.0.5/crops/"])
    assert where.read("https://pictures.example/crops/a.png", "picture 1", 1000) == PICTURE
    assert where.read("https://10.0.0.5/crops/a.png", "picture 1", 1000) == PICTURE  # allowed by its number
    assert host == ["1.1.1.1", "10.0.0.5"]
    assert is_public("2606:4700::1111")


def test_a_certificate_of_another_name_is_not_trusted(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=pictures.example"
    names = ["-addext", "subjectAltName=DNS:pictures.example", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.load_cert_chain(certificate, key)
        server.socket = own.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        trusting = ssl.create_default_context(cafile=certificate)
        right = Pinned(Site("pictures.example", server.server_port, "/"), "127.0.0.1", trusting)
        right.request("GET", "/crops/a.png")
        assert right.getresponse().read() == PICTURE
        right.close()
        for name, context in (("other.example", trusting), ("pictures.example", None)):
            with pytest.raises(ssl.SSLCertVerificationError):
                Pinned(Site(name, server.server_port, "/"), "127.0.0.1", context).connect()
        server.shutdown()


@pytest.mark.parametrize(
    "beginning",
    [
        "http://host/",
        "ftp://host/",
        "https:///crops",
        "https://me:word@host/",
        "https://host/?a",
        "https://[::1",
        "none",
    ],
)
def test_what_cannot_be_allowed_is_said_at_once(beginning: str) -> None:
    with pytest.raises(ReIDError):
        allowed([beginning])


def test_a_request_may_show_both(folder: Path) -> None:
    import base64

    raw = base64.b64decode(data_url().partition(",")[2])
    (folder / "17" / "a.png").write_bytes(raw)
    address = f"file://{folder}/17/a.png"
    _, images, _ = read_messages(show(data_url(), address), Limits(addresses=allowed([str(folder)])))
    assert images[0].tobytes() == images[1].tobytes()
    with pytest.raises(RequestError, match="only data URLs are taken"):
        read_messages(show(address))
    tight = Limits(addresses=allowed([str(folder)]), request_bytes=len(raw) + 3)
    with pytest.raises(RequestError, match="picture 2: more than the 3 bytes"):
        read_messages(show(address, address), tight)
