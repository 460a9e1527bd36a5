"""Put a taught reasoner into the package, in half precision: python scripts/ship.py runs/rl/model nano

Copies its decision along, and checks the weights of
all presets together (60 MB at most). The card is written by hand.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "src" / "reidr"
MOST = 60_000_000


def main() -> None:
    source, name = Path(sys.argv[1]), sys.argv[2]

    from reidr.fusion.profile import FILE
    from reidr.reasoning.backends.reference import Reasoner

    reasoner = Reasoner.load(source)
    target = PACKAGE / "reasoning" / "presets" / name
    card = (target / "README.md").read_text(encoding="utf-8") if (target / "README.md").is_file() else ""
    shutil.rmtree(target, ignore_errors=True)
    reasoner.model.half().save_pretrained(target)
    reasoner.processor.save_pretrained(target)
    for extra in (FILE, "tuning_log.json", "provenance.json"):
        if (source / extra).is_file():
            shutil.copyfile(source / extra, target / extra)
    (target / "README.md").write_text(card or f"# {name}\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in PACKAGE.glob("*/presets/*/*.safetensors"))
    print(f"{target}: weights of all presets {size / 1e6:.1f} MB")
    if size > MOST:
        raise SystemExit("more than 60 MB of weights")


if __name__ == "__main__":
    main()
