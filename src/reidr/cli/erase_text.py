"""How `reidr erase` and `reidr retention apply` say what was removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reidr.service.security.erasure.receipts import Receipt


def receipt_lines(receipt: Receipt) -> list[str]:
    """The receipt, line by line."""
    from datetime import UTC, datetime

    from reidr.core.text import shown

    moment = datetime.fromtimestamp(receipt.ended, UTC)
    lines = [f"receipt {receipt.id}: erased from {shown(receipt.gallery)} at {moment:%Y-%m-%d %H:%M:%S} UTC"]
    lines.append(f"  asked for by {shown(receipt.who)}")
    if receipt.why:
        lines.append(f"  because: {shown(receipt.why)}")
    if receipt.verified_by:
        lines.append(f"  the crops were looked at by {shown(receipt.verified_by)}")
    lines += [f"  {number:>9,} {name}" for name, number in receipt.counts.items()]
    lines += [f"  removed {shown(file)}" for file in receipt.files]
    lines.append("  not reached:")
    lines += [f"    {sentence}" for sentence in receipt.not_reached]
    lines.append(f"  sha256 {receipt.hash}")
    return lines
