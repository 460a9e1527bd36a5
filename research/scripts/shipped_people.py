"""Training people whom the shipped models never saw, in the photos as they lie here now.

The models were taught when Market-1501 was here as `market1501-dev`: 450 of its 751 training identities, and 150 others
as a test. Which people those were was not recorded, so that split cannot be made again. Who was held out can be: the
choice hashes a person's label with the data set's name of then (`hold_out_identities`), and of all 751 those it picks
were never trained on, whether they were among the 450 or not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reidr.data.types import Crop, ReIDDataset

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY.parent / "shared" / "data"
MARKET = DATA / "market1501"


def training_sets(retriever: Any, data: Path = DATA) -> list[ReIDDataset]:
    """The data sets that `retriever` was trained on, under the names it knew them by, from the folders in `data`.

    Raises SystemExit where one of them is not there under any name.
    """
    from reidr.data.load import load_dataset
    from reidr.data.protocols.dataset_overlap import families_of

    found = []
    for name in retriever.trained_on:
        same = [
            folder
            for folder in sorted(data.iterdir())
            if folder.is_dir() and families_of(folder.name) & families_of(name)
        ]
        if not same:
            raise SystemExit(f"{data} has no folder of the data set that {retriever.name} was trained on as {name}")
        found.append(load_dataset(same[0], name=name))
    return found


def unseen_people(retriever: Any, data: Path = DATA) -> tuple[tuple[Crop, ...], tuple[Crop, ...]]:
    """Training crops of (people it may have seen, people held out from it) of all its data sets."""
    from reidr.data.join import join_training
    from reidr.training.common.identities import hold_out_identities

    return hold_out_identities(join_training(training_sets(retriever, data)), *retriever.held_out)
