"""Results go to other programs and come back: export of a results folder, and import into it, image by image."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ImageError, ResultsError, UsageError
from ..results import images_in, iter_records, read_analysis, read_record, write_analysis
from ..results.pixels import read_pixels
from ..results.replaced import copy_old, date
from ..results.runfile import Progress, input_root, read_run
from . import cells_csv, coco, crops, geojson, imagej_roi, masks, ome_tiff, yolo
from .merging import merge
from .told import Format, Read, Written

MODULES: dict[str, Format] = {
    "geojson": geojson,
    "coco": coco,
    "ome-tiff": ome_tiff,
    "imagej-roi": imagej_roi,
    "png-masks": masks,
    "yolo": yolo,
    "csv": cells_csv,
    "crops": crops,
}
"""The modules of the formats, by name."""


@dataclass(frozen=True)
class Transfer:
    """How an export or an import ended: what came where, and the images that changed, stayed, and could not be read."""

    source: Path
    target: Path
    done: tuple[str, ...]
    skipped: tuple[str, ...]
    failed: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 if all went well, 1 if an image failed."""
        return 1 if self.failed else 0


def format_named(name: str) -> Format:
    """A format.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    if name not in MODULES:
        raise UsageError(f"There is no format {name!r}. Known formats: {', '.join(MODULES)}.")
    return MODULES[name]


def export_results(
    name: str, out: str | Path, dst: str | Path, images: Sequence[Path] = ()
) -> Generator[Progress, None, Transfer]:
    """Write the analysed images of a results folder in another format.

    Parameters
    ----------
    name
        A name in `MODULES`.
    out
        The results folder.
    dst
        A new or empty folder.
    images
        Folders where the images are looked for before the input root; only some formats need them.

    Returns
    -------
    A generator of progress that returns what was done.

    Raises
    ------
    UsageError
        If there is no such format, or `dst` is not a new or empty folder.
    ResultsError
        If `out` is no results folder, a record is damaged, or pixels that are needed were not found.
    StorageError
        If a file cannot be written.
    """
    form, out, dst = format_named(name), Path(out), Path(dst)
    roots = (*images, input_root(out, read_run(out)))
    if dst.exists() and (not dst.is_dir() or any(dst.iterdir())):
        raise UsageError(f"{dst} is not an empty folder. Name a new folder for the export.")
    records = [record.image for record in iter_records(out) if record.row.status == "done"]
    done = []
    for image in form.write(_read_all(out, records, roots), dst):
        done.append(image)
        yield Progress(image, "done", None, None, len(done), len(records))
    return Transfer(out, dst, tuple(done), (), ())


def _read_all(out: Path, images: Sequence[str], roots: Sequence[Path]) -> Iterator[Written]:
    for image in images:
        record = read_record(out, image)
        yield Written(record.row, read_analysis(out, image), lambda record=record: read_pixels(out, record, roots))  # type: ignore[misc]


def import_into(
    name: str, src: str | Path, out: str | Path, images: Sequence[Path] = ()
) -> Generator[Progress, None, Transfer]:
    """Bring what a file or folder of another format says into the results folder whose images it describes.

    What it says differently becomes a person's; images of which it says nothing, or nothing new, stay as they are. Where a cell
    goes that a person has worked on, the old results are copied to `replaced/<date>/` first. The tables are not made: `collect`
    does that.

    Parameters
    ----------
    name
        A name in `MODULES`.
    src
        The folder that an export made, or one of another program, or a file.
    out
        The results folder.
    images
        Folders where the images are looked for before the input root: changed cells are measured again.

    Returns
    -------
    A generator of progress that returns what was done. An image whose file cannot be read stays as it was, and has failed.

    Raises
    ------
    UsageError
        If there is no such format, or nothing in `src` belongs to the results.
    ResultsError
        If `out` is no results folder, or `src` cannot be read.
    StorageError
        If a record cannot be written.
    """
    form, src, out = format_named(name), Path(src), Path(out)
    roots = (*images, input_root(out, read_run(out)))
    found = form.find(src, images_in(out))
    ended: dict[str, list[str]] = {"done": [], "skipped": [], "failed": []}
    for n, image in enumerate(sorted(found), start=1):
        step = _import(out, image, found[image], roots, n, len(found))
        ended[step.status].append(image)
        yield step
    return Transfer(src, out, *(tuple(ended[status]) for status in ("done", "skipped", "failed")))


def _import(out: Path, image: str, read: Read, roots: Sequence[Path], n: int, total: int) -> Progress:
    """Bring what is said of one image into its record."""
    try:
        record = read_record(out, image)
        known = read_analysis(out, image)
        height, width = known.labels.shape
        told = read((height, width))
        merged = merge(known, told, lambda: read_pixels(out, record, roots))
    except (ResultsError, ImageError) as error:
        return Progress(image, "failed", str(error), None, n, total)
    by, at = record.row.reviewed_by, record.row.reviewed_at
    review = (told.reviewed_by, told.reviewed_at) if told.reviewed_by else (by, at)
    if not merged.drawn:
        review = (None, None)  # nobody vouches for stand-ins
    if not merged.changed and review == (by, at):
        return Progress(image, "skipped", None, record.row.n_cells, n, total)
    left = {cell.cell_id for cell in merged.analysis.cells}
    if any(cell.source == "human" and cell.cell_id not in left for cell in known.cells):
        copy_old(out, image, date())
    source, origin = record.hashes.input, record.hashes.origin
    write_analysis(
        out,
        image,
        merged.analysis,
        source,
        origin,
        timing=record.timing,
        edited=True,
        reviewed_by=review[0],
        reviewed_at=review[1],
        slide=record.row.slide,
    )
    return Progress(image, "done", None, len(merged.analysis.cells), n, total)
