"""The fixed form of what `reidr evaluate --json` writes: a versioned schema, each field described where it stands.

Within one version names are added, never changed or taken away, so a reader must accept names that it does not know.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from reidr.data.left_out import LeftOut
from reidr.evaluation.experiment.rows import Role

Version = Literal["reidr/evaluation/2"]
SCHEMA: Version = get_args(Version)[0]
ROUNDING = 1e-6  # sums in another order
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Pair = Annotated[list[float], Field(min_length=2, max_length=2)]


class _Part(BaseModel):
    """Unknown names are kept: a newer writer of the same version may have added some. "0.5" and true are no numbers."""

    model_config = ConfigDict(extra="allow", populate_by_name=True, strict=True)


class ResultRow(_Part):
    """One method of ranking: metrics as shares of 1, over the queries that have a match."""

    name: str = Field(description="for reading; unique among the rows")
    role: Role = Field(description="what kind of method it is")
    variant: str = Field("", description='distinguishes it within its role; "" for the one of the inference profile')
    built_on: list[str] = Field(default_factory=list, description="names of the rows whose list it re-ranks")
    m_ap: Share = Field(alias="mAP", description="mean average precision")
    rank1: Share = Field(description="share of queries with a match at the first place")
    rank5: Share = Field(description="among the first five")
    rank10: Share = Field(description="among the first ten")
    m_inp: Share = Field(alias="mINP", description="mean inverse negative penalty")
    queries: int | None = Field(None, description="that have a match, of the first draw")
    calls: int = Field(description="of the reasoner; a scored pair costs one for each order of its crops")
    seconds: float = Field(description="wall time, all draws together")
    note: str = Field("", description="one short remark")
    intervals: dict[str, Pair] = Field(default_factory=dict, description="by metric; none for several draws")
    gains: dict[str, Pair] = Field(default_factory=dict, description="interval of the difference to the retriever")
    gains_over: dict[str, dict[str, Pair]] = Field(
        default_factory=dict, description="the same to the other rows that it is built on, by their names"
    )


class RowValues(_Part):
    """Values of each query, in the order of `PerQuery.ids`; null for a query without a match."""

    average_precision: list[Share | None] = Field(description="whose mean is the row's mAP")
    rank1: list[Share | None] = Field(description="1 where the first crop is a match, else 0")
    first_match_rank: list[Annotated[float, Field(ge=1)] | None] | None = Field(
        None, description="rank of the nearest match, from 1; null for several draws"
    )


class PerQuery(_Part):
    """The values of every query, by row; oracles are left out. Means over the draws where there are several."""

    ids: list[str] = Field(description="of the queries")
    persons: list[str | None] = Field(description="whom they show; null where unknown")
    matches: list[Count] = Field(description="gallery crops that count as right")
    rows: dict[str, RowValues] = Field(description="by name of the row")

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        lengths = {len(self.ids), len(self.persons), len(self.matches)}
        for row in self.rows.values():
            lengths |= {len(row.average_precision), len(row.rank1)}
            lengths |= set() if row.first_match_rank is None else {len(row.first_match_rank)}
        if len(lengths) > 1:
            raise ValueError("per_query: its lists are not of one length")
        if len(set(self.ids)) != len(self.ids):
            raise ValueError("per_query: an id occurs twice")
        return self


class EvaluationResult(_Part):
    """A whole result file."""

    version: Version = Field(alias="schema", description="name and version of this form")
    dataset: str = Field(description="its name")
    protocol: str = Field(description="name of the evaluation rule")
    average_precision: Literal["exact", "trapezoid"] = Field(description="how it is computed")
    ties: str = Field(description="where a match stands among wrong crops at its distance")
    trials: Annotated[int, Field(ge=1)] = Field(description="draws of the protocol; most have one")
    queries: Count = Field(description="of the first draw, with a match or without")
    queries_without_match: Count = Field(description="they count in no mean")
    gallery: Count = Field(description="crops of the first draw")
    rows: list[ResultRow] = Field(description="one for each method, the retriever's first")
    per_query: PerQuery = Field(description="the values of every query")
    left_out: list[LeftOut] = Field(description="what took no part")
    notes: list[str] = Field(description="what was noticed when the data were read")
    requests: dict[str, Any] = Field(default_factory=dict, description="what the reasoner was asked")
    provenance: dict[str, Any] = Field(description="models, options, versions and commit behind the numbers")

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        """With one draw the table's numbers are those of the queries: a file that was edited by hand is refused."""
        if self.trials > 1:
            return self
        part = self.per_query
        for what, stated, counted in (
            ("queries", self.queries, len(part.ids)),
            ("queries_without_match", self.queries_without_match, part.matches.count(0)),
        ):
            if stated != counted and any(part.matches):
                raise ValueError(f"{what} is {stated}, but per_query has {counted}")
        names = [row.name for row in self.rows]
        for row in self.rows:
            own = part.rows.get(row.name) if names.count(row.name) == 1 else None
            known = [] if own is None else [value for value in own.average_precision if value is not None]
            mean = sum(known) / max(1, len(known))
            if known and abs(row.m_ap - mean) > ROUNDING:
                raise ValueError(f"mAP of {row.name} is {row.m_ap:.6g}, but per_query gives {mean:.6g}")
        return self
