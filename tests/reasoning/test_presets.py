"""What ships in the package: every reasoner loads, reads a pair of drawn people, and says whom it has seen."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import street_crops
from reidr.errors import WeightsError
from reidr.fusion.profile import stored_profile
from reidr.fusion.provenance import training_data
from reidr.reasoning.backends.local import Engine
from reidr.reasoning.backends.reference import Reasoner
from reidr.reasoning.models.checkpoint import PRESETS
from reidr.reasoning.types import Pair
from reidr.retrieval.embedders.retriever import Retriever

SHIPPED = sorted(folder.name for folder in PRESETS.iterdir() if (folder / "config.json").is_file())
MOST = 60_000_000  # bytes of weights in all


def test_what_ships_stays_small() -> None:
    package = Path(PRESETS).parent.parent
    assert sum(path.stat().st_size for path in package.glob("*/presets/*/*.safetensors")) <= MOST
    assert SHIPPED == ["nano", "nano-street"]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_preset_tells_the_same_picture_from_another_and_speaks(name: str) -> None:
    crops = tuple(street_crops(StreetSettings(seed=3, train_people=2, crops_per_camera=1), "train"))
    one = next(crop for crop in crops if crop.person == crops[0].person)
    other = next(crop for crop in crops if crop.person != one.person)
    reasoner = Reasoner.load(name)
    same, different = reasoner.score([Pair(one, one, None, None), Pair(one, other, None, None)])
    assert same > different
    (verdict,) = reasoner.think([Pair(one, other, None, None)])
    assert verdict.parsable
    assert verdict.reasoning
    profile = stored_profile(name)
    # Who has seen drawn people only leaves photos alone.
    assert (0 < profile.weight <= 1) if name == "nano" else profile.weight == 0
    assert profile.retriever == Retriever.load("lite").fingerprint, "find says where another retriever is used"
    assert profile.mismatch(Retriever.load("attributes").fingerprint)
    assert profile.policy is not None
    assert profile.score_predictor is not None


def test_a_checkpoint_says_on_which_photos_it_was_taught(tmp_path: Path) -> None:
    street, nano = (Engine(Reasoner.load(name)) for name in ("nano-street", "nano"))
    assert street.card.trained_on == ()
    assert [Path(place).name for place in nano.card.trained_on] == ["market1501", "cuhk03-np-train", "peta"]
    assert training_data(tmp_path) == ()
    (tmp_path / "provenance.json").write_text("[]")
    with pytest.raises(WeightsError, match="does not say what it was trained on"):
        training_data(tmp_path)


def test_a_loaded_checkpoint_carries_the_decision_of_its_folder_whatever_it_is_called(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PRESETS / "nano-street", tmp_path / "nano"))
    stored = stored_profile("nano-street")
    assert Reasoner.load(folder).card.profile == Engine(Reasoner.load(folder)).card.profile == stored
    assert Reasoner.load("nano").card.profile == stored_profile("nano") != stored


def test_nano_street_has_seen_no_photo() -> None:
    people = json.loads((PRESETS / "nano-street" / "provenance.json").read_text(encoding="utf-8"))
    assert people["data"] == []
    for name in SHIPPED:
        assert (PRESETS / name / "README.md").read_text(encoding="utf-8").startswith("# Model card")


@pytest.mark.parametrize("part", ["models.processor", "models.checkpoint", "backends.loading"])
def test_nano_is_known_whichever_part_is_imported_first(part: str) -> None:
    """Its architecture registers itself with transformers by being imported: no order of imports may miss it."""
    code = (
        f"import reidr.reasoning.{part}\n"
        "from reidr.reasoning.models.checkpoint import find_checkpoint\n"
        "from reidr.reasoning.models.processor import load_processor\n"
        "print(type(load_processor(find_checkpoint('nano')[0])).__name__)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120)
    assert "Processor" in done.stdout, done.stderr[-500:]
