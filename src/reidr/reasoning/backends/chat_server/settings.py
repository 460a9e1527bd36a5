"""How a server is asked: what the questions are like, and how fast and how often they are sent."""

from __future__ import annotations

from dataclasses import dataclass

from reidr.errors import ReIDError
from reidr.reasoning.backends.chat_server.endpoint import Endpoint


@dataclass(frozen=True)
class ConnectionSettings:
    """What the requests to any server have in common.

    Attributes:
        pixels: (least, greatest) area to which crops are resized before they are sent. None: `CROP_PIXELS`; but
            `reidr serve-model` gets them as they are and resizes them itself, as in process.
        concurrency: requests that are under way at a time.
        per_second: at most so many requests a second; None: no limit.
        tries: how often a request is sent before giving up. timeout: seconds to wait for each answer.
        patience: seconds that one request may take with all its tries and the pauses between them.
    """

    pixels: tuple[int, int] | None = None
    concurrency: int = 8
    per_second: float | None = None
    tries: int = 8
    timeout: float = 120.0
    patience: float = 300.0

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise ReIDError("a server needs a concurrency of at least 1")

    def connect(self, address: str) -> Endpoint:
        """The server at `address`; nothing is sent yet. Raises ReIDError as `Endpoint`."""
        return Endpoint(
            address,
            per_second=self.per_second,
            tries=self.tries,
            timeout=self.timeout,
            patience=self.patience,
        )


@dataclass(frozen=True)
class RemoteSettings(ConnectionSettings):
    """The options of a `RemoteReasoner`.

    Attributes:
        begin_answer: begin the assistant's turn with `<answer>` as in process, where the server can
            (`continue_final_message` of vLLM and SGLang); otherwise the model writes it. None: where the server is
            `reidr serve-model`.
        samples: answers that are sampled where a server gives no usable log-probabilities.
        thinking_tokens: how many tokens more a model may write that thinks by itself before it answers. 0: none.
    """

    begin_answer: bool | None = None
    samples: int = 8
    thinking_tokens: int = 2048

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples < 1 or self.thinking_tokens < 0:
            raise ReIDError("a chat server needs samples of at least 1, and thinking_tokens of at least 0")


@dataclass(frozen=True)
class RerankSettings(ConnectionSettings):
    """The options of a `RerankServer`.

    Attributes:
        documents: candidates that one request compares with its query, at most.
    """

    documents: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.documents < 1:
            raise ReIDError("a rerank server needs at least 1 document a request")
