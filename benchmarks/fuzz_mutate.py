"""Make a damaged or hostile file of a sound one: bytes for every format, and the parts that the format knows."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

Mutator = Callable[[bytes, random.Random], bytes]

NUMBERS = (0, 1, 2, 7, 8, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
TEXTS = (
    "", " ", "../../x", "/etc/passwd", "C:\\x", "a\0b", "=1+1", "'", '"', "<script>", "\ud800", "\U0001f600", "NaN", "-1",
    "1e999", "9" * 400, "a" * 3000, "\r\n", "{{7*7}}", "neutrophil", "%s%n", "\ufeff",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, -0.0, 1e308, float("nan"), float("inf"), [], {}, [[]], [[[0, 0]]],
    {"name": []}, [1, "a", None], *TEXTS,
)  # fmt: skip

NO_LONGER_SOUND = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError,
    EOFError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What the changes of a format raise where an earlier change has broken it."""


def mutate(kind: str, data: bytes, rng: random.Random) -> bytes:
    """One to four changes; half of them of the parts that the format `kind` knows, where it is known."""
    for _ in range(min(4, 1 + int(rng.expovariate(1)))):
        structured = STRUCTURED.get(kind)
        if structured and rng.random() < 0.6:
            try:
                data = structured(data, rng)
                continue
            except NO_LONGER_SOUND:
                pass  # change bytes
        data = change_bytes(data, rng)
    return data


def change_bytes(data: bytes, rng: random.Random) -> bytes:
    """Flip, overwrite, cut, repeat or move bytes."""
    at, other = rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)
    low, high = min(at, other), min(max(at, other), min(at, other) + 64)
    match rng.randrange(8):
        case 0:
            return data[:at]
        case 1:
            return data[:low] + data[high:]
        case 2:
            return data[:high] + data[low:high] * rng.randrange(1, 4) + data[high:]
        case 3:
            return data[:at] + rng.randbytes(rng.randrange(1, 9)) + data[at:]
        case 4:
            width = rng.choice((1, 2, 4, 8))
            value: bytes = (rng.choice(NUMBERS) % 256**width).to_bytes(width, rng.choice(("little", "big")))
            return data[:at] + value + data[at + width :]
        case 5 if data:
            at = rng.randrange(len(data))
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case 6 if data:
            at = rng.randrange(min(len(data), 128))  # heads decide most
            return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        case _:
            return data[:low] + data[other : other + high - low] + data[high:]


