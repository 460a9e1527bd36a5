"""Many questions to a server at a time, in threads: answers as they come, and an end where none will come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Hashable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from reidr.errors import ReIDError
from reidr.reasoning.backends.chat_server.endpoint import RefusedError
from reidr.reasoning.backends.chat_server.replies import NoCompletionError

Asked = TypeVar("Asked", bound=Hashable)

IN_A_ROW = 5  # questions without an answer, after which none is expected
MANY = 10  # questions, of which half without an answer are too many


@dataclass(frozen=True)
class Missing:
    """A question that the server would not or could not answer, and why."""

    error: RefusedError | NoCompletionError

    @property
    def problem(self) -> str:
        """The reason, in the server's words."""
        return str(self.error)


class Breaker:
    """Ends a run that a server refuses: one question of many may go without an answer, all of them may not."""

    def __init__(self) -> None:
        self.answered = self.missing = self._in_a_row = 0

    def note(self, answer: Any) -> None:
        """Count an answer or a `Missing`.

        Raises:
            ReIDError: nothing more is to be expected.
        """
        if not isinstance(answer, Missing):
            self.answered, self._in_a_row = self.answered + 1, 0
            return
        self.missing, self._in_a_row = self.missing + 1, self._in_a_row + 1
        if isinstance(answer.error, RefusedError) and answer.error.hopeless:
            raise answer.error
        total = self.missing + self.answered
        if self._in_a_row >= IN_A_ROW or (total >= MANY and 2 * self.missing > total):
            in_a_row = self._in_a_row >= IN_A_ROW
            failed = f"{self._in_a_row} questions in a row" if in_a_row else f"{self.missing} of {total} questions"
            raise ReIDError(f"gave up after {failed} without an answer; the last: {answer.problem}")

    def end_of_call(self, last: Missing | None) -> None:
        """After all questions of a call. Raises the last refusal where this server has never answered anything."""
        if last is not None and not self.answered:
            raise last.error


def gather(
    ask: Callable[[Asked, Any], Any], todo: Mapping[Asked, Any], concurrency: int, stop: threading.Event
) -> Generator[tuple[Asked, Any], None, None]:
    """(question, answer or `Missing`) as they come. After an error or Ctrl-C `stop` is set and nothing more is sent."""

    def safely(one: Asked, about: Any) -> Any:
        try:
            return ask(one, about)
        except (RefusedError, NoCompletionError) as error:
            return Missing(error)

    pool = ThreadPoolExecutor(concurrency)
    running: dict[Future[Any], Asked] = {}
    waiting = iter(todo.items())
    try:
        while True:
            for one, about in islice(waiting, 2 * concurrency - len(running)):
                running[pool.submit(safely, one, about)] = one
            if not running:
                return
            ended = wait(running, return_when=FIRST_COMPLETED).done
            # What has been paid for is handed on before an error is.
            for future in sorted(ended, key=lambda future: future.exception() is not None):
                yield running.pop(future), future.result()
    finally:
        if running:
            stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
