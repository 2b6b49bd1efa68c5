"""Pages of HTML from templates, and what is said where the packages for that are not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from polyreel.extras import missing_extra
from polyreel.report.wording import p_value, signed

__all__ = ["render_template", "report_packages"]

_EXTRA = ("jinja2", "markupsafe", "matplotlib")


@contextmanager
def report_packages() -> Iterator[None]:
    """Where the packages of the extra ``report`` are imported, late, since tables do without them.

    Raises:
        UsageError: One of them is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise missing_extra(
            "report",
            "a report as HTML needs more packages",
            value=f"no {error.name}",
            otherwise="tables do without them",
        ) from error


def render_template(name: str, *packages: str, **values: object) -> str:
    """A page from a template; equal values give equal bytes, and whatever is not ``Markup`` is escaped.

    Args:
        name: File of the template.
        packages: Whose folders ``templates`` are searched, before that of ``polyreel.report``.
        values: Names that the template uses.
    """
    with report_packages():
        from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in (*packages, "polyreel.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(signed=signed, p_value=p_value)
    return environment.get_template(name).render(values) + "\n"
