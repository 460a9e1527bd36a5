"""Nouns of garments, bags and other things a person has; the plural of a noun is found without an entry."""

from __future__ import annotations

from reidr.search.words.entries import Fact, Place, Slot, Thing
from reidr.search.words.types import Value


def of(family: str, *values: str) -> tuple[Value, ...]:
    """Values of one family."""
    return tuple((family, value) for value in values)


TOP = of("upper garment", "t-shirt", "shirt", "other top")
T_SHIRT = of("upper garment", "t-shirt")
SHIRT = of("upper garment", "shirt", "other top")
SWEATER = of("upper garment", "sweater", "jacket")
JACKET = of("upper garment", "jacket")
SUIT = of("upper garment", "suit jacket")
SHORT_SLEEVES, NO_SLEEVES = of("sleeves", "short"), of("sleeves", "none")
TROUSERS = of("lower garment", "trousers", "jeans")
LONG, SHORT = of("lower length", "long"), of("lower length", "short")
ANY_BAG = of("carried", "backpack", "shoulder bag", "handbag", "plastic bag")
BACKPACK, SHOULDER_BAG = of("carried", "backpack"), of("carried", "shoulder bag")
HANDBAG = of("carried", "handbag", "shoulder bag")
PLASTIC_BAG = of("carried", "plastic bag", "handbag")
SUITCASE, FOLDER = of("carried", "suitcase"), of("carried", "folder")
HAT, GLASSES, SCARF = of("headwear", "hat"), of("glasses", "yes"), of("scarf", "yes")

