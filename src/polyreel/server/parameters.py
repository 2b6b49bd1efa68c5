"""What the address of a request to the API may ask for: what its route declares, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant

from polyreel.errors import UnknownNameError

__all__ = ["refuse_unknown"]


async def refuse_unknown(request: Request) -> None:
    """Refuse a parameter that a route of the API does not have, which would be left out in silence.

    Raises:
        UnknownNameError: there is no such parameter.
    """
    route = request.scope["route"]
    if not request.query_params or not route.include_in_schema:  # addresses of the page read their own
        return
    known = set(_declared(route.dependant))
    for name in request.query_params:
        if name not in known:
            raise UnknownNameError("parameter", name[:64], known)


def _declared(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        yield field.alias
    for each in dependant.dependencies:
        yield from _declared(each)
