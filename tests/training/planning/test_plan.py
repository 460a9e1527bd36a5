"""`reidr plan`: every shipped recipe, data that are missing, pairs, advice that holds, exit status and JSON."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from reidr.cli.main import reidr
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.errors import RecipeError, ReIDError
from reidr.training.pairs.balance import balance_pairs
from reidr.training.pairs.folds import Ranker
from reidr.training.pairs.mine import mine_pairs
from reidr.training.planning.advice import advise, setting_advice, steps_advice
from reidr.training.planning.data import PlannedData, look_at, made_up
from reidr.training.planning.gpus import TABLE, find_processor, processor_here
from reidr.training.planning.pairs import drawable
from reidr.training.planning.plan import WITH_MODEL, Machine, make_plan, planned_pairs, problems_of
from reidr.training.planning.settings import parse_changes, read_sections, with_data
from reidr.training.planning.text import plan_text, plan_values
from reidr.training.recipes.find import RECIPES, read_recipe
from reidr.training.recipes.pairs import PairsRecipe

H100 = Machine(find_processor("h100"))


@pytest.fixture(autouse=True)
def nothing_at_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No data sets and an empty cache of the hub, wherever the tests run."""
    monkeypatch.delenv("REIDR_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def planned(*words: str) -> Result:
    return CliRunner().invoke(reidr, ["plan", *words], catch_exceptions=False)


@pytest.mark.whole
@pytest.mark.parametrize("recipe", sorted(path.stem for path in RECIPES.glob("*.yaml")))
def test_every_shipped_recipe_is_planned(recipe: str) -> None:
    sections = read_sections(recipe, {})
    if not sections.typed:
        pytest.skip("a recipe that others extend")
    if sections.typed.keys() & {"warmup"} and "model" not in sections.raw["warmup"]:
        pytest.skip("a recipe that names no checkpoint: others extend it")
    plan = make_plan(sections, H100)
    wanted = [stage for stage in ("retriever", "pretraining", "pairs", *WITH_MODEL) if stage in sections.typed]
    assert [stage.stage for stage in plan.stages] == wanted
    for stage in plan.stages:
        if stage.stage in WITH_MODEL or stage.stage == "retriever":
            assert stage.memory is not None
            assert 10**7 < stage.memory.total < 200 * 2**30
            assert stage.seconds > 0
    text, values = plan_text(plan, []), json.loads(json.dumps(plan_values(plan, [])))
    assert all(name in text for name in (*wanted, "NVIDIA H100"))
    assert values["problems"] == problems_of(plan)
    for stage in ("retriever", "pretraining", "pairs"):
        assert set(sections.raw.get(stage, {}).get("data", ())) <= {each["name"] for each in values["data"]}


def test_the_plan_of_the_recipes_says_what_does_not_fit_and_what_would() -> None:
    path = Path("large.yaml")
    path.write_text(
        "warmup: {model: Qwen/Qwen2.5-VL-7B-Instruct, lora_rank: 32, batch: 16, rationales: 0, measure_pairs: 2}\n",
        encoding="utf-8",
    )
    sections = read_sections(str(path), {})
    plan = make_plan(sections, H100)
    assert plan.model is not None
    assert plan.model.remote
    assert plan.download == pytest.approx(2 * 8_292_166_656)
    (warmup,) = plan.stages
    assert warmup.memory is not None
    small = Machine(find_processor("a100-40gb"))
    assert warmup.memory.total > small.processor.usable
    tight = make_plan(sections, small)
    assert any(problem.startswith("warmup: needs") for problem in problems_of(tight))
    advice = {each.change: each for each in advise(sections, tight)}
    # What it says holds: planned anew with that value, the stage fits and needs what was said.
    changed = read_sections(str(path), parse_changes(["warmup.gradient_checkpointing=true"]))
    again = make_plan(changed, small)
    assert again.stages[0].fits
    assert again.stages[0].memory is not None
    assert again.stages[0].memory.total == advice["--gradient-checkpointing"].needs
    larger = next(change for change in advice if change.startswith("--gpu "))
    assert make_plan(sections, Machine(find_processor(larger.split()[1]))).stages[0].fits


@pytest.mark.whole
def test_a_stage_that_nothing_makes_fit_gets_no_setting() -> None:
    Path("large.yaml").write_text("warmup: {model: Qwen/Qwen3-VL-8B-Instruct, lora_rank: 32}\n", encoding="utf-8")
    sections = read_sections("large.yaml", {})
    plan = make_plan(sections, Machine(find_processor("t4")))
    problems = problems_of(plan)
    assert any("does not compute in bfloat16" in problem for problem in problems)
    assert not plan.stages[0].fits
    assert all(each.change.startswith("--gpu") for each in advise(sections, plan))
    assert plan.subject is not None
    smallest = read_sections("large.yaml", {"warmup": {"rows": 2, "batch": 2}})
    assert setting_advice(smallest, "warmup", plan.machine, plan.subject) == []


def test_missing_data_have_their_own_exit_status_and_say_where_to_ask() -> None:
    result = planned("nano", "--gpu", "h100")
    assert result.exit_code == 3
    assert "MISSING  market1501" in result.output
    assert "12,936 training images of 751 people (official counts)" in result.output
    assert "zheng-lab" in result.output
    assert "REIDR_DATA" in result.output


def test_a_recipe_without_data_can_begin_and_json_holds_what_the_text_says() -> None:
    own = Path("own.yaml")
    own.write_text("extends: nano-street\nretriever: {data: []}\n", encoding="utf-8")
    result = planned("own.yaml", "--json", "plan.json", "--gpu", "h100", "--set", "warmup.steps=3")
    assert result.exit_code == 0, result.output
    values = json.loads(Path("plan.json").read_text(encoding="utf-8"))
    warmup = next(stage for stage in values["stages"] if stage["stage"] == "warmup")
    assert warmup["remarks"] == ["108 draws from 12,000 candidate pairs"]
    assert warmup["bytes"] == sum(warmup["standing"].values()) + sum(warmup["phases"][warmup["largest"]].values())
    assert values["problems"] == []
    assert values["pairs"]["by_set"] == {"street": 12000}
    assert f"{warmup['bytes'] / 2**30:.1f}" in result.output


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("nano", "--gpu", "h10"), 1, "did you mean h100"),
        (("nano", "--set", "warmup.rows"), 1, "write STAGE.NAME=VALUE"),
        (("nano", "--set", "warmup.rowz=4"), 1, "did you mean rows"),
        (("nano", "--set", "warmpu.rows=4"), 1, "no stage 'warmpu'"),
        (("nano", "--gpu", "h100", "--sharded"), 1, "give their number with --gpus"),
        (("lite", "--set", "warmup.rows=4"), 1, "has no section 'warmup'"),
    ],
)
def test_a_wrong_option_is_one_sentence(words: tuple[str, ...], status: int, sentence: str) -> None:
    with pytest.raises(ReIDError, match=sentence):
        planned(*words)


