"""What a search of a gallery gives: appearances of a person over cameras and time, in a form that is JSON as it stands.

Times are seconds since 1970 in UTC, None where unknown. Probabilities and scores lie in [0, 1], higher is likelier;
distances are Euclidean distances of unit vectors, 0 to 2, smaller is nearer.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reidr.search.document.schema import Part, PresenceEntry, VerdictEntry

KIND: Literal["appearances"] = "appearances"
VERSION: Literal[1] = 1
Decided = Literal["same", "different", "undecided"]
"""What a named person said of a track; "undecided" takes back what was said before."""
Box = tuple[float, float, float, float]
"""Left, top, right, bottom in shares of a picture's sides."""


class TermFound(Part):
    """One thing that the words ask for, at one track."""

    term: str = Field(description="in the words of the vocabulary: upper colors: red")
    wanted: bool = Field(description="false: it must not be there")
    probability: float | None = Field(description="that it holds, over the track's crops; null: nothing is known")


class TravelEvidence(Part):
    """What the time between two cameras says about a track."""

    log_likelihood: float = Field(
        description="natural logarithm of how many times likelier this time is for the same person than for another"
    )
    sentence: str = Field(description="the same for reading, with both cameras, the time taken and the usual one")


class FoundTrack(Part):
    """One track that was found: the crops that one camera took of one person, one after the other."""

    track: str = Field(description="its id in the gallery")
    camera: str
    recording: str | None = Field(description="what it was cut from")
    start: float | None
    end: float | None
    crops: int = Field(description="how many of its crops the search compared")
    best: str = Field(description="id of the crop that is shown and was put before the reasoner: the nearest one")
    rank: int = Field(description="place in the order of tracks, from 1")
    distance: float | None = Field(description="of the nearest crop; null: the query is words alone")
    order_value: float | None = Field(
        description="the number that decides the order; `order_by` names it; null: confirmed, and first for that reason"
    )
    score: float | None = Field(None, description="that number of this track which `presence.score` names")
    direct_score: float | None = Field(description="of the reasoner, not calibrated; null: it was not asked")
    p_same: float | None = Field(
        description="probability that it is the same person: the direct score as calibrated by the inference profile "
        "and by this site's decisions, with the travel time where there is one; null: no score, or no calibration"
    )
    p_words: float | None = Field(None, description="that all that the words ask for holds; null without words")
    terms: list[TermFound] = Field([], description="the same, one by one")
    travel: TravelEvidence | None = Field(None, description="null: no travel time is known for it")
    doubtful: bool = Field(False, description="the answer is in doubt there: reasons are written for such tracks")
    doubt: str = Field("", description="why the crop can hardly be one of a person; empty where nothing speaks against")
    person: str | None = Field(None, description="a label that a named human gave to all its crops")
    identical_to_query: bool = Field(False, description="the crop has the same pixels as a picture of the query")
    decided: Decided = Field("undecided", description="what was decided about it in this case")


class Appearance(Part):
    """One or several tracks of one camera that follow each other closely: somebody was there from `start` to `end`.

    Its numbers are those of its best track.
    """

    id: str = Field(description="the id of its best track")
    rank: int = Field(description="place in the order, from 1")
    camera: str
    recording: str | None
    start: float | None
    end: float | None
    likelihood: float | None = Field(description="P(same) of its best track; of words alone that all of them hold")
    best: str = Field(description="id of the crop that is shown")
    decided: Decided = Field(description='"same" where one of its tracks is confirmed; "different" where all are not')
    doubtful: bool = Field(description="one of its tracks is in doubt")
    tracks: list[FoundTrack] = Field(description="in the order of their times")


class CameraLine(Part):
    """One camera of the time line."""

    camera: str
    appearances: list[int] = Field(description="ranks of its appearances, in the order of time; then those without one")


class TimeLine(Part):
    """When the person may have been where; a line for every camera, those first where somebody was seen first."""

    start: float | None = Field(description="the earliest start; null where no time is known")
    end: float | None = Field(description="the latest end")
    cameras: list[CameraLine]


class QueryPicture(Part):
    """A picture of the person who was searched for."""

    id: str = Field(description="the name of the given picture, or the id of a crop in the gallery")
    stored: bool = Field(description="true: a crop in the gallery, of a track of the query or one that was confirmed")
    doubt: str = Field("", description="why it can hardly be a crop of one person; empty where nothing speaks against")


class ThresholdEntry(Part):
    """How near somebody must come so that a wanted share of absent people at most comes as near."""

    false_alarms: float = Field(description="wanted share of searches for people who are not there")
    value: float = Field(description="the threshold; `score` says of what")
    sentence: str = Field(description="the same in words")


class SiteThresholds(Part):
    """Thresholds as shipped, and as this site's own decisions have changed them."""

    score: str = Field(description="name of the number that is compared, smaller is nearer; empty: nothing is known")
    decisions: int = Field(description="confirmed and rejected matches that count")
    searches: int = Field(description="of the searches that they belong to, how many tell how near a wrong person came")
    thresholds: list[ThresholdEntry] = Field(description="by rising share of false alarms")
    shipped: dict[str, float] = Field(description="as shipped, by wanted share of false alarms")
    sentence: str = Field(description="for reading: what holds at this site, and what it rests on")


class SearchAnswer(Part):
    """All that a search of a gallery gave, but for pictures, which the gallery has, and reasons, which come later."""

    kind: Literal["appearances"] = KIND
    version: Literal[1] = Field(VERSION, description="of this form")
    token: str = Field(description="by which this answer is known")
    created: float = Field(description="when it was made")
    gallery: str = Field(description="what was searched, for titles")
    gallery_version: int = Field(description="number of the last change that it held")
    retriever: str = Field(description="name of the model that finds")
    retriever_key: str = Field(description="fingerprint of its weights: decisions count for these alone")
    reasoner: str = Field("", description="name of the model that judges pairs; empty without one")
    reasoner_key: str = Field("", description="as for the retriever")
    query: list[QueryPicture] = Field(description="the pictures of the person")
    query_shown: str = Field("", description="id of the picture that the reasoner was shown; empty for words alone")
    words: str = Field("", description="the description that was searched for; empty without one")
    terms: list[str] = Field([], description="what was understood of it")
    words_sentences: list[str] = Field([], description="what a reader must know of how it was understood")
    searched: int = Field(description="crops that passed the filters of camera and time")
    order_by: str = Field(description="the number that decides the order")
    order_rule: str = Field(description="how that number is made, one sentence")
    presence: PresenceEntry = Field(description="whether the person is believed to be there at all")
    thresholds: SiteThresholds
    warnings: list[str] = Field([], description="why the result may not be reliable")
    notes: list[str] = Field([], description="what a reader should know of how it was made")
    notice: str = Field("", description="what a reader must know of the reasoner")
    appearances: list[Appearance] = Field(description="the likeliest first")
    time_line: TimeLine
    doubtful: list[str] = Field([], description="tracks for which reasons are worth writing, in that order")

    def tracks(self) -> list[FoundTrack]:
        """All tracks of all appearances, in their own order."""
        return sorted((track for each in self.appearances for track in each.tracks), key=lambda track: track.rank)


class Reason(Part):
    """What the reasoner wrote about one track."""

    track: str
    crop: str = Field(description="id of the crop that it was shown")
    query: str = Field(description="id of the query's picture that it was shown")
    verdict: VerdictEntry
    regions: dict[str, dict[str, Box]] = Field(
        {}, description='where each body region lies, by "query" and "candidate" and region; empty where unknown'
    )
