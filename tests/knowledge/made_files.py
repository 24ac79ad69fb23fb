"""Small PDF and office files, made by hand so that a test shows what is in them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def pdf(
    pages: Sequence[Sequence[str]], *, encrypted: bool = False, pictures: bool = False
) -> bytes:
    """A PDF with these lines on its pages. The font is one that readers bring along: its codes are
    the characters' own. `pictures` puts a picture of one pixel on each page."""
    objects: dict[int, bytes] = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        3: b"<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H"
        b" /DescendantFonts [4 0 R] >>",
        4: b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /CIDSystemInfo"
        b" << /Registry (Adobe) /Ordering (GB1) /Supplement 2 >> /FontDescriptor 5 0 R >>",
        5: b"<< /Type /FontDescriptor /FontName /STSong-Light /Flags 4 /FontBBox [0 -120 1000 880]"
        b" /ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 880 /StemV 80 >>",
        6: _stream(b"\x00", b"/Type /XObject /Subtype /Image /Width 1 /Height 1"
                   b" /ColorSpace /DeviceGray /BitsPerComponent 8"),
    }  # fmt: skip
    kids = []
    for number, lines in enumerate(pages):
        page, content = 10 + 2 * number, 11 + 2 * number
        kids.append(f"{page} 0 R")
        drawn = b"".join(
            f"BT /F 12 Tf 50 {780 - 20 * at} Td <{line.encode('utf-16-be').hex()}> Tj ET\n".encode()
            for at, line in enumerate(lines)
        )
        if pictures:
            drawn += b"q 500 0 0 700 50 50 cm /P Do Q\n"
        objects[content] = _stream(drawn)
        objects[page] = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {content} 0 R"
            " /Resources << /Font << /F 3 0 R >> /XObject << /P 6 0 R >> >> >>"
        ).encode()
    objects[2] = f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(kids)}] >>".encode()
    out, places = bytearray(b"%PDF-1.4\n"), {}
    for number, content_ in sorted(objects.items()):
        places[number] = len(out)
        out += f"{number} 0 obj\n".encode() + content_ + b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 1\n0000000000 65535 f \n"
    for number, place in sorted(places.items()):
        out += f"{number} 1\n{place:010} 00000 n \n".encode()
    lock = (
        f" /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <{'41' * 32}> /U <{'42' * 32}> >>"
        f" /ID [<{'43' * 16}> <{'43' * 16}>]"
    )
    size = max(objects) + 1
    out += f"trailer\n<< /Size {size} /Root 1 0 R{lock if encrypted else ''} >>\n".encode()
    out += f"startxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def _stream(data: bytes, more: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), more, data)


def archive(file: Path, members: Mapping[str, bytes | str]) -> Path:
    """A zip file with these members."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return file


def rewritten(file: Path, member: str, old: str, new: str) -> None:
    """Change the text of one member of an office file."""
    with zipfile.ZipFile(file) as archive_:
        members = {name: archive_.read(name) for name in archive_.namelist()}
    text = members[member].decode()
    assert old in text
    members[member] = text.replace(old, new).encode()
    archive(file, members)
