"""The OpenAPI document against the server: what it allows, and what it does not, gets no 5xx."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings

from polyreel.server import api, media_api

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.response_schema_conformance,
    schemathesis.checks.content_type_conformance,
]


def operations() -> list:
    """The operations of the document, which needs no library, each with requests as they should be; those
    that take anything also with requests as they should not."""
    app = FastAPI()
    app.include_router(api.router)
    app.include_router(media_api.router)
    found = [each.ok() for each in schemathesis.openapi.from_dict(app.openapi()).get_all_operations()]
    right, wrong = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
    takes = [each for each in found if any(True for _ in each.iter_parameters()) or each.body]
    return [*((each, right) for each in found), *((each, wrong) for each in takes)]


OPERATIONS = operations()


def ask(operation, mode, site, cases: int) -> int:
    asked = []

    @settings(max_examples=cases, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask_one(case) -> None:
        asked.append(case)
        case.call_and_validate(base_url=site.address, checks=CHECKS)

    ask_one()
    return len(asked)


@pytest.mark.parametrize(
    ("operation", "mode"), OPERATIONS, ids=[f"{mode.value} {each.label}" for each, mode in OPERATIONS]
)
def test_no_request_breaks_the_server(site, operation, mode):
    assert ask(operation, mode, site, cases=5) > 0


@pytest.mark.slow
def test_two_thousand_requests_break_nothing(site):
    count = sum(ask(operation, mode, site, cases=120) for operation, mode in OPERATIONS)
    print(f"{count} requests to {len(OPERATIONS)} operations, right and wrong")
    assert count >= 2_000
