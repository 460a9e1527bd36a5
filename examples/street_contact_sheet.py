"""Draw a contact sheet of the rendered street: one row per person, look-alikes below each other, one column per camera.

python examples/street_contact_sheet.py street.png --seed 3
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from reidr.data.synthetic import StreetSettings, plan_street, render_crop

PEOPLE, CELL, SCALE = 8, (150, 324), 2
VIEWS = ("front", "side", "back")


def main() -> None:
    """Read the command line and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path, help="where to write the sheet, e.g. street.png")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    street = plan_street(StreetSettings(seed=options.seed, train_people=PEOPLE, test_people=0, distractors=0, junk=0))
    sheet = Image.new("RGB", (CELL[0] * 2 * len(street.cameras), CELL[1] * PEOPLE), (246, 246, 244))
    for row, person in enumerate(street.train):
        for column in range(2 * len(street.cameras)):
            camera = street.cameras[column // 2]
            outfit = person.outfits[-1] if column >= len(street.cameras) else person.outfits[0]
            seed = 1000 * row + column
            crop = render_crop(person, outfit, VIEWS[(row + column) % 3], camera, seed).image
            large = crop.resize((crop.width * SCALE, crop.height * SCALE), Image.Resampling.BICUBIC)
            sheet.paste(large, (CELL[0] * column, CELL[1] * row))
    sheet.save(options.picture)


if __name__ == "__main__":
    main()
