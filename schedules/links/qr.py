"""An address as a QR picture."""

import io
from typing import Literal


def picture(address: str, *, kind: Literal["png", "svg"] = "png", scale: int = 8) -> bytes:
    """The QR code of ``address``, with the quiet zone that scanners need.

    ``scale`` is the size of a module in pixels. A quarter of it may be covered or damaged. Raises
    ValueError for an address that is too long for one code.
    """
    import segno  # needed by who makes pictures, not by every start

    if not 1 <= scale <= 40:
        raise ValueError("a module has 1 to 40 pixels")
    out = io.BytesIO()
    segno.make(address, error="q", micro=False).save(out, kind=kind, scale=scale, border=4)
    return out.getvalue()
