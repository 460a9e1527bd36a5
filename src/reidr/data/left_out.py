"""What took no part in an evaluation or a search: one form for terminals, pages and JSON files."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

NAMES_KEPT = 50
"""Names in a file; sentences show fewer."""


class LeftOut(BaseModel):
    """One kind of thing that took no part."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str = Field(description='why: "loader", "unreadable", "no match", or a reason of the folder\'s listing')
    text: str = Field(description="one sentence")
    count: int | None = Field(None, description="how many; null where it is not known")
    names: tuple[str, ...] = Field((), description=f"of the first {NAMES_KEPT} of them")
