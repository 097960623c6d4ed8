"""Photos: what is kept of them, and what is refused with which message."""

import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from handling import photos
from handling.photos import LARGEST_BYTES, LONGEST_SIDE, PhotoError, read_photo
from laws import examples

SECRETS = (b"39.8", b"iPhone", b"Ordos", b"ns.adobe.com", b"Exif", b"<script>", b"secret of a comment")


def encoded(form, image=None, **options):
    output = io.BytesIO()
    (image or Image.new("RGB", (40, 30), "red")).save(output, form, **options)
    return output.getvalue()


def exif_with_location():
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "iPhone", "Ordos"  # make, model
    exif.get_ifd(0x8825).update({1: "N", 2: (39.0, 48.0, 0.0), 29: "2026:07:01"})
    return exif.tobytes()


def opened(photo):
    image = Image.open(io.BytesIO(photo.content))
    image.load()
    return image


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_nothing_but_the_pixels_is_kept(form):
    options = {"exif": exif_with_location(), "xmp": b'<x xmlns="http://ns.adobe.com/">39.8 Ordos</x>'}
    if form == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", "secret of a comment")
        options = {"pnginfo": text, "exif": options["exif"]}
    if form == "JPEG":
        options["comment"] = b"secret of a comment"
    data = encoded(form, **options) + b"<script>alert(1)</script>"
    photo = read_photo(data)
    image = opened(photo)
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (40, 30))
    assert (photo.width, photo.height) == (40, 30)
    assert [each for each in SECRETS if each in photo.content] == []
    assert dict(image.getexif()) == {}
    assert {"exif", "comment", "xmp", "icc_profile"}.isdisjoint(image.info)


def test_a_photo_taken_upright_stays_upright_without_its_mark():
    exif = Image.Exif()
    exif[0x0112] = 6
    left_red = Image.new("RGB", (40, 20), "blue")
    left_red.paste("red", (0, 0, 20, 20))
    image = opened(read_photo(encoded("JPEG", left_red, exif=exif.tobytes())))
    assert image.size == (20, 40)
    assert image.getpixel((10, 5))[0] > 200  # the left side is the upper one
    assert image.getpixel((10, 35))[2] > 200


def test_a_large_photo_is_scaled_down_and_what_is_transparent_is_white():
    photo = read_photo(encoded("JPEG", Image.new("RGB", (5000, 2000), "red")))
    assert (photo.width, photo.height) == (LONGEST_SIDE, 1024)
    clear = opened(read_photo(encoded("PNG", Image.new("RGBA", (8, 8), (0, 0, 0, 0)))))
    assert clear.getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16", "RGBA"])
def test_every_mode_of_pixels_is_kept(mode):
    form = "JPEG" if mode == "CMYK" else "PNG"
    assert opened(read_photo(encoded(form, Image.new(mode, (9, 9))))).mode == "RGB"


def test_hashes_are_of_what_came_and_of_what_is_kept():
    data = encoded("PNG")
    one, again = read_photo(data), read_photo(data)
    assert (one.sha256, one.received_sha256) == (again.sha256, again.received_sha256)
    assert read_photo(data + b" ").received_sha256 != one.received_sha256


def png_of(width, height, content=b"", *chunks):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunk(*each) for each in chunks) + chunk(b"IDAT", content)


BOMBED = zlib.compress(b"\0" * 80_000_000, 9)
REFUSED = {
    "empty": (b"", "photo_empty"),
    "text": (b"not a photo at all", "photo_format"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', "photo_format"),
    "html": (b"<html><script>alert(1)</script>", "photo_format"),
    "gif": (encoded("GIF"), "photo_format"),
    "bmp": (encoded("BMP"), "photo_format"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "photo_format"),
    "pdf": (encoded("PDF"), "photo_format"),
    "cut jpeg": (encoded("JPEG", Image.effect_noise((200, 200), 90))[:-9000], "photo_damaged"),
    "bomb": (png_of(30_000, 30_000, BOMBED), "photo_too_many_pixels"),
    "wide bomb": (png_of(2**31 - 1, 2**31 - 1), "photo_too_many_pixels"),
    "small bomb": (png_of(5_000, 5_000, BOMBED), "photo_too_many_pixels"),
    "text bomb": (png_of(9, 9, b"", (b"zTXt", b"k\0\0" + BOMBED)), "photo_format"),
    "too large": (b"\xff\xd8" + b"x" * LARGEST_BYTES, "photo_too_large"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_photo_is_refused_in_words(name):
    data, code = REFUSED[name]
    with pytest.raises(PhotoError, match=r"[\u4e00-\u9fff]") as refused:
        read_photo(data)
    assert refused.value.code == code


def test_the_message_about_an_iphone_names_the_setting():
    with pytest.raises(PhotoError, match="兼容性最佳"):
        read_photo(REFUSED["heic"][0])


VALID = [encoded(form) for form in ("JPEG", "PNG", "WEBP")]


@examples(100)
@given(st.sampled_from(VALID), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6), st.binary())
def test_a_damaged_file_is_a_photo_or_refused(data, changes, tail):
    damaged = bytearray(data + tail)
    for at, value in changes:
        damaged[at % len(damaged)] = value
    try:
        photo = read_photo(bytes(damaged))
    except PhotoError:
        return
    assert opened(photo).size == (photo.width, photo.height)


def test_a_ninth_photo_at_once_is_turned_away_and_the_places_come_back():
    taken = [photos._PLACES.acquire(blocking=False) for _ in range(8)]  # noqa: SLF001
    assert all(taken)
    with pytest.raises(photos.PhotosBusyError):
        read_photo(encoded("PNG"))
    for _ in taken:
        photos._PLACES.release()  # noqa: SLF001
    for _ in range(20):
        assert read_photo(encoded("PNG"))
        with pytest.raises(PhotoError):
            read_photo(b"no photo")
