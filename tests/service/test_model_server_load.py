"""The model server under load and bad luck: those who leave, dawdle, push or send too much; and being stopped."""

from __future__ import annotations

import json
import select
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asking import connect, everything, head, post, request, words

from reidr.service.model_server.limits import Limits
from reidr.service.model_server.server import ModelServer

CHAT = "/v1/chat/completions"
PATIENT = 15.0  # seconds; nothing here should take one


class Slow:
    """Counts the model's passes; each waits until it is let go."""

    def __init__(self) -> None:
        self.passes = 0
        self.gate = threading.Semaphore(0)
        self.open = False

    def __call__(self, *_: Any) -> None:
        self.passes += 1
        while not self.open and not self.gate.acquire(timeout=0.02):
            pass


@pytest.fixture
def slow(tiny: Any) -> Iterator[Slow]:
    found = Slow()
    hook = tiny.model.register_forward_pre_hook(found)
    yield found
    found.open = True
    hook.remove()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENT
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def send(server: Any, body: Any) -> Any:
    """A connection on which a chat request has been sent."""
    raw = json.dumps(body).encode()
    connection = connect(server, PATIENT)
    connection.sendall(head(len(raw), "Connection: close") + raw)
    return connection


def test_health_answers_while_the_model_works(served: Any, slow: Slow) -> None:
    with send(served, words(max_tokens=3)) as connection:
        until(lambda: slow.passes == 1)
        assert request(served, "GET", "/health")[0] == 200
        assert request(served, "GET", "/v1/models")[0] == 200
        assert post(served, {"messages": []})[0] == 400
        slow.open = True
        assert everything(connection).startswith(b"HTTP/1.1 200 ")


def test_who_leaves_is_served_no_longer(served: Any, slow: Slow) -> None:
    leaving = send(served, words(max_tokens=1000))
    until(lambda: slow.passes == 1)
    waiting = [send(served, words(max_tokens=1000)) for _ in range(3)]
    until(lambda: served.service.waiting == 4)
    with send(served, words(max_tokens=2)) as staying:
        until(lambda: served.service.waiting == 5)
        for connection in waiting:
            connection.close()
        until(lambda: served.service.waiting == 2)
        slow.gate.release(5)
        until(lambda: slow.passes == 6)
        leaving.close()
        until(lambda: served.service.waiting == 1)
        slow.open = True
        assert everything(staying).startswith(b"HTTP/1.1 200 ")
    # Of the 4,000 tokens asked for by those who left, one more at most was written.
    assert slow.passes <= 6 + 1 + 2
    assert served.service.memory.used == 0


def test_the_queue_is_bounded(tiny: Any, start: Callable[[Any], Any], slow: Slow) -> None:
    server = start(ModelServer(tiny, limits=Limits(waiting=3)))
    waiting = [send(server, words()) for _ in range(3)]
    until(lambda: server.service.waiting == 3)
    status, headers, told = request(server, "POST", CHAT, words())
    assert (status, headers["Retry-After"], told["error"]["type"]) == (429, "2", "rate_limit_error")
    slow.open = True
    assert all(everything(connection).startswith(b"HTTP/1.1 200 ") for connection in waiting)
    assert post(server, words()) == (200, "")


def test_memory_is_bounded_over_all_requests(tiny: Any, start: Callable[[Any], Any]) -> None:
    server = start(ModelServer(tiny, limits=Limits(memory_bytes=1_000_000, connections=500)))
    held = [connect(server) for _ in range(100)]
    for connection in held:
        connection.sendall(head(8_000_000) + b" " * 50_000)
    until(lambda: server.service.memory.used > 900_000)
    # Each of a hundred sends 50 KB of 8 MB: together five times what there is room for.
    time.sleep(0.3)
    assert server.service.memory.used <= 1_000_000
    status, headers, _ = request(server, "POST", CHAT, b" " * 200_000)
    assert (status, headers["Retry-After"]) == (503, "2")
    assert request(server, "GET", "/health")[0] == 200
    for connection in held:
        connection.close()
    until(lambda: server.service.memory.used == 0)
    assert post(server, words()) == (200, "")


