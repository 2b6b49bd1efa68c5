"""A page to search with and an API for programs, for one library."""

from polyreel.server.app import create_app
from polyreel.server.serving import serve
from polyreel.server.settings import ServerSettings

__all__ = ["ServerSettings", "create_app", "serve"]