def test_values_are_read_as_yaml_and_data_replace_the_recipes() -> None:
    assert parse_changes(["rl.rollout_server=null", "pairs.data=[a, b]", "rl.steps=7"]) == {
        "rl": {"rollout_server": None, "steps": 7}, "pairs": {"data": ["a", "b"]}
    }  # fmt: skip
    with pytest.raises(RecipeError, match="not valid YAML"):
        parse_changes(["rl.steps=[1"])
    changes = with_data("nano", {}, ["here"])
    assert changes == {stage: {"data": ["here"]} for stage in ("retriever", "pretraining")}


def test_more_sequences_of_reinforcement_than_pairs_are_said() -> None:
    recipe = read_recipe(RECIPES / "nano.yaml")
    recipe["pretraining"]["data"], recipe["retriever"]["data"] = [], []
    recipe["rl"] |= {"steps": 5}
    Path("own.yaml").write_text(json.dumps(recipe), encoding="utf-8")
    sections = read_sections("own.yaml", {})
    drawn, kept, _ = planned_pairs(sections, [])
    assert drawn is not None
    assert drawn.kept == 12_000
    assert kept == 209, "a fifth of the thousand pairs that are sampled"
    plan: Any = SimpleNamespace(kept=kept)
    advice = steps_advice(sections, plan)
    assert advice is not None
    assert (advice.stage, advice.change) == ("rl", "--steps 17")
    assert "only 0.29 times the 209 kept pairs" in advice.reason


