"""How attention is computed: a name that recipes and loading share, without torch."""

from __future__ import annotations

from typing import Literal

Attention = Literal["sdpa", "flash_attention_2", "eager"]
"""torch's fused kernels (which include flash attention), the package flash-attn, or matrix by matrix."""
