"""Libraries on this machine or on a server, with the same calls and results; ``polyreel.open`` opens both."""

from polyreel.client.opening import VideoLibrary
from polyreel.client.remote import RemoteLibrary, connect

__all__ = ["RemoteLibrary", "VideoLibrary", "connect"]
