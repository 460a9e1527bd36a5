"""The OpenAPI document says what the service does: schemathesis asks by it, and its answers must follow it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import SkipTest

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from serving import Site, site

from reidr.service.api.app import create_app

sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))
import service_fuzz

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    with site(tmp_path_factory.mktemp("schema")) as found:
        yield create_app(found.service, local=False)


@pytest.mark.whole
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_answers_follow_the_document(application: FastAPI, mode: GenerationMode) -> None:
    document = schemathesis.openapi.from_asgi("/openapi.json", application)
    asked = 0
    for result in document.get_all_operations():
        operation = result.ok()

        @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        @given(operation.as_strategy(generation_mode=mode))
        def follows(case: Case) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(checks=CHECKS)

        try:
            follows()
        except (Unsatisfiable, SkipTest):  # a path without parameters cannot be asked wrongly
            assert mode == GenerationMode.NEGATIVE
    assert asked > 200


@pytest.mark.whole
def test_no_picture_and_no_request_makes_it_fail() -> None:
    with service_fuzz.served() as server:
        for send in (service_fuzz.pictures, service_fuzz.requests):
            result = send(server, 250, seed=7)
            assert result.failures == []
            assert result.sent == 250
            assert sum(count for status, count in result.statuses.items() if 400 <= status < 500) > 100
            assert sum(count for status, count in result.statuses.items() if status < 300) > 5


def test_every_path_says_which_problems_it_answers(shared_site: Site) -> None:
    document = create_app(shared_site.service, keyed=True).openapi()
    assert document["openapi"].startswith("3.1")
    ids = []
    for path, methods in document["paths"].items():
        for operation in methods.values():
            ids.append(operation["operationId"])
            if path.startswith("/v1/"):
                assert operation["security"] == [{"key": []}]
                for status in ("401", "403", "422", "429", "503"):
                    assert list(operation["responses"][status]["content"]) == ["application/problem+json"], (
                        path,
                        status,
                    )
    assert len(ids) == len(set(ids))
    assert "HTTPValidationError" not in document["components"]["schemas"]
    open_to_all = shared_site.client.get("/openapi.json").json()
    assert open_to_all["paths"].keys() == document["paths"].keys()
    assert "security" not in json.dumps(open_to_all)
