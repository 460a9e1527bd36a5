"""The model server: one reasoner, listening."""

from __future__ import annotations

import socket

from reidr.reasoning.backends.reference import Reasoner
from reidr.service.http.guard import LOOPBACK
from reidr.service.http.server import HttpServer, bind
from reidr.service.model_server.app import create_app
from reidr.service.model_server.errors import error_body
from reidr.service.model_server.limits import Limits
from reidr.service.model_server.work import ChatService


class ModelServer(HttpServer):
    """The server; `serve_forever` runs it, `shutdown` (from another thread) and `server_close` end it."""

    service: ChatService

    def __init__(
        self,
        reasoner: Reasoner,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        limits: Limits | None = None,
        key: str | None = None,
        bound: socket.socket | None = None,
    ) -> None:
        """Listen; port 0 takes a free one (see `address`).

        Args:
            bound: the socket that `bind` gave for this host and port, where that was done before the model was loaded.
            key: what callers must send as `Authorization: Bearer KEY`. None: whoever reaches the port may ask.

        Raises:
            ReIDError: the port is taken, or not to be had.
        """
        listening = bound or bind(host, port)
        service = ChatService(reasoner, limits)
        app = create_app(service, local=host in LOOPBACK, key=key)
        super().__init__(service, app, listening, error_body=error_body)
