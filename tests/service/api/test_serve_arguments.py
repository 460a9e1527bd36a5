"""`reidr serve`: what it refuses before it loads a model."""

from __future__ import annotations

import re
import socket
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from reidr.cli.keys import command as keys
from reidr.cli.serve import command
from reidr.errors import DataError, ReIDError
from reidr.retrieval.embedding_cache import cache_folder
from reidr.service.api.admission.gate import GUARDED, LONGEST_KEY
from reidr.service.api.routes.operations import operation_routes
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


def test_the_image_is_made_as_the_package_says() -> None:
    text = (REPOSITORY / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (extras,) = re.findall(r"/source\[([\w,]+)\]", text)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    (torch,) = re.findall(r"^ARG TORCH=(\S+)", text, re.M)
    wanted = {each.name: each.specifier for each in map(Requirement, project["dependencies"])}
    assert wanted["torch"].contains(torch)
    (python,) = re.findall(r"^FROM python:(\d+\.\d+)-slim", text, re.M)
    assert SpecifierSet(project["requires-python"]).contains(f"{python}.0")
    (user,) = re.findall(r"^USER (\w+)", text, re.M)
    assert f"useradd --create-home --uid 10001 {user}" in text
    (cache,) = re.findall(r"REIDR_CACHE=(\S+)", text)
    (volume,) = re.findall(r"^VOLUME (\S+)", text, re.M)
    assert cache.startswith(f"{volume}/")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("REIDR_CACHE", cache)
        assert cache_folder().is_relative_to(volume)


def test_all_of_deploy_speaks_of_one_service() -> None:
    folder = REPOSITORY / "deploy"
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.name != ".env"}
    (port,) = [str(parameter.default) for parameter in command.params if parameter.name == "port"]
    assert re.findall(r"^EXPOSE (\d+)", texts["Dockerfile"], re.M) == [port]
    (checked,) = re.findall(r"http://127.0.0.1:(\S+?)'", texts["Dockerfile"])
    asked = f"/{checked.partition('/')[2]}"
    assert checked.startswith(f"{port}/")
    assert asked in {getattr(route, "path", "") for route in operation_routes().routes}
    assert not asked.startswith(GUARDED)  # who looks whether it lives has no key
    services = yaml.safe_load(texts["compose.yaml"])["services"]
    (upstream,) = re.findall(r"dynamic a (\w+ \d+)", texts["Caddyfile"])
    assert upstream == f"api {port}"
    example = dict(line.split("=", 1) for line in texts["env.example"].splitlines())
    named = re.findall(r"\$\{(\w+)(:-)?", texts["compose.yaml"])
    assert {name for name, default in named if not default} <= set(example)
    gallery = urlsplit(example["GALLERY"])
    known = services["postgres"]["environment"]
    assert (gallery.username, gallery.hostname, gallery.path) == (known["POSTGRES_USER"], "postgres", "/reidr")
    assert gallery.password is None
    assert "PGPASSWORD" in services["api"]["environment"]
    mounted = [volume.split(":")[1] for volume in services["api"]["volumes"]]
    assert mounted == re.findall(r"^VOLUME (\S+)", texts["Dockerfile"], re.M)
    options = {option for parameter in keys.commands["add"].params for option in parameter.opts}
    for text in (*texts.values(), (REPOSITORY / "docs" / "service.md").read_text(encoding="utf-8")):
        for line in [line for line in text.splitlines() if "keys add" in line]:
            assert set(re.findall(r"--\w+", line.partition("keys add")[2])) <= options
