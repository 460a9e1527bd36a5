"""`reidr serve`: what it refuses before it loads a model."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from reidr.cli.serve import command
from reidr.errors import DataError, ReIDError
from reidr.service.api.admission.gate import LONGEST_KEY
from reidr.service.records.opening import open_records
from reidr.service.security.keys import add_key

REPOSITORY = Path(__file__).parents[3]


def refused(*arguments: str) -> BaseException | None:
    return CliRunner().invoke(command, ["--port", "0", *arguments]).exception


def test_beyond_this_machine_it_wants_keys_and_says_how_to_put_tls_in_front(tmp_path: Path) -> None:
    gallery = str(tmp_path / "gallery")
    error = refused("--gallery", gallery, "--host", "0.0.0.0")
    assert isinstance(error, ReIDError)
    assert "reidr keys add" in str(error)
    assert "TLS" in str(error)
    records = open_records(gallery)
    key, _ = add_key(records, "Ada", ["search"], expires=None)
    records.put("key", key.id, {**records.get("key", key.id).value, "revoked": 1.0})  # type: ignore[union-attr]
    records.close()
    assert isinstance(refused("--gallery", gallery, "--host", "0.0.0.0"), ReIDError)  # a revoked key is none


def test_a_port_that_is_taken_and_an_address_that_is_none_are_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        error = CliRunner().invoke(command, ["--port", port, "--gallery", str(tmp_path)]).exception
    assert isinstance(error, ReIDError)
    assert port in str(error)
    assert isinstance(refused("--gallery", "ftp://nowhere/gallery"), DataError)


def test_a_key_has_room_in_the_header(tmp_path: Path) -> None:
    records = open_records(tmp_path)
    _, text = add_key(records, "Ada", ["search"])
    records.close()
    assert len(text) < LONGEST_KEY


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "Caddyfile", "env.example"])
def test_what_the_container_runs_is_there(name: str) -> None:
    text = (REPOSITORY / "deploy" / name).read_text(encoding="utf-8")
    options = {option for parameter in command.params for option in parameter.opts}
    if name == "Dockerfile":
        copied = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY")]
        for source in [one for line in copied for one in line]:
            assert (REPOSITORY / source).exists()
            assert f"!{source}" in (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
        (started,) = [line for line in text.splitlines() if line.startswith("CMD")]
        assert {word for word in yaml.safe_load(started[4:]) if word.startswith("--")} <= options
    if name == "compose.yaml":
        services = yaml.safe_load(text)["services"]
        assert set(services) == {"postgres", "api", "proxy"}
        assert services["postgres"]["image"].startswith("pgvector/")
        assert services["api"]["build"]["dockerfile"] == "deploy/Dockerfile"
        assert {word for word in services["api"]["command"] if word.startswith("--")} <= options
        assert "ports" not in services["api"]  # only the proxy with TLS is reached from outside
        assert "5432" not in text
