"""Drawing of a QR code that a phone reads from the page."""

import io

import segno
from markupsafe import Markup


def drawn_code(text: str) -> Markup:
    """Return a QR code (ISO/IEC 18004) as an SVG element without a style of its own."""
    drawing = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        drawing, kind="svg", scale=5, border=4, xmldecl=False, svgns=True, svgclass="code", lineclass=None, dark="#000",
        light="#fff", title="绑定用的二维码",
    )  # fmt: skip
    return Markup(drawing.getvalue().decode())  # noqa: S704 - made of squares alone