def test_the_pairs_of_a_search_are_about_those_that_mining_finds(tmp_path: Path) -> None:
    """Mined by the histogram embedder on a rendered street, against the count without any embedder."""
    from reidr.data.join import join_training
    from reidr.retrieval.embedders.histogram import HistogramEmbedder

    dataset = render_street(tmp_path / "street", StreetSettings(seed=3, train_people=20, distractors=0, junk=0))
    crops = join_training([dataset])
    recipe = PairsRecipe(source="folds", folds=2, data=("street",), pairs=10**6, held_out_share=0.0, queries=60)
    seen = tuple((str(crop.person), str(crop.camera)) for crop in crops)
    data = [PlannedData("street", "street", True, ("pairs",), images=len(seen), people=20, crops=seen)]
    drawn = drawable(recipe, data, None)
    from reidr.training.pairs.folds import split_folds

    mined = []
    for fold, people in enumerate(split_folds({person for person, _ in seen}, 2, recipe.seed)):
        mined += mine_pairs(recipe, crops, Ranker(HistogramEmbedder(), people, fold))
    kept = balance_pairs(mined, recipe.pairs, recipe.seed)
    assert drawn.possible == pytest.approx(len(kept), rel=0.3)
    assert drawn.asked == 10**6
    assert drawn.kept == drawn.possible


def test_a_data_set_that_is_not_here_is_made_up_by_its_official_counts() -> None:
    crops = made_up("market1501")
    people = Counter(person for person, _ in crops)
    assert (len(crops), len(people)) == (12_936, 751)
    assert len({camera for person, camera in crops if person == "market1501:0"}) == 4
    assert len(made_up("msmt17")) == 30_248
    assert made_up("my-own-set") == ()
    unknown = look_at("my-own-set", ["pairs"])
    assert (unknown.found, unknown.counted, unknown.images) == (False, "unknown", 0)
    Path("broken").mkdir()
    assert "broken" in look_at("broken", ["pairs"]).problem


def test_processors_have_names_and_less_memory_than_their_titles_say() -> None:
    names = [each.name for each in TABLE]
    assert len(set(names)) == len(names)
    assert {"h200", "h100", "a100-80gb", "a100-40gb", "l40s", "rtx4090", "rtx3090"} <= set(names)
    assert all(0.85 * each.memory < each.usable < each.memory for each in TABLE)
    assert find_processor("A100_80GB").name == "a100-80gb"
    here = processor_here()
    assert here.tera > 0
    assert here.memory > 2**28


def test_rows_are_split_over_processors_and_time_too(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("own.yaml").write_text(
        "warmup: {model: nano, batch: 32, rationales: 0, measure_pairs: 2, rows: 64}\n", encoding="utf-8"
    )
    sections: Any = read_sections("own.yaml", {})
    one, four = (make_plan(sections, Machine(find_processor("l4"), number)) for number in (1, 4))
    passes = [plan.stages[0].memory.phases["pass over direct answers"] for plan in (one, four)]  # type: ignore[union-attr]
    assert passes[1]["activations"] < 0.3 * passes[0]["activations"]
    assert four.stages[0].seconds < one.stages[0].seconds / 2