def change_png(data: bytes, rng: random.Random) -> bytes:
    """Change a chunk, leave it out or repeat it, and give all chunks right checksums."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    i = rng.randrange(len(chunks))
    name, body = chunks[i]
    match rng.randrange(5):
        case 0:
            del chunks[i]
        case 1:
            chunks.insert(rng.randrange(len(chunks)), chunks[i])
        case 2 if name == b"IDAT":
            chunks[i] = name, zlib.compress(change_bytes(zlib.decompress(body), rng))
        case 3:
            chunks[i] = rng.choice((b"IDAT", b"PLTE", b"tRNS", b"eXIf", b"iCCP", b"zTXt", b"acTL", b"pHYs", b"fcTL")), body
        case _:
            chunks[i] = name, change_bytes(body, rng)
    whole = [struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in chunks]
    return data[:8] + b"".join(whole)


def change_tiff(data: bytes, rng: random.Random) -> bytes:
    """Change code, type, count or value of a tag of the first page, or the link to the next page."""
    order, big = "<" if data[:1] == b"I" else ">", data[2:4] in (b"+\0", b"\0+")
    word, count, size = ("Q", "Q", 20) if big else ("I", "H", 12)
    (start,) = struct.unpack_from(order + word, data, 8 if big else 4)
    (n_tags,) = struct.unpack_from(order + count, data, start)
    tag = start + struct.calcsize(order + count) + size * rng.randrange(n_tags + 1)
    field, at = rng.choice((("H", 0), ("H", 2), (word, 4), (word, 4 + struct.calcsize(order + word))))
    value = rng.choice((*NUMBERS, rng.randrange(254, 350), rng.randrange(len(data)), start)) % 256 ** struct.calcsize(
        order + field
    )
    changed = bytearray(data)
    struct.pack_into(order + field, changed, tag + at, value)
    return bytes(changed)


def change_jpeg(data: bytes, rng: random.Random) -> bytes:
    """Change a segment of the head, leave it out or repeat it; its length follows."""
    segments, at = [], 2
    while data[at] == 0xFF and data[at + 1] != 0xDA:
        (size,) = struct.unpack_from(">H", data, at + 2)
        segments.append((data[at + 1], data[at + 4 : at + 2 + size]))
        at += 2 + size
    i = rng.randrange(len(segments))
    match rng.randrange(4):
        case 0:
            del segments[i]
        case 1:
            segments.insert(rng.randrange(len(segments)), segments[i])
        case _:
            segments[i] = segments[i][0], change_bytes(segments[i][1], rng)[:65000]
    head = b"".join(bytes((0xFF, mark)) + struct.pack(">H", len(body) + 2) + body for mark, body in segments)
    return data[:2] + head + data[at:]


def change_json(data: bytes, rng: random.Random) -> bytes:
    """Replace, remove, repeat or nest a part of a JSON text."""
    tree = json.loads(data)
    return json.dumps(_change_tree(tree, rng)).encode("utf-8", "surrogatepass")


def _change_tree(tree: Any, rng: random.Random) -> Any:
    """Go down to a part, and change it."""
    if isinstance(tree, dict) and tree and rng.random() < 0.9:
        key = rng.choice(list(tree))
        match rng.randrange(10):
            case 0:
                return {k: v for k, v in tree.items() if k != key}
            case 1:
                return tree | {rng.choice((*TEXTS, key)): rng.choice((*VALUES, tree[key]))}
            case _:
                return tree | {key: _change_tree(tree[key], rng)}
    if isinstance(tree, list) and tree and rng.random() < 0.9:
        i = rng.randrange(len(tree))
        part = rng.choice(([], [tree[i], tree[i]], [_change_tree(tree[i], rng)], [_change_tree(tree[i], rng)]))
        return tree[:i] + part + tree[i + 1 :]
    if isinstance(tree, int | float) and rng.random() < 0.5:
        return tree * rng.choice((-1, 0.5, 2, 1000, 1e12)) + rng.choice((0, 1, -1))
    return rng.choice((*VALUES, [tree], {"x": tree}))


def change_safetensors(data: bytes, rng: random.Random) -> bytes:
    """Change the header; its length follows. The card, which is text in it, is changed as JSON."""
    (size,) = struct.unpack_from("<Q", data)
    head = json.loads(data[8 : 8 + size])
    card = head.get("__metadata__", {}).get("napari_wbc")
    if card and rng.random() < 0.7:
        head["__metadata__"]["napari_wbc"] = change_json(card.encode(), rng).decode("utf-8", "replace")
    else:
        head = _change_tree(head, rng)
    text = json.dumps(head).encode("utf-8", "replace")
    return struct.pack("<Q", len(text)) + text + data[8 + size :]


def change_csv(data: bytes, rng: random.Random) -> bytes:
    """Replace, remove or repeat a field or a line."""
    lines = [line.split(",") for line in data.decode().split("\n")]
    line = rng.choice(lines)
    match rng.randrange(5):
        case 0:
            lines.remove(line)
        case 1:
            lines.append(line)
        case 2:
            line.append(rng.choice(TEXTS))
        case _:
            line[rng.randrange(len(line))] = rng.choice((*TEXTS, str(rng.choice(NUMBERS))))
    return "\n".join(",".join(line) for line in lines).encode("utf-8", "surrogatepass")


def change_zip(data: bytes, rng: random.Random) -> bytes:
    """Change a file in an archive, or its name."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        members = {name: old.read(name) for name in old.namelist()}
        name = rng.choice(list(members))
        members[name] = change_bytes(members[name], rng)
        if rng.random() < 0.2:
            members[rng.choice(("../x.roi", "a/b.roi", "x" * 300 + ".roi"))] = members.pop(name)
        for name, body in members.items():
            new.writestr(name, body)
    return file.getvalue()


STRUCTURED: dict[str, Mutator] = {
    "png": change_png, "tiff": change_tiff, "jpeg": change_jpeg, "json": change_json, "safetensors": change_safetensors,
    "csv": change_csv, "zip": change_zip,
}  # fmt: skip
