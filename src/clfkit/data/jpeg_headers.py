"""Headers of plain JPEG files, read without Pillow: opening an image takes it a tenth of what decoding one takes."""

from __future__ import annotations

START_OF_IMAGE, START_OF_SCAN = b"\xff\xd8", 0xDA
FRAMES = (0xC0, 0xC2)  # baseline and progressive, with Huffman codes
QUANTISATION, COMMENT, JFIF, PROFILE = 0xDB, 0xFE, 0xE0, 0xE2
PASSED_OVER = (0xC4, 0xDD, COMMENT)  # Huffman codes, restart intervals
ONE_TABLE = 65  # bytes of a table with numbers of 8 bits


def plain_size(content: bytes) -> tuple[int, int] | None:
    """(height, width) of a JPEG file, grey or in colours, whose header holds nothing out of the ordinary.

    None for all else, such as a file with EXIF data, which may say how the camera was held, several pictures in one
    file, or damage: Pillow knows what to do with those. The markers are those of ITU-T T.81, annex B.
    """
    size = None
    at = len(START_OF_IMAGE) if content.startswith(START_OF_IMAGE) else len(content)
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        segment = content[at + 4 : at + 2 + length]
        if marker == START_OF_SCAN:
            return size
        if length < 2 or len(segment) != length - 2:
            return None
        if marker in FRAMES:
            if size is not None or not _ordinary(segment):
                return None
            size = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
        elif not _harmless(marker, segment):
            return None
        at += 2 + length
    return None


def _ordinary(frame: bytes) -> bool:
    """Whether a frame has 8 bits a sample, one component or three, and some pixels."""
    return len(frame) > 5 and frame[0] == 8 and frame[5] in (1, 3) and any(frame[1:3]) and any(frame[3:5])


def _harmless(marker: int, segment: bytes) -> bool:
    """Whether a segment tells nothing of how pixels are to be seen, and is as it should be."""
    if marker == QUANTISATION:
        return len(segment) % ONE_TABLE == 0 and all(each < 16 for each in segment[::ONE_TABLE])
    if marker == JFIF:
        return segment.startswith(b"JFIF\0") and len(segment) >= 14
    if marker == PROFILE:
        return segment.startswith(b"ICC_PROFILE\0") and len(segment) > 13
    return marker in PASSED_OVER
