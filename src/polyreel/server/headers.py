"""Security headers of every answer."""

from __future__ import annotations

import base64
import hashlib

__all__ = ["security_headers"]


def security_headers(style: str) -> list[tuple[bytes, bytes]]:
    """Headers that let a page use nothing but this server, and ``style`` alone as its style."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'sha256-{digest}'",
            "img-src 'self' data:",
            "media-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )
    headers = {
        "content-security-policy": policy,
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }
    return [(name.encode(), value.encode()) for name, value in headers.items()]
