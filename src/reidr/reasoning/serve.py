"""The model server's former address; it lives in `reidr.service.model_server` now.

Loaded when used: this room must not import the one above it, and the server's web framework is an extra.
"""

from __future__ import annotations

from reidr.core.lazy import loaded_when_used

HOMES = {
    "LONGEST_TEXT": "limits",
    "Limits": "limits",
    "LOOPBACK": "http.guard",
    "ChatService": "work",
    "ModelServer": "server",
    "RequestError": "http.errors",
    "read_messages": "answering.messages",
    "read_picture": "answering.messages",
}

__getattr__ = loaded_when_used(__name__, {name: f"reidr.service.model_server.{home}" for name, home in HOMES.items()})
