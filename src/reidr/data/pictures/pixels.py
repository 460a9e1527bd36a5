"""From whatever Pillow or NumPy hold to upright 8-bit RGB: one answer for every mode that a picture can have."""

from __future__ import annotations

import hashlib
import sys
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from reidr.errors import ImageError

BACKDROP = 127  # the grey that lies behind transparent pixels
STRIP_PIXELS = 1_000_000  # converted at a time, so that a large picture is not held in three forms at once
ORIENTATION = 0x0112  # the EXIF tag
BITS_PER_SAMPLE, PHOTOMETRIC = 258, 262  # TIFF tags
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# These decoders give 16-bit grey in Pillow's 32-bit mode, scaled to 0 to 65,535 whatever the file's own greatest value.
SIXTEEN_BITS_IN_MODE_I = ("PPM", "PNG")
STEPS_OF_GREY = {"L;2": 85, "L;4": 17}  # between neighbouring values of a PNG's 2 and 4 bits, once they are 8
CHANNELS = (1, 2, 3, 4)  # grey, grey and alpha, RGB, RGB and alpha
FORMS = (
    "uint8 of shape (height, width) or (height, width, 3), RGB and not BGR, or with alpha as a fourth channel;"
    " 16-bit grey as uint16 of shape (height, width)"
)

_padding = threading.Lock()


