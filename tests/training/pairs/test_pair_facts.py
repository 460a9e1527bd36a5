"""What is known of a pair's crops: of drawn crops each, of photos the persons, of others nothing."""

from __future__ import annotations

from pathlib import Path

from reidr.data.types import Crop
from reidr.reasoning.types import Pair
from reidr.training.pairs.attributes import facts_finder

NOWHERE = Path("none.jpg")


def crop(name: str, person: str, **attributes: str) -> Crop:
    return Crop(name, NOWHERE, person=person, camera="1", attributes=attributes)


def test_each_data_set_tells_what_it_knows() -> None:
    drawn = [crop("s1", "street7:1", hat="not visible", bag="none"), crop("s2", "street7:2", hat="cap", bag="none")]
    clear = [crop("s3", "street7:3", hat="cap", bag="none"), crop("s4", "street7:4", hat="none", bag="none")]
    photos = [crop("m1", "market:1", hat="no", down="1"), crop("m2", "market:2", hat="yes", down="2")]
    nothing = [crop("c1", "cuhk:1"), crop("c2", "cuhk:2")]
    pairs = [Pair(*own, label=True) for own in (drawn, clear, photos, nothing)]
    find = facts_finder(pairs)
    one, two, three, four = map(find, pairs)
    assert one is not None
    assert two is not None
    assert three is not None
    assert four is None
    # All can be seen on the second pair, and still it is drawn: what it would hide could be told.
    assert (one.per_crop, two.per_crop, three.per_crop) == (True, True, False)
    assert (one.a["headwear"], one.b["headwear"]) == ("not visible", "hat")
    assert one.a["carried"] == "nothing"
    assert three.a["headwear"] == "none"
    turned = find(pairs[0].swapped())
    assert turned is not None
    assert (turned.a, turned.b) == (one.b, one.a)
    assert find(Pair(drawn[0], nothing[0])) is None
