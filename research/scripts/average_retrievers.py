"""The retriever `lite`: the equal mean of the weights of three runs that have one ancestor (Wortsman et al., ICML 2022).

    python research/scripts/average_retrievers.py runs/identities/model runs/attributes/model runs/longer/model --out runs/lite

The first run is the ancestor of the others (`reidr train retriever lite`); the second went on with attributes beside
identities (`research/attributes/joint.py`), the third with stronger augmentation (recipe `lite-longer`). Its record of training
is that of the second, which has seen what all have seen. Thresholds are chosen anew on the held-out people.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from safetensors.torch import load_file

from reidr.core.progress import progress
from reidr.data.join import join_training
from reidr.data.load import load_dataset
from reidr.retrieval.embedders.network import build_network
from reidr.retrieval.embedders.network_settings import NetworkSettings
from reidr.retrieval.embedders.retriever import Retriever, save_retriever
from reidr.training.common.identities import hold_out_identities
from reidr.training.retriever.thresholds import choose_thresholds

SETS = ("market1501", "cuhk03-np-train")


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    wanted.add_argument("runs", type=Path, nargs="+")
    wanted.add_argument("--record", type=int, default=1, help="whose record of training is kept")
    wanted.add_argument("--data", type=Path, default=Path("../shared/data"))
    wanted.add_argument("--recogniser", default="attributes")
    wanted.add_argument("--out", type=Path, required=True)
    asked = wanted.parse_args()
    records = [json.loads((run / "retriever.json").read_text(encoding="utf-8")) for run in asked.runs]
    weights = [load_file(run / "model.safetensors") for run in asked.runs]
    settings = NetworkSettings.model_validate(records[0]["network"])
    mean = {key: sum(each[key].float() for each in weights) / len(weights) for key in weights[0]}
    network = build_network(settings)
    missing, unexpected = network.load_state_dict(mean, strict=False)
    assert not unexpected
    assert all(key.endswith("num_batches_tracked") for key in missing)
    trained = {key: value for key, value in records[asked.record]["trained"].items() if key != "attributes"}
    trained["mean_of"] = [record["trained"]["recipe"] for record in records]
    crops = join_training([load_dataset(asked.data / name) for name in SETS])
    _, held_out = hold_out_identities(crops, trained["recipe"]["held_out_share"], trained["recipe"]["seed"])
    save_retriever(network, asked.out, trained)
    embedder = Retriever.load(asked.out)
    trained |= choose_thresholds(held_out, embedder, trained["recipe"]["seed"], progress).facts()
    save_retriever(network, asked.out, trained)
    path = asked.out / "retriever.json"
    content = json.loads(path.read_text(encoding="utf-8")) | {"recogniser": asked.recogniser}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