def test_requests_that_never_come_in_are_ended(tiny: Any, start: Callable[[Any], Any]) -> None:
    server = start(ModelServer(tiny, limits=Limits(head_seconds=0.4, body_seconds=0.4)))
    silent, half_head, half_body, chunked = (connect(server, PATIENT) for _ in range(4))
    half_head.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: loc")
    half_body.sendall(head(5_000) + b"{")
    chunked.sendall(head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"5\r\n{")
    began = time.monotonic()
    for connection in (silent, half_head, half_body, chunked):
        assert everything(connection).startswith(b"HTTP/1.1 408 ")
        connection.close()
    assert time.monotonic() - began < 6
    # A head that comes drop by drop is late all the same; one after another good request, too.
    dripping, second = connect(server, PATIENT), connect(server, PATIENT)
    second.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    until(lambda: second.recv(65536).endswith(b"}"))
    second.sendall(b"GET /hea")
    for letter in b"GET /health HTTP/1.1":
        dripping.sendall(bytes([letter]))
        if select.select([dripping], [], [], 0.05)[0]:
            break
    assert everything(dripping).startswith(b"HTTP/1.1 408 ")
    assert everything(second).startswith(b"HTTP/1.1 408 ")
    dripping.close()
    second.close()
    assert post(server, words()) == (200, "")


def test_connections_are_bounded(tiny: Any, start: Callable[[Any], Any]) -> None:
    server = start(ModelServer(tiny, limits=Limits(connections=4)))
    held = [connect(server) for _ in range(4)]
    for connection in held:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    with connect(server) as more:
        assert everything(more).startswith(b"HTTP/1.1 503 ")
    for connection in held:
        connection.close()
    until(lambda: not server._server.server_state.connections)
    assert request(server, "GET", "/health")[0] == 200


def test_many_at_once_are_all_answered_as_alone(served: Any) -> None:
    bodies = [words(f"Shoes {number}?", max_tokens=4, seed=number, temperature=1) for number in range(24)]

    def ask(body: Any) -> str:
        return str(request(served, "POST", CHAT, body)[2]["choices"][0]["message"]["content"])

    with ThreadPoolExecutor(12) as pool:
        together = list(pool.map(ask, bodies))
    assert together == [ask(body) for body in bodies]


def stopped(server: ModelServer) -> threading.Thread:
    thread = threading.Thread(target=server.shutdown)
    thread.start()
    until(lambda: server.service.stopping)
    return thread


def test_what_is_under_way_is_finished_and_what_is_new_refused(served: Any, slow: Slow) -> None:
    with send(served, words(max_tokens=4)) as first, send(served, words(max_tokens=2)) as second:
        until(lambda: served.service.waiting == 2 and slow.passes == 1)
        ending = stopped(served)
        for path in ("/health", "/v1/models"):
            status, headers, _ = request(served, "GET", path)
            assert (status, headers["Retry-After"]) == (503, "2")
        assert post(served, words())[0] == 503
        slow.open = True
        assert everything(first).startswith(b"HTTP/1.1 200 ")
        assert everything(second).startswith(b"HTTP/1.1 200 ")
    ending.join(PATIENT)
    assert not ending.is_alive()
    with pytest.raises(ConnectionRefusedError):
        connect(served)


def test_the_grace_period_is_bounded(tiny: Any, start: Callable[[Any], Any], slow: Slow) -> None:
    server = start(ModelServer(tiny, limits=Limits(grace_seconds=0.3)))
    with send(server, words(max_tokens=1000)) as first, send(server, words()) as second, connect(server) as third:
        third.sendall(head(5_000) + b"{")
        until(lambda: server.service.waiting == 2 and slow.passes == 1)
        slow.gate.release(3)
        ending = stopped(server)
        time.sleep(0.5)
        slow.gate.release(3)
        assert everything(first).startswith(b"HTTP/1.1 503 ")
        assert everything(second).startswith(b"HTTP/1.1 503 ")
        assert everything(third).startswith(b"HTTP/1.1 503 ")
    ending.join(PATIENT)
    assert not ending.is_alive()
    assert slow.passes < 10


def test_who_asks_twice_means_at_once(served: Any, slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    with send(served, words(max_tokens=1000)) as connection:
        until(lambda: slow.passes == 1)
        ending = stopped(served)
        served._server.stop()  # a launcher's copy of the same signal
        time.sleep(0.3)
        assert not served._server.should_exit
        monkeypatch.setattr("reidr.service.http.server.IMPATIENT_SECONDS", 0.1)
        served._server.stop()
        # Even if the model is in the midst of a pass.
        assert everything(connection).startswith(b"HTTP/1.1 503 ")
        slow.open = True
    ending.join(PATIENT)
    assert not ending.is_alive()


def test_stopped_before_it_has_begun(tiny: Any) -> None:
    server = ModelServer(tiny)
    server.shutdown()
    server.serve_forever()
    server.server_close()
