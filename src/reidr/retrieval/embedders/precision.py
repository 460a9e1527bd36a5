"""How exactly a retriever's network is computed; apart from the network, so that options need no torch.

`reference` is the trained network in single precision, as all stored figures were measured. `fast` is for processors:
batch norms folded into their convolutions, and bfloat16 where the processor multiplies in it. Its embeddings have a
cosine of at least 0.999 with those of the reference, but they are not the same, so they have fingerprints of their own.
"""

from __future__ import annotations

import re
from typing import Literal

Precision = Literal["reference", "fast"]
Arithmetic = Literal["bfloat16", "float32"]


def fast_fingerprint(reference: str, arithmetic: Arithmetic) -> str:
    """The fingerprint of a retriever that computes fast; what it begins with keeps cached embeddings apart."""
    return f"fast-{arithmetic}-{reference}"


def reference_fingerprint(fingerprint: str) -> str:
    """The fingerprint of the same weights at reference precision."""
    return re.sub(r"^fast-(bfloat16|float32)-", "", fingerprint)
