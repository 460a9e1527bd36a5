"""Asking a model server, properly and otherwise."""

from __future__ import annotations

import base64
import http.client
import io
import json
import socket
from typing import Any

from PIL import Image


def data_url(size: tuple[int, int] = (30, 60), colour: str = "red", kind: str = "PNG") -> str:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def words(text: str = "Shoes?", **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "max_tokens": 2, "temperature": 0, **fields}


def show(*urls: Any, **fields: Any) -> dict[str, Any]:
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {"messages": [{"role": "user", "content": parts}], "max_tokens": 1, "temperature": 0, **fields}


def request(server: Any, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
    """Status, headers and JSON of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", int(server.server_address[1]), timeout=20)
    raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        connection.request(method, path, raw, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read())
    finally:
        connection.close()


def post(server: Any, body: Any, **headers: str) -> tuple[int, str]:
    """Status and the error's message of a chat request."""
    status, _, told = request(server, "POST", "/v1/chat/completions", body, **headers)
    return status, told.get("error", {}).get("message", "")


def connect(server: Any, seconds: float = 10.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.server_address[1])), timeout=seconds)


def head(length: int | str, *more: str) -> bytes:
    """The head of a chat request."""
    lines = ["POST /v1/chat/completions HTTP/1.1", "Host: localhost", "Content-Type: application/json", *more]
    return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode()


def everything(connection: socket.socket) -> bytes:
    """All that comes until the server closes; where it leaves a request unread, its closing is a reset."""
    found = b""
    try:
        while piece := connection.recv(65536):
            found += piece
    except ConnectionResetError:
        pass
    return found
