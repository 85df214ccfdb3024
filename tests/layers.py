"""The layers of the package as a picture, read from its code: `python -m tests.layers` draws docs/images/layers.svg."""

from __future__ import annotations

from html import escape
from pathlib import Path

from tests.test_architecture import FILES, FRONT_ENDS, ROAD, STAGES, TORCH, WORDS, imported_rows, modules, row_of

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "layers.svg"

LAYERS = (
    ("words", WORDS, "#fff4d6"),
    ("stages", STAGES, "#e3f2e1"),
    ("files", FILES, "#dcecf7"),
    ("the road", ROAD, "#e8e2f4"),
    ("torch", TORCH, "#fbe3d6"),
    ("front ends", FRONT_ENDS, "#ececec"),
)
WIDTH, LEFT, PER_LINE = 1060, 110, 7
BOX_WIDTH, BOX_HEIGHT, GAP = 124, 26, 8
LAYER_GAP, NOTE_HEIGHT = 14, 17


def imports() -> dict[str, set[str]]:
    """The rows that each row of the listing imports, itself left out."""
    found: dict[str, set[str]] = {}
    for path, tree in modules():
        found.setdefault(row_of(path), set()).update(set(imported_rows(path, tree)) - {row_of(path)})
    return found


def note(names: tuple[str, ...], above: list[tuple[str, tuple[str, ...]]], known: dict[str, set[str]]) -> str:
    """From which modules of each row above this one a layer imports."""
    used = {name for one in names for name in known.get(one, ())}
    parts = []
    for title, rows in above:
        hit = [row for row in rows if row in used]
        if hit:
            parts.append(f"{title} (all)" if len(hit) == len(rows) else f"{title} ({', '.join(hit)})")
    return "imports " + "; ".join(parts) if parts else "imports nothing of the package"


def text(x: float, y: float, words: str, extra: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" {extra}>{escape(words)}</text>'


def wrapped(words: str, most: int = 150) -> list[str]:
    lines = [""]
    for word in words.split():
        if lines[-1] and len(lines[-1]) + len(word) >= most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def draw() -> str:
    """The picture: a band for each layer, a box for each module; below the boxes, what the layer imports."""
    known, y, parts = imports(), 10, list[str]()
    above: list[tuple[str, tuple[str, ...]]] = []
    for title, names, colour in LAYERS:
        notes = wrapped(note(names, above, known))
        lines = -(-len(names) // PER_LINE)
        height = 2 * GAP + lines * (BOX_HEIGHT + GAP) + NOTE_HEIGHT * len(notes)
        parts.append(f'<rect x="5" y="{y}" width="{WIDTH - 10}" height="{height}" rx="6" fill="{colour}"/>')
        parts.append(text(16, y + GAP + 18, title, 'font-weight="bold"'))
        for i, name in enumerate(names):
            left, top = LEFT + i % PER_LINE * (BOX_WIDTH + GAP), y + GAP + i // PER_LINE * (BOX_HEIGHT + GAP)
            parts.append(
                f'<rect x="{left}" y="{top}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="4" fill="white" stroke="#555"/>'
            )
            parts.append(text(left + BOX_WIDTH / 2, top + 18, name, 'text-anchor="middle"'))
        for i, line in enumerate(notes):
            parts.append(text(LEFT, y + height - 8 - NOTE_HEIGHT * (len(notes) - 1 - i), line, 'font-size="11" fill="#444"'))
        y += height + LAYER_GAP
        above.append((title, names))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="13">'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{y}" fill="white"/>', *parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8", newline="\n")
