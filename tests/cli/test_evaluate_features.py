"""`reidr evaluate --features`: the evaluator's own numbers, files for papers, what was left out, and the docs."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from reidr.cli.main import reidr
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.evaluation import evaluate_features
from reidr.evaluation.metrics.statistics import bootstrap_interval
from reidr.evaluation.results.result_file import read_result
from reidr.retrieval.embedders.histogram import HistogramEmbedder

DOCS = Path(__file__).parents[2] / "docs" / "evaluating.md"


def unit(features: np.ndarray) -> np.ndarray:
    return features / np.linalg.norm(features, axis=1, keepdims=True)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    people = random.normal(size=(9, 6))
    query, gallery = random.integers(1, 9, 15), random.integers(0, 8, 40)
    gallery[:2] = -1
    return {
        "query_features": people[query] + random.normal(size=(15, 6)), "query_ids": query,
        "query_cameras": random.integers(0, 2, 15),
        "gallery_features": people[gallery] + random.normal(size=(40, 6)), "gallery_ids": gallery,
        "gallery_cameras": random.integers(0, 3, 40),
    }  # fmt: skip


def run(*words: str) -> Result:
    done = CliRunner().invoke(reidr, ["evaluate", *words])
    assert done.exit_code == 0, f"{done.output}\n{done.exception}"
    return done


def refused(*words: str) -> str:
    done = CliRunner().invoke(reidr, ["evaluate", *words])
    assert done.exit_code != 0
    return str(done.exception) + done.output


@pytest.mark.parametrize("rule", ["exact", "trapezoid"])
def test_the_numbers_are_those_of_the_evaluator(place: Path, arrays: dict[str, np.ndarray], rule: Any) -> None:
    np.savez("f.npz", **arrays)
    done = run("--features", "f.npz", "--average-precision", rule, "--json", "r.json")
    wanted = evaluate_features(
        unit(arrays["query_features"]), unit(arrays["gallery_features"]), arrays["query_ids"], arrays["gallery_ids"],
        arrays["query_cameras"], arrays["gallery_cameras"], average_precision=rule,
    )  # fmt: skip
    content = json.loads(Path("r.json").read_text())
    row = content["rows"][0]
    assert row["name"] == "retriever f"
    assert row["mAP"] == wanted.mean_average_precision
    assert [row["rank1"], row["rank5"], row["rank10"]] == [wanted.rank(1), wanted.rank(5), wanted.rank(10)]
    assert row["mINP"] == wanted.mean_inverse_negative_penalty
    assert content["average_precision"] == rule
    assert ("trapezoid average precision" in done.output) == (rule == "trapezoid")
    # The values of each query are the evaluator's, and the means of the rows are theirs.
    read = read_result(Path("r.json"))
    values = read.per_query.rows["retriever f"]
    np.testing.assert_array_equal(np.array(values.average_precision, dtype=float), wanted.average_precision)
    np.testing.assert_array_equal(np.array(values.first_match_rank, dtype=float), wanted.first_match_rank)
    assert read.per_query.matches == wanted.matches.tolist()
    found = [value for value in values.average_precision if value is not None]
    people = [str(who) for who, count in zip(arrays["query_ids"], wanted.matches, strict=True) if count]
    assert tuple(row["intervals"]["mAP"]) == bootstrap_interval(found, groups=people)
    assert "oracle@10" not in read.per_query.rows
    assert [each.role for each in read.rows] == ["retriever", "reranker", "oracle"]
    # Queries that nothing answers are counted and named.
    alone = [entry for entry in read.left_out if entry.kind == "no match"]
    assert wanted.queries_without_match > 0
    assert alone[0].count == wanted.queries_without_match
    assert alone[0].names[0] in done.output
    assert f"left out: {wanted.queries_without_match} of 15 queries have no match" in done.output


def test_files_for_papers(place: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez("a_b%.npz", **arrays)
    run("--features", "a_b%.npz", "--json", "r.json", "--latex", "t/x.tex", "--csv", "t/x.csv", "--figures", "figs",
        "--run", "run")  # fmt: skip
    row = json.loads(Path("r.json").read_text())["rows"][0]
    table = Path("t/x.tex").read_text()
    low, high = row["intervals"]["mAP"]
    assert (
        f"  retriever a\\_b\\% & {100 * row['mAP']:.1f} {{\\scriptsize [{100 * low:.1f}, {100 * high:.1f}]}}" in table
    )
    assert table.count("\\\\") == 1 + 3  # heading and rows
    for word in ("\\toprule", "\\midrule", "\\bottomrule", "\\begin{tabular}{lrrrrr}", "mAP & R1 & R5 & R10 & mINP"):
        assert word in table
    with Path("t/x.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert float(lines[0]["mAP"]) == row["mAP"]
    assert float(lines[0]["mAP_low"]) == low
    assert Path("figs/cmc.pdf").read_bytes().startswith(b"%PDF")
    picture = Path("figs/cmc.svg").read_text()
    assert "a_b%" in picture  # text stays text
    assert "queries with a match up to rank" in picture
    assert "have no match" in Path("run/report.html").read_text()
    before = Path("figs/cmc.pdf").read_bytes()
    run("--features", "a_b%.npz", "--figures", "figs")
    assert Path("figs/cmc.pdf").read_bytes() == before


def test_one_person_gives_no_interval(place: Path, arrays: dict[str, np.ndarray]) -> None:
    """Resampling one person always gives the same mean: an interval of no width would claim to be certain."""
    one = np.flatnonzero(arrays["query_ids"] == arrays["query_ids"][0])
    assert len(one) > 1
    arrays |= {name: arrays[name][one] for name in ("query_features", "query_ids", "query_cameras")}
    np.savez("f.npz", **arrays)
    run("--features", "f.npz", "--json", "r.json", "--latex", "x.tex", "--csv", "x.csv")
    assert [row["intervals"] for row in json.loads(Path("r.json").read_text())["rows"]] == [{}, {}, {}]
    assert "scriptsize" not in Path("x.tex").read_text()
    with Path("x.csv").open(newline="") as file:
        assert {line["mAP_low"] for line in csv.DictReader(file)} == {""}


def test_leave_one_out_by_hand_and_in_full(place: Path) -> None:
    # Four crops on a line of angles: a at 0 and 10 degrees, b at 15 and 90. Nearest others: a0→a10, a10→b15 (a at
    # rank 2), b15→a10 (b behind both a), b90→b15.
    angles = np.deg2rad([0, 10, 15, 90])
    np.savez("f.npz", features=np.stack([np.cos(angles), np.sin(angles)], axis=1), ids=np.array(list("aabb")))
    assert "there are no queries" in refused("--features", "f.npz")
    run("--features", "f.npz", "--protocol", "leave-one-out", "--json", "r.json")
    content = json.loads(Path("r.json").read_text())
    assert content["protocol"] == "leave-one-out"
    assert (content["queries"], content["gallery"]) == (4, 4)
    assert content["per_query"]["rows"]["retriever f"]["first_match_rank"] == [1, 2, 3, 1]
    assert content["rows"][0]["rank1"] == 0.5
    assert content["rows"][0]["mAP"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1) / 4)
    random = np.random.default_rng(1)
    features, ids, cameras = random.normal(size=(30, 5)), random.integers(0, 6, 30), random.integers(0, 2, 30)
    np.savez("g.npz", features=features, ids=ids, cameras=cameras)
    run("--features", "g.npz", "--protocol", "leave-one-out", "--json", "r.json")
    wanted = evaluate_features(unit(features), unit(features), ids, ids, None, None, ignored=np.eye(30, dtype=bool))
    assert json.loads(Path("r.json").read_text())["rows"][0]["mAP"] == pytest.approx(wanted.mean_average_precision)
    # Queries and gallery apart are put together.
    cut = {"query_features": features[:10], "query_ids": ids[:10]}
    np.savez("h.npz", gallery_features=features[10:], gallery_ids=ids[10:], **cut)
    run("--features", "h.npz", "--protocol", "leave-one-out", "--json", "r.json")
    assert json.loads(Path("r.json").read_text())["rows"][0]["mAP"] == pytest.approx(wanted.mean_average_precision)


def test_a_query_that_is_itself_in_the_gallery(place: Path) -> None:
    random = np.random.default_rng(5)
    features, ids = random.normal(size=(24, 5)), np.arange(24) % 6
    both = {"query_features": features, "query_ids": ids, "gallery_features": features, "gallery_ids": ids}
    np.savez("unnamed.npz", **both)
    done = run("--features", "unnamed.npz", "--json", "r.json")
    assert "24 of 24 queries have a row that the gallery has too" in done.output
    assert json.loads(Path("r.json").read_text())["rows"][0]["rank1"] == 1.0
    # With names it is known that they are the same pictures: each is left out of its own search, and that is said.
    names = np.array([f"{place}.jpg" for place in range(24)])
    np.savez("named.npz", query_names=names, gallery_names=names, **both)
    done = run("--features", "named.npz", "--json", "r.json")
    assert "own picture" in done.output
    assert "24 of 24 queries" in done.output
    wanted = evaluate_features(unit(features), unit(features), ids, ids, None, None, ignored=np.eye(24, dtype=bool))
    row = json.loads(Path("r.json").read_text())["rows"][0]
    assert row["mAP"] == pytest.approx(wanted.mean_average_precision)
    assert row["rank1"] == wanted.rank(1) < 1
    # One name for two different pictures (a file name of two folders) is no reason to leave anything out.
    np.savez("other.npz", query_names=names, gallery_names=names[::-1], **both)
    assert "own picture" not in run("--features", "other.npz").output


@pytest.fixture
def street(place: Path) -> Path:
    settings = StreetSettings(
        seed=6, cameras=2, cameras_per_person=2, test_people=4, crops_per_camera=1, distractors=4, junk=1
    )
    render_street(place / "street", settings)
    return place / "street"


def test_rows_of_a_data_set_by_order_and_by_name(street: Path) -> None:
    from reidr.data.load import load_dataset

    dataset = load_dataset(street)
    random = np.random.default_rng(0)
    query, gallery = random.normal(size=(len(dataset.query), 5)), random.normal(size=(len(dataset.gallery), 5))
    np.save("q.npy", query)
    np.save("g.npy", gallery)
    run("street", "--features", "g.npy", "--query-features", "q.npy", "--json", "order.json", "--run", "run")
    names = np.array([crop.id for crop in (*dataset.gallery, *dataset.query)])
    shuffled = random.permutation(len(names))
    np.savez("all.npz", features=np.concatenate([gallery, query])[shuffled], names=names[shuffled])
    run("street", "--features", "all.npz", "--json", "name.json")
    first, second = (json.loads(Path(name).read_text()) for name in ("order.json", "name.json"))
    assert first["per_query"]["rows"]["retriever g"] == second["per_query"]["rows"]["retriever all"]
    assert "data:image/jpeg" in Path("run/report.html").read_text()  # the data set's pictures


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a data set, or a file of features"),
        (["--query-features", "f.npz"], "--query-features needs --features"),
        (["--features", "f.npz", "--retriever", "nano"], "drop --retriever"),
        (["--features", "f.npz", "--held-out"], "--held-out needs to know"),
        (["--features", "f.npz", "--reasoner", "nano"], "--reasoner needs pictures"),
        (["--features", "f.npz", "--baseline"], "--baseline needs pictures"),
        (["--features", "f.npz", "--reasons"], "drop --reasons"),
        (["--features", "absent.npz"], "absent.npz: no such file"),
        (["--features", "f.npz", "--figures", "f.npz"], "f.npz"),
        (["--features", "f.npz", "--latex", "."], "is a folder; name a file in it"),
        (["--features", "f.npz", "--protocol", "leave-two-out"], "no protocol 'leave-two-out'"),
    ],
)
def test_options_that_do_not_go_together(
    place: Path, arrays: dict[str, np.ndarray], words: list[str], said: str
) -> None:
    np.savez("f.npz", **arrays)
    assert said in refused(*words)


def test_what_the_loader_and_unreadable_files_left_out_is_said_everywhere(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reidr.cli.shared.load_retriever", lambda *_, **__: HistogramEmbedder())
    random = np.random.default_rng(0)
    files = [f"query/000{who}_c1s1_000000_00.png" for who in (1, 2, 3)]
    files += [f"bounding_box_test/000{who}_c2s1_00000{n}_00.png" for who in (1, 2) for n in (1, 2)]
    for name in (*files, "query/0004-c1s1-0.png", "bounding_box_test/nobody.png"):
        path = place / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (32, 16, 3), dtype=np.uint8)).save(path)
    damaged = place / "data" / files[-1]
    damaged.write_bytes(b"no picture")
    done = run("data", "--reasoner", "none", "--no-cache", "--json", "r.json", "--run", "run")
    content = json.loads(Path("r.json").read_text())
    page = Path("run/report.html").read_text()
    for text in (done.output, json.dumps(content["left_out"]), page):
        for part in ("0004-c1s1-0.png", "nobody.png", damaged.name):
            assert part in text
        assert "have no match in the gallery" in text
    kinds = {entry["kind"]: entry for entry in content["left_out"]}
    assert {"loader", "unreadable", "no match"} <= set(kinds)
    assert (kinds["unreadable"]["count"], kinds["no match"]["count"]) == (1, 1)
    assert kinds["no match"]["names"] == ["query/0003_c1s1_000000_00.png"]


def test_draws_are_means_by_query_too(place: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez("f.npz", **arrays)
    done = run("--features", "f.npz", "--protocol", "single-gallery-shot", "--json", "r.json", "--latex", "x.tex")
    assert "mean of 10 draws" in done.output
    assert "% mean of 10 draws of the protocol" in Path("x.tex").read_text()
    read = read_result(Path("r.json"))
    values = read.per_query.rows["retriever f"]
    assert read.trials == 10
    assert values.first_match_rank is None
    for metric, each in (("m_ap", values.average_precision), ("rank1", values.rank1)):
        known = [value for value in each if value is not None]
        assert getattr(read.rows[0], metric) == pytest.approx(np.mean(known))
    assert {round(10 * value, 6) % 1 for value in values.rank1 if value is not None} == {0}  # shares of ten draws


def test_the_reasoners_rows_follow_the_schema(street: Path) -> None:
    from reidr.data.load import load_dataset

    crops = (*load_dataset(street).query, *load_dataset(street).gallery)
    features = np.random.default_rng(0).normal(size=(len(crops), 5))
    np.savez("f.npz", features=features, names=np.array([crop.id for crop in crops]))
    run("street", "--features", "f.npz", "--reasoner", "nano", "--no-cache", "--k", "3", "--json", "r.json")
    read = read_result(Path("r.json"))
    assert ("reasoner", "") in {(row.role, row.variant) for row in read.rows}
    assert {row.name for row in read.rows if row.role != "oracle"} == set(read.per_query.rows)


def test_one_failing_file_costs_no_other(
    place: Path, arrays: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez("f.npz", **arrays)
    monkeypatch.setattr("reidr.core.run.prepare_file", lambda _: None)
    said = refused(
        "--features", "f.npz", "--json", "no/r.json", "--csv", "x.csv", "--latex", "no/x.tex", "--run", "run"
    )
    assert "no/r.json: cannot be written" in said
    assert "no/x.tex: cannot be written" in said
    assert Path("x.csv").is_file()
    assert Path("run/report.html").is_file()


def test_one_query_has_no_curve_and_all_files(place: Path, arrays: dict[str, np.ndarray]) -> None:
    one = {name: each[:1] if name.startswith("query") else each for name, each in arrays.items()}
    np.savez("f.npz", **one)
    done = run("--features", "f.npz", "--figures", "figs", "--json", "r.json")
    assert "none: no curve has more than one case" in done.output
    assert read_result(Path("r.json")).queries == 1


def test_a_wrong_rule_is_refused_before_a_model_is_loaded(street: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a model is loaded")

    monkeypatch.setattr("reidr.cli.shared.load_retriever", never)
    assert "no protocol 'x'" in refused("street", "--protocol", "x")
    assert "no policy is stored" in refused("street", "--reasoner", "none", "--adaptive")


def test_the_five_minutes_of_the_docs(place: Path) -> None:
    text = DOCS.read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=place)
    command = re.search(r"```sh\nreidr (evaluate .*?)\n```", text, re.DOTALL)[1]
    done = CliRunner().invoke(reidr, command.split())
    assert done.exit_code == 0, done.output
    assert "rows were divided by their length" in json.loads(Path("mine.json").read_text())["notes"][-1]
    assert {"mine.json", "mine.tex", "figures", "mine.npz"} <= {path.name for path in place.iterdir()}
    for name in ("baseline.json", "other.json"):
        Path(name).write_bytes(Path("mine.json").read_bytes())
    command = re.search(r"```sh\nreidr (compare .*?)\n```", text, re.DOTALL)[1]
    done = CliRunner().invoke(reidr, command.split())
    assert done.exit_code == 0, done.output


def test_the_schema_describes_every_field_and_the_docs_name_every_alias() -> None:
    from reidr.data.left_out import LeftOut
    from reidr.evaluation.features.files import ALIASES
    from reidr.evaluation.results.schema import EvaluationResult, PerQuery, ResultRow, RowValues

    text = DOCS.read_text(encoding="utf-8")
    for model in (EvaluationResult, ResultRow, PerQuery, RowValues, LeftOut):
        for name, field in model.model_fields.items():
            assert field.description, name
    for names in ALIASES.values():
        assert ", ".join(f"`{name}`" for name in names) in text
