"""Proofs of sessions and forms: keyed digests, so that the server has to remember nothing."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from polyreel.server.errors import TooManyError
from polyreel.server.rates import Rates
from polyreel.server.settings import is_loopback

__all__ = ["CsrfSigner"]

_GUESSES, _GUESSES_PER_S = 10.0, 0.1


class CsrfSigner:
    """Makes and checks proofs with a key that lives as long as the server.

    Args:
        token: the server's token, None if it has none.
    """

    def __init__(self, token: str | None) -> None:
        self._token = token
        self._guesses = Rates(_GUESSES_PER_S, burst=_GUESSES)
        self._key = secrets.token_bytes(32)

    @property
    def needed(self) -> bool:
        """Whether requests have to show a token."""
        return self._token is not None

    def is_token(self, given: str) -> bool:
        """Whether this is the server's token."""
        return self._token is not None and hmac.compare_digest(given.encode(), self._token.encode())

    def is_token_from(self, client: str, given: str) -> bool:
        """Whether this is the server's token, if the client has not guessed too often.

        Args:
            client: its address.
            given: what it takes for the token.

        Raises:
            TooManyError: after ten wrong tokens, until ten seconds have passed for each further one.
        """
        # Whoever has guessed too often is not heard, so that the right guess looks like a wrong one. Clients
        # behind a proxy on this machine share one address: there, none shuts out those that know the token.
        blocked_s = 0.0 if is_loopback(client) else self._guesses.blocked_s(client)
        if not blocked_s:
            if self.is_token(given):
                return True
            blocked_s = self._guesses.wait_s(client)
        if blocked_s:
            raise TooManyError.after("too many wrong tokens", blocked_s)
        return False

    def session(self) -> str:
        """Value of the cookie of a browser that has sent the token."""
        return self._digest("session", self._token or "")

    def is_session(self, given: str) -> bool:
        """Whether the value of a cookie is one of this server's."""
        return hmac.compare_digest(given.encode(), self.session().encode())

    def form(self, visitor: str) -> str:
        """Value of the hidden field of a form for the browser whose cookie is ``visitor``.

        It differs at each call, so that compressed pages do not give it away (BREACH, Prado et al. 2013).
        """
        salt = secrets.token_hex(8)
        return f"{salt}.{self._digest('form', salt, visitor)}"

    def is_form(self, given: str, visitor: str) -> bool:
        """Whether a form was made for this browser."""
        salt, _, digest = given.partition(".")
        right = self._digest("form", salt, visitor)
        return bool(visitor) and hmac.compare_digest(digest.encode(), right.encode())

    def _digest(self, *parts: str) -> str:
        return hmac.new(self._key, "\0".join(parts).encode(), hashlib.sha256).hexdigest()
