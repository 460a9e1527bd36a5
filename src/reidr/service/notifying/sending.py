"""One message to one target: a signed POST, or a publication of quality 1 to an MQTT broker."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import time
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

from reidr.errors import MissingExtraError, ReIDError
from reidr.service.notifying.targets import SECRET_HEAD, WEB, Target

SECONDS = 10.0  # to wait for an answer
PASSING = (408, 409, 425, 429)  # statuses after which it is worth trying again, beside 5xx


class NotTakenError(ReIDError):
    """A target did not take a message. lasting: to send the same again would be no use."""

    def __init__(self, message: str, *, lasting: bool) -> None:
        super().__init__(message)
        self.lasting = lasting


def send(target: Target, id: str, message: dict[str, Any]) -> None:
    """Send a message; when this returns, the target has taken it. Raises NotTakenError."""
    body = json.dumps({**message, "id": id}, separators=(",", ":")).encode()
    if urlsplit(target.address).scheme in WEB:
        post(target, id, body)
    else:
        publish(target, body)


def signature(secret: str, id: str, timestamp: int, body: bytes) -> str:
    """As the Standard Webhooks specification has it: HMAC-SHA256 over "id.timestamp.body", in base64, after "v1,"."""
    key = base64.b64decode(secret.removeprefix(SECRET_HEAD))
    return (
        "v1," + base64.b64encode(hmac.new(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()).decode()
    )


def post(target: Target, id: str, body: bytes) -> None:
    """Send to a webhook. Redirects are not followed: what is sent is about people, and goes to nobody else."""
    import httpx

    timestamp = int(time.time())
    headers = {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(target.secret, id, timestamp, body),
    }
    try:
        answer = httpx.post(
            target.address,
            content=body,
            headers=headers,
            timeout=SECONDS,
            follow_redirects=False,
            verify=certificates(),
        )
    except httpx.HTTPError as error:
        raise NotTakenError(f"{target.place}: not reached ({error})", lasting=False) from None
    if not answer.is_success:
        lasting = answer.status_code < 500 and answer.status_code not in PASSING
        raise NotTakenError(f"{target.place}: answered {answer.status_code}", lasting=lasting)


@cache
def certificates() -> ssl.SSLContext:
    """Whom to trust: reading the list takes longer than sending a message."""
    return ssl.create_default_context()


def publish(target: Target, body: bytes) -> None:
    """Send to an MQTT broker, and wait until it says that it has the message."""
    try:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError:
        raise MissingExtraError("MQTT needs paho-mqtt; install with: pip install 'reidr[mqtt]'") from None
    parts = urlsplit(target.address)
    client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
    client.connect_timeout = SECONDS
    if parts.username:
        client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
    if parts.scheme == "mqtts":
        client.tls_set()
    try:
        client.connect(parts.hostname or "", parts.port or (8883 if parts.scheme == "mqtts" else 1883))
        client.loop_start()
        taken = client.publish(parts.path[1:], body, qos=1)
        taken.wait_for_publish(SECONDS)
        if not taken.is_published():
            raise NotTakenError(f"{target.place}: the broker did not confirm the message", lasting=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise NotTakenError(f"{target.place}: not reached ({error})", lasting=False) from None
    finally:
        client.disconnect()
        client.loop_stop()
