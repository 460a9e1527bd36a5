"""Work in a thread of its own: done at once and again, in spite of errors, until it is stopped."""

from __future__ import annotations

import threading

from reidr.errors import ReIDError
from reidr.service.repeating import Repeating


def test_an_error_is_told_and_the_work_goes_on_until_the_end() -> None:
    done, told, third = [], [], threading.Event()

    def work() -> None:
        done.append(threading.current_thread().name)
        if len(done) == 2:
            raise ReIDError("the database is away")
        if len(done) == 3:
            third.set()

    thread = Repeating("worker", work, 0.001, told.append)
    thread.start()
    assert third.wait(30)
    thread.stop()
    number = len(done)
    assert set(done) == {"worker"}
    assert [str(error) for error in told] == ["the database is away"]
    third.clear()
    assert not third.wait(0.02)
    assert len(done) == number  # nothing more is done


def test_a_long_pause_does_not_keep_the_end_waiting() -> None:
    done = threading.Event()
    thread = Repeating("worker", done.set, 3600.0, lambda error: None)
    thread.start()
    assert done.wait(30)
    thread.stop()
