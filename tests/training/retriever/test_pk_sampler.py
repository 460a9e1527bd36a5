"""PK batches: right shape, no identity twice, every crop used, cameras mixed."""

from __future__ import annotations

import numpy as np
import pytest

from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.training.common.identities import hold_out_identities
from reidr.training.retriever.pk_sampler import identity_batches


def make(counts: list[int], cameras: int = 3) -> tuple[list[int], list[str | None]]:
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    return labels, [str(i % cameras) for i in range(len(labels))]


def test_every_batch_has_p_identities_of_k_crops() -> None:
    labels, cameras = make([3, 4, 9, 5, 8, 1, 6])
    batches = list(identity_batches(labels, cameras, 3, 4, np.random.default_rng(0)))
    assert batches
    for batch in batches:
        found = np.array(labels)[batch]
        assert len(batch) == 12
        names, numbers = np.unique(found, return_counts=True)
        assert len(names) == 3
        assert (numbers == 4).all()


def test_an_epoch_shows_nearly_every_crop() -> None:
    labels, cameras = make([8] * 20)
    shown = np.concatenate(list(identity_batches(labels, cameras, 4, 4, np.random.default_rng(0))))
    # Only what is left when fewer than 4 identities remain is dropped: at most 3 identities' 8 crops.
    assert len(set(shown.tolist())) >= 160 - 24


def test_a_group_mixes_cameras() -> None:
    labels, cameras = make([12] * 6, cameras=4)
    for batch in identity_batches(labels, cameras, 3, 4, np.random.default_rng(1)):
        for label in np.unique(np.array(labels)[batch]):
            own = [cameras[row] for row in batch if labels[row] == label]
            assert len(set(own)) == 4  # 12 crops dealt camera by camera: 4 in a row are of 4 cameras


def test_the_same_seed_gives_the_same_batches() -> None:
    labels, cameras = make([5] * 9)
    one = list(identity_batches(labels, cameras, 3, 4, np.random.default_rng(7)))
    two = list(identity_batches(labels, cameras, 3, 4, np.random.default_rng(7)))
    assert all((a == b).all() for a, b in zip(one, two, strict=True))


def test_too_few_identities_is_a_sentence() -> None:
    labels, cameras = make([5, 5])
    with pytest.raises(DataError, match="needs 3 identities"):
        list(identity_batches(labels, cameras, 3, 4, np.random.default_rng(0)))


def crops(people: int) -> list[Crop]:
    return [Crop(id=f"{p}-{i}", image=None, person=f"m:{p:04d}") for p in range(people) for i in range(2)]  # type: ignore[arg-type]


def test_held_out_people_are_disjoint_and_about_the_share() -> None:
    kept, held = hold_out_identities(crops(1000), 0.1, seed=0)
    assert not {c.person for c in kept} & {c.person for c in held}
    assert len(kept) + len(held) == 2000
    assert 60 <= len({c.person for c in held}) <= 140


def test_who_is_held_out_does_not_depend_on_the_others() -> None:
    _, whole = hold_out_identities(crops(1000), 0.1, seed=0)
    _, part = hold_out_identities(crops(500), 0.1, seed=0)
    assert {c.person for c in part} == {c.person for c in whole if int(str(c.person)[2:]) < 500}
    assert {c.person for c in hold_out_identities(crops(500), 0.1, seed=1)[1]} != {c.person for c in part}