def upright_rgb(name: str, picture: Image.Image) -> Image.Image:
    """`picture` as 8-bit RGB, turned as its EXIF orientation says, transparent pixels on `BACKDROP`.

    16-bit grey keeps its upper 8 bits. Colour profiles are not applied. A plain RGB picture in memory comes back as the
    same object. Raises ImageError for 32-bit values, and whatever Pillow raises for damaged data.
    """
    if is_plain(picture):
        return picture
    transparent = transparent_value(picture)
    load(picture)
    # After loading: some decoders turn the picture themselves, and then say so.
    turn = TURNS.get(picture.getexif().get(ORIENTATION, 1))
    sixteen = picture.mode.startswith("I;16") or (
        picture.mode == "I" and getattr(picture, "format", None) in SIXTEEN_BITS_IN_MODE_I
    )
    if picture.mode in ("I", "F") and not sixteen:
        raise ImageError(f"{name}: 32-bit values have no agreed black and white; save the picture with 8 bits")
    if sixteen:
        check_grey(name, picture)
    if picture.mode == "RGB" and not picture.has_transparency_data:
        rgb = picture.copy() if turn is None else picture.transpose(turn)
        rgb.info = {}  # the orientation has been applied; nobody may apply it again
        return rgb
    rgb = Image.new("RGB", picture.size)
    rows = max(1, STRIP_PIXELS // picture.width)
    for top in range(0, picture.height, rows):
        strip = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
        rgb.paste(sixteen_bits(strip, transparent) if sixteen else flattened(strip, transparent), (0, top))
    return rgb if turn is None else rgb.transpose(turn)


def load(picture: Image.Image) -> None:
    """Read the pixels of a picture that was opened and not yet read.

    A file that has a name is mapped into memory by Pillow where it is not compressed, and in a TIFF that is to be
    turned it takes the sides after the turn for those of the file (seen in 13.0): so the name is kept from it.
    """
    if not isinstance(picture, ImageFile.ImageFile):
        picture.load()
        return
    name, picture.filename = picture.filename, ""
    try:
        if not ImageFile.LOAD_TRUNCATED_IMAGES:
            picture.load()
            return
        # Another library of this process has set Pillow to pad half a picture with grey, for everybody.
        with _padding:
            ImageFile.LOAD_TRUNCATED_IMAGES = False
            try:
                picture.load()
            finally:
                ImageFile.LOAD_TRUNCATED_IMAGES = True
    finally:
        picture.filename = name


def is_plain(picture: Image.Image) -> bool:
    """Whether a picture is what `upright_rgb` gives: RGB in memory, nothing left to read, to flatten or to turn."""
    return (
        picture.mode == "RGB"
        and not isinstance(picture, ImageFile.ImageFile)
        and not picture.has_transparency_data
        and picture.getexif().get(ORIENTATION, 1) not in TURNS
    )


def check_grey(name: str, picture: Image.Image) -> None:
    """Refuse the TIFFs of deep grey that Pillow hands over as they are stored: 12 bits, or white as 0."""
    tags = getattr(picture, "tag_v2", {})
    if tags.get(BITS_PER_SAMPLE, (16,)) != (16,) or tags.get(PHOTOMETRIC) == 0:
        raise ImageError(f"{name}: grey of 12 bits or with white as 0 would look otherwise; save it with 8 bits")


def flattened(strip: Image.Image, transparent: Any) -> Image.Image:
    """RGB of a part of a picture of 8-bit channels."""
    strip.info.pop("transparency", None)
    if transparent is not None:
        strip.info["transparency"] = transparent
    if not strip.has_transparency_data:
        return strip.convert("RGB")
    if strip.mode == "La":  # Pillow knows no direct way
        strip = strip.convert("LA")
    flat = Image.new("RGBA", strip.size, (BACKDROP, BACKDROP, BACKDROP, 255))
    flat.alpha_composite(strip.convert("RGBA"))
    return flat.convert("RGB")


def sixteen_bits(strip: Image.Image, transparent: Any) -> Image.Image:
    """RGB of a part of a 16-bit grey picture. Pillow's `convert` would clip: all but the darkest pixels white."""
    values = np.asarray(strip).clip(0, 65_535)
    grey = (values >> 8).astype(np.uint8)
    if isinstance(transparent, int):
        grey[values == transparent] = BACKDROP
    return Image.fromarray(grey).convert("RGB")


def transparent_value(picture: Image.Image) -> Any:
    """The picture's `transparency` (a palette index, alphas of a palette, a grey value, a colour) in its pixels' scale.

    A PNG states it in the file's own bits. Pillow widens the pixels of 2 and 4 bits but not this value, and cuts the
    pixels of three times 16 bits to their upper 8, where a colour that is not the same in both halves can no longer be
    told from its neighbours: such a colour marks nothing.
    """
    value = picture.info.get("transparency")
    value = tuple(value) if isinstance(value, list) else value
    tiles = getattr(picture, "tile", None)  # empty once the pixels are read
    raw = tiles[0].args if tiles else None
    if isinstance(value, int) and raw in STEPS_OF_GREY:
        step = STEPS_OF_GREY[raw]
        return (value & (255 // step)) * step
    if picture.mode == "RGB" and isinstance(value, tuple) and (raw == "RGB;16B" or max(value) > 255):
        return tuple(part // 257 for part in value) if all(part % 257 == 0 for part in value) else None
    return value


def check_array(name: str, array: NDArray[Any]) -> tuple[int, int]:
    """(width, height) of a picture in a NumPy array. Raises ImageError unless the array has one of `FORMS`."""
    found = f"{name}: an array of type {array.dtype} and shape {array.shape}"
    if array.dtype != np.uint8 and not (array.ndim == 2 and array.dtype in (np.bool_, np.uint16)):
        raise ImageError(f"{found} has no agreed black and white; give {FORMS}")
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in CHANNELS):
        return array.shape[1], array.shape[0]
    if array.ndim == 3 and array.shape[0] in CHANNELS:
        raise ImageError(f"{found} seems to have its channels first; give array.transpose(1, 2, 0)")
    raise ImageError(f"{found} is not one picture; give {FORMS}")


def picture_of_array(array: NDArray[Any]) -> Image.Image:
    """A picture in memory of an array that `check_array` has passed."""
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    elif array.dtype == np.uint16:
        array = array.astype("<u2")
    elif array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    return Image.fromarray(np.ascontiguousarray(array))


def array_of_tensor(name: str, source: object) -> NDArray[Any] | None:
    """The (height, width) or (height, width, channels) array of a torch tensor, channels first; None for anything else.

    torch itself is not imported: whoever has a tensor has done that. Raises ImageError for other shapes.
    """
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(source, torch.Tensor):
        return None
    if source.dtype not in (torch.uint8, torch.bool, torch.uint16) or source.layout != torch.strided:
        raise ImageError(f"{name}: a tensor of type {source.dtype} has no agreed black and white; give torch.uint8")
    if source.ndim not in (2, 3) or (source.ndim == 3 and source.shape[0] not in CHANNELS):
        raise ImageError(
            f"{name}: a tensor of shape {tuple(source.shape)} is not one picture; give (3, height, width), RGB,"
            " channels first as in torch, or (height, width)"
        )
    if source.is_meta:
        raise ImageError(f"{name}: a tensor on the device meta has no values")
    array: NDArray[Any] = source.detach().cpu().numpy()
    return array if array.ndim == 2 else array.transpose(1, 2, 0)


def pixel_digest(picture: Image.Image) -> str:
    """SHA-256 of an RGB picture's size and pixels."""
    digest = hashlib.sha256(f"{picture.size}".encode())
    digest.update(picture.tobytes())
    return digest.hexdigest()
