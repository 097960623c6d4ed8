"""Photos of people: what is no photo is refused with one clear message, and a photo is encoded anew.

Nothing of the file but its pixels is kept: no location, no camera, no time, no comment, and nothing that hides behind
the end of the image. Server time, account and hashes say where a photo comes from.
"""

import hashlib
import threading
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageOps

LARGEST_BYTES = 8 * 1024 * 1024
"""Largest file of a photo."""

LONGEST_SIDE = 2560
"""Pixels of the longer side at most; a larger photo is scaled down."""

# A JPEG is decoded at the size that is needed, the others whole: 24 megapixels take 100 MB.
_MOST_PIXELS = {"JPEG": 64_000_000, "PNG": 24_000_000, "WEBP": 24_000_000}
_QUALITY = 85
_HEIF = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif")
_ONE_AT_A_TIME = threading.Lock()
_PLACES = threading.BoundedSemaphore(8)
"""Places of photos that are decoded or wait for it: others are turned away, rather than hold up all other requests."""


class PhotoError(ValueError):
    """A file is no photo that can be kept; `code` is the reason, and the message is for the person who sent it."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class PhotosBusyError(Exception):
    """So many photos are being read that this one would wait too long."""


@dataclass(frozen=True, slots=True)
class Photo:
    """Photo as it is kept: a JPEG, its size in pixels, and the hash of the file as it came (SHA-256, hexadecimal)."""

    content: bytes
    width: int
    height: int
    received_sha256: str

    @property
    def sha256(self) -> str:
        """Hash of the kept content."""
        return hashlib.sha256(self.content).hexdigest()


def read_photo(data: bytes) -> Photo:
    """Return the photo in a file, as its content says, whatever name and type it was sent under.

    The memory for it is bounded, and one file is decoded at a time.

    Raises:
        PhotoError: The file is empty, too large, in no format that is kept, damaged, or has too many pixels.
        PhotosBusyError: Eight others are being read or wait.
    """
    if not data:
        raise PhotoError("photo_empty", "照片是空的：请重新选择照片")
    if len(data) > LARGEST_BYTES:
        raise PhotoError("photo_too_large", f"照片超过 {LARGEST_BYTES // 1024**2} MiB：请压缩后再上传")
    if not _PLACES.acquire(blocking=False):
        raise PhotosBusyError
    try:
        with _ONE_AT_A_TIME:
            content, size = _encode(_open(data))
    finally:
        _PLACES.release()
    return Photo(content, *size, hashlib.sha256(data).hexdigest())


def _open(data: bytes) -> Image.Image:
    """Return an image whose pixels are not decoded yet."""
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF:
        raise PhotoError(
            "photo_format", "不支持 HEIC 照片：请在手机“设置 > 相机 > 格式”中选“兼容性最佳”，或另存为 JPEG 再上传"
        )
    try:
        image = Image.open(BytesIO(data), formats=list(_MOST_PIXELS))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(max(_MOST_PIXELS.values())) from error
    except Exception as error:  # decoders meet hostile files with errors of any type
        raise PhotoError("photo_format", "这个文件不是照片：请上传 JPEG、PNG 或 WebP 格式的照片") from error
    most = _MOST_PIXELS.get(image.format or "", _MOST_PIXELS["JPEG"])  # a JPEG of several images is an MPO
    if image.width * image.height > most:
        raise _too_many_pixels(most)
    return image


def _too_many_pixels(most: int) -> PhotoError:
    return PhotoError("photo_too_many_pixels", f"照片的像素太多：最多 {most // 1_000_000} 百万像素，请缩小后再上传")


def _encode(image: Image.Image) -> tuple[bytes, tuple[int, int]]:
    """Return the pixels of an image as a JPEG, upright, on white where they are transparent; and its size."""
    try:
        kept = _pixels(image)
    except Exception as error:  # decoders meet hostile files with errors of any type
        raise PhotoError("photo_damaged", "照片已损坏或不完整：请重新拍摄或重新上传") from error
    output = BytesIO()
    kept.save(output, "JPEG", quality=_QUALITY, optimize=True)
    return output.getvalue(), kept.size


def _pixels(image: Image.Image) -> Image.Image:
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    upright = ImageOps.exif_transpose(image)
    # A new image: a copy would take over comments and profiles.
    kept = Image.new("RGB", upright.size, "white")
    if upright.has_transparency_data:
        layer = upright.convert("RGBA")
        kept.paste(layer, mask=layer.getchannel("A"))
    else:
        kept.paste(upright.convert("RGB"))
    return kept
