"""The recipe inside a picture file: as text of PNG, as the comment of GIF, as XMP of JPEG, WebP and TIFF."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, unescape

from PIL import Image, ImageSequence, UnidentifiedImageError

import artgen
from artgen.data.picture_decoding import formats
from artgen.errors import UsageError
from artgen.media.deep_images import Samples, deep_samples, is_deep
from artgen.media.recipe import FORMAT, FileRecipes, Recipe, carried_recipes, read_bytes, to_json

KEY = FORMAT  # of the text chunk of a PNG file
FORMATS = ("PNG", "GIF", "JPEG", "WEBP", "TIFF")
XMP_TAG = 700  # of a TIFF file
# ISO 16684-1: https://developer.adobe.com/xmp/docs. A program that edits the file keeps what is in a namespace that it does not know.
XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:artgen="urn:artgen:xmp:1">
<xmp:CreatorTool>artgen {version}</xmp:CreatorTool>
<artgen:recipe>{text}</artgen:recipe>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
ELEMENT = re.compile(r"<artgen:recipe>(.*?)</artgen:recipe>|\bartgen:recipe=(\"[^\"]*\"|'[^']*')", re.DOTALL)
ENTITIES = {"&quot;": '"', "&apos;": "'", "&#xA;": "\n", "&#10;": "\n"}


def recipe_text(encoded: bytes, recipes: Sequence[Recipe]) -> bytes:
    """The recipes, and the digest of what a reader will find in the file: colours of a GIF are not those of the frames."""
    return text_with_digest(_file_digest(encoded), recipes)


def text_with_digest(digest: str, recipes: Sequence[Recipe]) -> bytes:
    """The recipes and what `pixels_digest` or `deep_digest` says about the picture that is to carry them."""
    return to_json(recipes, pixels_sha256=digest).encode("utf-8", "replace")


def xmp_packet(text: bytes) -> bytes:
    """Text with recipes as XMP."""
    plain = text.decode("utf-8")
    for character in "\ufffe\uffff":  # no characters of XML; in JSON they can only stand in a string, where this means the same
        plain = plain.replace(character, f"\\u{ord(character):04x}")
    return XMP.format(version=artgen.__version__, text=escape(plain)).encode("utf-8")


def pixels_digest(image: Image.Image) -> str:
    """SHA-256 of all frames' sizes and RGBA values, 8 bits each."""
    digest = hashlib.sha256()
    for frame in ImageSequence.Iterator(image):
        digest.update(f"{frame.width} x {frame.height}\n".encode())
        digest.update(frame.convert("RGBA").tobytes())
    return digest.hexdigest()


def deep_digest(samples: Samples) -> str:
    """SHA-256 of the size and samples of a picture of 16 bits a channel, [height, width, 1 to 4]."""
    height, width, channels = samples.shape
    digest = hashlib.sha256(f"{width} x {height} x {channels}, 16 bits\n".encode())
    digest.update(samples.astype(">u2").tobytes())
    return digest.hexdigest()


def read_recipe(path: Path) -> FileRecipes:
    """The recipes of a picture file, one for each work in it.

    Whether the file is unchanged is known by its pixels: a program that packs them better has not changed the picture.
    Raises UsageError if there is no such file, or it is no picture that can carry a recipe, or carries none.
    """
    data = read_bytes(path)
    try:
        with _opened(data) as image:
            text = _carried(image)
        digest = _file_digest(data) if text is not None else ""
    except UnidentifiedImageError:
        raise UsageError(f"{path}: not a PNG, GIF, JPEG, WebP or TIFF file, so that it carries no recipe") from None
    except Exception as error:  # a decoder raises whatever a broken file makes it stumble over
        raise UsageError(f"{path}: damaged: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from None
    recipes, was = carried_recipes(text, path, "pixels_sha256")
    return FileRecipes(recipes, unchanged=was == digest)


# ---------------------------------------------------------------- reading


def _opened(data: bytes) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sheets may be larger than Pillow thinks pictures are
        return Image.open(io.BytesIO(data), formats=formats(FORMATS))


def _file_digest(data: bytes) -> str:
    with _opened(data) as image:
        return deep_digest(deep_samples(image, io.BytesIO(data))) if is_deep(image) else pixels_digest(image)


def _carried(image: Image.Image) -> str | bytes | None:
    """What stands where a recipe stands, if it is one."""
    if image.format == "PNG":
        found: str | None = getattr(image, "text", {}).get(KEY)  # decodes all, since text may stand after the pixels
        return found
    if image.format == "GIF":
        image.seek(0)
        comment = image.info.get("comment", b"")
        return comment if FORMAT.encode() in comment else None
    packet: Any = getattr(image, "tag_v2", {}).get(XMP_TAG) if image.format == "TIFF" else image.info.get("xmp")
    if not isinstance(packet, bytes):
        return None
    match = ELEMENT.search(packet.decode("utf-8", "replace"))
    return unescape(match[1] or match[2][1:-1], ENTITIES) if match else None
