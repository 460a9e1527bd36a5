"""Whether the person is here at all, in one plain sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reidr.search.appearances.types import FoundTrack, SiteThresholds
from reidr.search.document.schema import PresenceEntry
from reidr.search.presence import Presence, judged, one_in

NOBODY = "Nobody was seen: no crop in the gallery passes the filters of camera and time."
WORDS_ALONE = "Whether the person is here cannot be said: words fit more people than one."


def by_site(believed: Presence, thresholds: Mapping[str, float]) -> Presence:
    """What is believed by the thresholds of a site, for this gallery's size; as it was where these are none."""
    if not believed.score or believed.value is None or not thresholds:
        return believed
    return judged(believed.score, believed.value, thresholds, believed.crops)


def entry_of(believed: Presence, site: SiteThresholds, tracks: Sequence[FoundTrack]) -> PresenceEntry:
    """What is believed, with its sentence; what a named person confirmed counts more than any number.

    Args:
        tracks: all that was found, with what was decided about it.
    """
    confirmed = sum(track.decided == "same" for track in tracks)
    if confirmed:
        many = "1 track" if confirmed == 1 else f"{confirmed:,} tracks"
        believed = replace(believed, belief="probably there", sentence=f"The person is here: {many} confirmed.")
    else:
        believed = replace(believed, sentence=sentence_of(believed, site))
    return PresenceEntry(
        belief=believed.belief,
        sentence=believed.sentence,
        score=believed.score,
        value=believed.value,
        thresholds=dict(believed.thresholds or {}),
    )


def sentence_of(believed: Presence, site: SiteThresholds) -> str:
    """One plain sentence on whether the person is here, with how often it would be said of somebody who is not."""
    thresholds = believed.thresholds
    if believed.belief == "unknown" or not thresholds or believed.value is None:
        return believed.sentence
    rates = sorted(thresholds, key=float)
    here = "" if believed.crops is None else f" among {believed.crops:,.0f} crops"
    if site.searches and site.score == believed.score:
        here += f", by this site's {site.decisions:,} decisions"
    if believed.belief == "perhaps absent":
        rate = one_in(float(rates[-1]))
        return f"The person may well not be here: more than {rate} people who are not here come as near{here}."
    within = next(rate for rate in rates if believed.value <= thresholds[rate])
    sure = "is probably here" if believed.belief == "probably there" else "may be here"
    return f"The person {sure}: at most about {one_in(float(within))} people who are not here come as near{here}."
