"""What this site's own decisions say: its calibration and its thresholds, and both in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from reidr.fusion.calibration import margin_of
from reidr.fusion.gallery_size import rule_for_gallery, stored_rule
from reidr.fusion.profile import InferenceProfile, OpenSetRule
from reidr.fusion.recalibration import alarms_in_words, recalibrated, site_thresholds
from reidr.search.appearances.case import Decision
from reidr.search.appearances.types import SiteThresholds, ThresholdEntry
from reidr.search.presence import Presence
from reidr.service.finding.models import Models
from reidr.service.records.records import RecordStore

KIND = "decision"
PAGE = 1000
NOTHING = SiteThresholds(
    score="", decisions=0, searches=0, thresholds=[], shipped={}, sentence="No threshold is known for these models."
)


@dataclass(frozen=True)
class Site:
    """The decisions of a site that count: the last one about each track of each case, with case and track as key."""

    decisions: Mapping[tuple[str, str], Decision]

    def of_models(self, models: Models) -> list[tuple[str, Decision]]:
        """(case, decision) of decisions about matches of these very models: scores of others are on another scale."""
        return [
            (case, decision)
            for (case, _), decision in self.decisions.items()
            if (decision.retriever, decision.reasoner) == (models.retriever.fingerprint, models.reasoner_key)
            and decision.decided != "undecided"
        ]

    def profile(self, models: Models, crops: int | None = None) -> InferenceProfile | None:
        """The reasoner's inference profile with the calibration and the thresholds of this site; None without one.

        `crops`: how many crops a search is among. What was shipped is fitted to that size (`rule_for_gallery`) before
        it is mixed with what was decided here, in a gallery of about this size. None: it is not fitted.
        """
        profile = models.profile
        if profile is None:
            return None
        known = [
            (decision.direct_score, decision.decided == "same")
            for _, decision in self.of_models(models)
            if decision.direct_score is not None
        ]
        if known:
            margins, outcomes = margin_of([score for score, _ in known]), [same for _, same in known]
            profile = replace(profile, calibration=recalibrated(profile.calibration, margins, outcomes))
        rule = profile.open_set
        if rule is not None:
            profile = replace(profile, open_set=self.mixed(models, rule_for_gallery(rule, crops)))
        return profile

    def mixed(self, models: Models, fitted: OpenSetRule) -> OpenSetRule:
        """A rule that is fitted to the gallery's size, mixed with what was decided here."""
        found = site_thresholds(fitted.thresholds, self.nearest_wrong(models, fitted.score))
        return replace(fitted, thresholds=found)

    def nearest_wrong(self, models: Models, score: str) -> list[float]:
        """How near the nearest rejected person of each search came, by that score.

        A search counts where everybody who came nearer had been decided about too: else somebody wrong may have come
        nearer still.
        """
        nearest: dict[str, float] = {}
        for case, decision in self.of_models(models):
            counts = decision.decided == "different" and decision.score_name == score and decision.nearer_decided
            if counts and decision.score is not None:
                nearest[case] = min(decision.score, nearest.get(case, decision.score))
        return list(nearest.values())

    def thresholds(self, models: Models, believed: Presence, crops: int | None = None) -> SiteThresholds:
        """The thresholds of the score that is compared, in numbers and in words; `crops` as for `profile`."""
        profile, score = models.profile, believed.score
        rule = None if profile is None else profile.open_set
        if (rule is None or rule.score != score or not rule.thresholds) and score == "distance":
            rule = stored_rule(models.retriever)
        if not score or rule is None or rule.score != score or not rule.thresholds:
            return NOTHING
        fitted, searches = rule_for_gallery(rule, crops), len(self.nearest_wrong(models, score))
        found = self.mixed(models, fitted).thresholds
        entries = [
            ThresholdEntry(false_alarms=float(rate), value=value, sentence=alarms_in_words(float(rate)))
            for rate, value in sorted(found.items(), key=lambda each: float(each[0]))
        ]
        decisions = len(self.of_models(models))
        return SiteThresholds(
            score=score,
            decisions=decisions,
            searches=searches,
            thresholds=entries,
            shipped=dict(rule.thresholds),
            sentence=sentence_of(entries[0], fitted, decisions, searches),
        )


def sentence_of(strictest: ThresholdEntry, fitted: OpenSetRule, decisions: int, searches: int) -> str:
    """What holds at this site, and what it rests on: `fitted` is what was shipped, for this gallery's size."""
    words = alarms_in_words(strictest.false_alarms)
    said = f"Where this says that the person is probably here, expect {words}"
    sized = "" if fitted.crops is None else f", for a search among {fitted.crops:,.0f} crops"
    if not searches:
        so_far = (
            f" ({decisions:,} so far, none of them about the nearest wrong person of a search)" if decisions else ""
        )
        return f"{said}, as measured on the training people{sized}; decisions made here will correct it{so_far}."
    before = fitted.thresholds[min(fitted.thresholds, key=float)]
    change = (
        "stricter"
        if strictest.value < before
        else "more lenient"
        if strictest.value > before
        else "neither stricter nor more lenient"
    )
    return (
        f"{said}, by the training people and {searches:,} searches decided here ({decisions:,} decisions; they have "
        f"made it {change}){sized}."
    )


NO_DECISIONS = Site({})


def site_of(records: RecordStore | None) -> Site:
    """The decisions that a record store holds; none without one."""
    if records is None:
        return NO_DECISIONS
    last: dict[tuple[str, str], Decision] = {}
    for case, decision in all_decisions(records):
        last[case, decision.track] = decision
    return Site(last)


def all_decisions(records: RecordStore, case: str | None = None) -> Iterator[tuple[str, Decision]]:
    """(case, decision) in the order of cases and of their numbers; of one case alone where it is named."""
    after = None if case is None else f"{case}/"
    while page := records.of_kind(KIND, after=after, limit=PAGE):
        for record in page:
            name, _, _ = record.key.rpartition("/")
            if case is not None and name != case:
                return
            yield name, Decision.model_validate(record.value)
        after = page[-1].key