GROUPS: tuple[tuple[Thing, str], ...] = (
    (Thing(Slot.UPPER, TOP), "shirt, top, undershirt, upper garment, tunic, jersey"),
    (Thing(Slot.UPPER, T_SHIRT, SHORT_SLEEVES), "t shirt, tshirt, tee, tee shirt, teeshirt, t"),
    (Thing(Slot.UPPER, TOP, SHORT_SLEEVES), "polo, polo shirt, polo t shirt"),
    (Thing(Slot.UPPER, SHIRT), "blouse, dress shirt, button down shirt, button up shirt, button down, button up"),
    (Thing(Slot.UPPER, SHIRT), "buttoned shirt, button shirt, collared shirt, flannel"),
    (Thing(Slot.UPPER, of("upper garment", "t-shirt", "other top"), NO_SLEEVES), "tank top, tank, camisole, halter"),
    (Thing(Slot.OUTER, SWEATER), "sweater, sweatshirt, sweat shirt, pullover, jumper, turtleneck"),
    (Thing(Slot.OUTER, SWEATER), "hoodie, hoody, hooded sweatshirt, cardigan, fleece"),
    (Thing(Slot.OUTER, JACKET), "jacket, coat, overcoat, raincoat, parka, windbreaker, anorak, vest, waistcoat"),
    (
        Thing(Slot.OUTER, JACKET),
        "jean jacket, denim jacket, suit coat, trench coat, puffer jacket, down jacket, anorak",
    ),
    (Thing(Slot.OUTER, JACKET), "leather jacket, bomber jacket, rain jacket, puffer, gilet, cagoule, hooded jacket"),
    (Thing(Slot.OUTER, of("upper garment", "suit jacket", "jacket")), "blazer, suit jacket"),
    (Thing(Slot.CLOTHES, SUIT), "suit, business suit"),
    (
        Thing(Slot.CLOTHES),
        "clothes, clothing, outfit, attire, uniform, track suit, tracksuit, sweat suit, jumpsuit, overalls, dungarees",
    ),
    (Thing(Slot.DRESS, of("lower garment", "skirt")), "dress, sundress, sun dress, gown"),
    (Thing(Slot.LOWER, TROUSERS, LONG), "pants, pant, trousers, trouser, slacks, dress pants, bottoms"),
    (Thing(Slot.LOWER, TROUSERS, LONG), "khakis, sweatpants, sweat pants, joggers, chinos, cargo pants"),
    (Thing(Slot.LOWER, TROUSERS), "leggings, legging, lower garment"),
    (
        Thing(Slot.LOWER, of("lower garment", "jeans"), LONG),
        "jeans, jean, jean pants, denims, denim pants, denim jeans",
    ),
    (Thing(Slot.LOWER, (), SHORT), "capris, capri, capri pants, capri jeans, cropped pants"),
    (Thing(Slot.LOWER, of("lower garment", "shorts"), SHORT), "shorts, jean shorts, jeans shorts, denim shorts"),
    (Thing(Slot.LOWER, of("lower garment", "shorts"), SHORT), "cargo shorts, short pants, short jeans, bermudas"),
    (Thing(Slot.LOWER, of("lower garment", "skirt")), "skirt, jean skirt, denim skirt"),
    (Thing(Slot.LOWER, of("lower garment", "skirt"), SHORT), "miniskirt, mini skirt"),
    (Thing(Slot.SHOES), "shoe, footwear, flats, heels, high heels, wedge, pumps, clog, croc"),
    (Thing(Slot.SHOES, of("shoes", "sneakers")), "sneaker, trainers, tennis shoe, running shoe, athletic shoe"),
    (Thing(Slot.SHOES, of("shoes", "sneakers")), "gym shoe, sport shoe, sports shoe, basketball shoe, converse"),
    (Thing(Slot.SHOES, of("shoes", "leather shoes")), "dress shoe, leather shoe, loafer"),
    (Thing(Slot.SHOES, of("shoes", "boots")), "boot, wellies, wellingtons, rain boot, wellington boot"),
    (Thing(Slot.SHOES, of("shoes", "sandals")), "sandal, flip flop, flipflop, slipper, open toed shoe"),
    (
        Thing(Slot.BAG, BACKPACK),
        "backpack, back pack, bagpack, rucksack, knapsack, pack, school bag, schoolbag, bookbag",
    ),
    (Thing(Slot.BAG, ANY_BAG), "bag, sack"),
    (
        Thing(Slot.BAG, SHOULDER_BAG),
        "shoulder bag, shoulder satchel, messenger bag, messenger, satchel, cross body bag, crossbody bag",
    ),
    (Thing(Slot.BAG, SHOULDER_BAG), "shoulder purse, cross body purse, sling bag, crossover bag, crossbody"),
    (Thing(Slot.BAG, HANDBAG), "handbag, hand bag, purse, pocketbook, tote, tote bag, clutch"),
    (Thing(Slot.BAG, of("carried", "shoulder bag", "handbag")), "briefcase, brief case, laptop bag, computer bag"),
    (Thing(Slot.BAG, PLASTIC_BAG), "plastic bag, shopping bag, grocery bag, paper bag, carrier bag"),
    (Thing(Slot.BAG, SUITCASE), "suitcase, luggage, trolley case, trolley, luggage case"),
    (Thing(Slot.BAG, of("carried", "shoulder bag", "handbag", "suitcase")), "duffle bag, duffel bag, gym bag, holdall"),
    (Thing(Slot.ACCESSORY, FOLDER), "folder, binder, file"),
    (Thing(Slot.ACCESSORY, of("carried", "umbrella")), "umbrella, parasol"),
    (Thing(Slot.ACCESSORY, of("carried", "stroller")), "stroller, baby stroller, baby carriage, buggy, pram"),
    (
        Thing(Slot.ACCESSORY, HAT),
        "hat, cap, baseball cap, ball cap, beanie, helmet, headwear, bucket hat, sun hat, beret",
    ),
    (
        Thing(Slot.ACCESSORY, HAT),
        "straw hat, bobble hat, fedora, trilby, visor",
    ),
    (Thing(Slot.ACCESSORY, GLASSES), "glasses, eyeglasses, eye glasses, sunglasses, sun glasses, spectacles, eyewear"),
    (Thing(Slot.ACCESSORY, GLASSES), "eyeglass, prescription glasses, specs, shades"),
    (Thing(Slot.ACCESSORY, SCARF), "scarf, scarves, muffler"),
    (Thing(Slot.HAIR), "hair, haired, haircut, hairdo"),
)
OTHER = """
sock stocking tight hose pantyhose nylons belt tie watch bracelet necklace lanyard headphone earphone earbud earring
ring phone cellphone cell_phone mobile_phone telephone camera book notebook newspaper magazine paper laptop tablet
bottle water_bottle cup drink box container package umbrella_handle bicycle bike motorcycle cart car wall building
background pavement sidewalk stair strap collar collars hood pocket trim hem cuff lace sole soled heel_strap button
zipper buckle edge edging border lining accent detail neckline sash bow ribbon headband hair_band hairband
fanny_pack tattoo beard mustache moustache goatee bangs glove apron wristband badge tag earbuds wire skirt_hem
bird tree object item device ball strap_of handle sticker band pendant writing_pad skateboard
"""
PLACES: tuple[tuple[tuple[Value, ...], str], ...] = (
    (SHOULDER_BAG, "shoulder, shoulders, across body, across chest, across the body, hip"),
    (BACKPACK, "on back, on his back, on her back, on their back, on the back, on his or her back, on backs"),
    (of("carried", "handbag", "plastic bag", "shoulder bag"), "hand, hands, arm"),
)
FACTS: tuple[tuple[tuple[Value, ...], str], ...] = (
    (of("hair length", "bald"), "bald, balding, bald head, shaved head, hairless"),
    (of("hair length", "long"), "ponytail, pony tail, pigtails, braid, braids, dreadlocks"),
    (of("hair length", "long"), "shoulder length hair, hair to her shoulders"),
    (of("headwear", "none"), "bareheaded, hatless, bare head"),
    (of("glasses", "yes"), "bespectacled"),
    (of("carried", "nothing"), "nothing, empty handed, empty hands"),
)


def phrases(text: str) -> list[str]:
    """The phrases of a list with commas."""
    return [phrase.strip() for phrase in text.split(",")]


THINGS: dict[str, Thing | Fact | Place] = {
    **{word.replace("_", " "): Thing(Slot.OTHER) for word in OTHER.split()},
    **{phrase: thing for thing, text in GROUPS for phrase in phrases(text)},
    **{phrase: Place(kinds) for kinds, text in PLACES for phrase in phrases(text)},
    **{phrase: Fact(values) for values, text in FACTS for phrase in phrases(text)},
}
