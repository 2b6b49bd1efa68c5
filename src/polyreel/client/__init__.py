"""Libraries on this machine or on a server, with the same calls and the same results."""

from polyreel.client.opening import VideoLibrary, open_library
from polyreel.client.remote import RemoteLibrary, connect

__all__ = ["RemoteLibrary", "VideoLibrary", "connect", "open_library"]
