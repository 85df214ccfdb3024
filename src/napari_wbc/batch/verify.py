"""Is a results folder still what the run left: every file there and unaltered, and a sample of images giving the same again."""

from __future__ import annotations

import os
import random
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from ..config import make_settings
from ..errors import ResultsError, UsageError, WbcError
from ..pipeline import LoadModels
from ..results import images_in, labels_path, read_record
from ..results.record import Origin, Record
from ..results.runfile import Progress, input_root, read_run
from ..results.storage import file_sha256
from ..results.summary import TABLES, make_tables
from ..results.unfinished import unfinished_in
from .attempt import Failure, attempt
from .discover import InputImage
from .job import describe
from .reproduce import compare


@dataclass(frozen=True)
class Finding:
    """A file, relative to the results folder or an image by its name, and what is wrong with it."""

    file: str
    problem: str


@dataclass(frozen=True)
class Verification:
    """What was found, and how many images have a record, were worked on by a person, and could be analysed again.

    Of the last, `n_again` were, and `n_close` of these have other last digits.
    """

    n_images: int = 0
    n_by_persons: int = 0
    n_candidates: int = 0
    n_again: int = 0
    n_close: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 if nothing is wrong, else 1."""
        return 1 if self.findings else 0


def verify(
    out: Path, load_models: LoadModels, sample: int = 10, seed: int = 0, images: Path | None = None
) -> Generator[Progress, None, Verification]:
    """Compare every file with its record, the tables with the records, and a sample of images with a new analysis.

    Images that a person has worked on, or that were analysed with other settings or models, are not in the sample.

    Parameters
    ----------
    sample
        Images to be analysed again at most; where it is 0, no models are loaded.
    seed
        The same seed takes the same images.
    images
        The folder of the images, where it has moved.

    Raises
    ------
    ResultsError
        If `out` is not a results folder.
    UsageError
        If the models are not those of the run; where something else is wrong, this is one finding of several.
    """
    run = read_run(out)
    root, names, settings = images or input_root(out, run), images_in(out), make_settings(run.settings)
    origin = Origin(segmenter=run.segmenter.identity, classifier=run.classifier.identity, settings=settings.identity())
    origins = origin, origin.model_copy(update={"settings": settings.identity(limits=True)})  # 0.1.0 had limits in all
    findings: list[Finding] = []
    candidates: list[InputImage] = []
    n_by_persons = 0
    for done, name in enumerate(names, start=1):
        record, found = _check_files(out, root, name)
        findings += found
        n_by_persons += record is not None and record.has_human_work
        if record and not found and _is_the_runs(record, origins):
            candidates.append(InputImage(name, root / name))
        yield Progress(name, "done", None, None, done, len(names))
    findings += [*_check_tables(out), *_check_strays(out, set(names))]
    result = Verification(len(names), n_by_persons, len(candidates), findings=tuple(findings))
    if not (sample and candidates):
        return result
    try:
        models = load_models()
        if _weights(describe(models).origin(settings)) != _weights(origin):
            raise UsageError(f"{out} was made with the models {run.segmenter.name} and {run.classifier.name}. Name these.")
    except WbcError as error:
        if not findings:
            raise
        return _with(result, "run.json", f"no image was analysed again: {error}")
    chosen = random.Random(seed).sample(candidates, min(sample, len(candidates)))
    for done, image in enumerate(chosen, start=1):
        again = attempt(image.name, partial(compare, out, image, models, settings))
        problem = again.reason if isinstance(again, Failure) else again
        result = replace(result, n_again=done, n_close=result.n_close + (problem == ""))
        if problem:
            result = _with(result, image.name, f"not reproducible: {problem}")
        yield Progress(image.name, "done", None, None, done, len(chosen))
    return result


def _with(result: Verification, file: str, problem: str) -> Verification:
    """The result with one more finding."""
    return replace(result, findings=(*result.findings, Finding(file, problem)))


def _is_the_runs(record: Record, origins: Sequence[Origin]) -> bool:
    """Whether the run analysed this image and nobody has worked on it since."""
    return record.row.status == "done" and record.hashes.origin in origins and not record.has_human_work


def _weights(origin: Origin) -> tuple[str, ...]:
    """The parts of identities before precision and backend, which differ between kinds of machines."""
    return tuple(identity.partition("+")[0] for identity in (origin.segmenter, origin.classifier))


def _check_files(out: Path, root: Path, name: str) -> tuple[Record | None, list[Finding]]:
    """The record, if it can be read, and what is wrong with it, the label image and the image."""
    try:
        record = read_record(out, name)
    except ResultsError as error:
        return None, [Finding(f"records/{name}.json", f"damaged: {error}")]
    findings, hashes = [], record.hashes
    for path, shown, sha256 in (
        (labels_path(out, name), f"labels/{name}.tif", hashes.labels),
        (root / name, name, hashes.input.sha256),
    ):
        if sha256 is not None and (problem := _problem(path, sha256, "its SHA-256 is not the one in the record")):
            findings.append(Finding(shown, problem))
    return record, findings


def _problem(path: Path, sha256: str, altered: str) -> str:
    """What is wrong with a file that should have this SHA-256: nothing, or why it has not; `altered` says what it is not."""
    try:
        return "" if file_sha256(path) == sha256 else f"altered: {altered}"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _check_tables(out: Path) -> Iterator[Finding]:
    """What is wrong with the tables."""
    with TemporaryDirectory() as folder:
        try:
            make_tables(out, Path(folder))
        except ResultsError:
            return  # the damaged record is a finding already
        for name in TABLES:
            wanted = file_sha256(Path(folder) / name)
            if problem := _problem(out / name, wanted, "it is not what the records give; `collect` makes it again"):
                yield Finding(name, "missing: `collect` makes it" if problem == "missing" else problem)


def _check_strays(out: Path, names: set[str]) -> Iterator[Finding]:
    """Files that belong to no record: those of images whose record is lost, and what a killed run was writing."""
    for folder, suffix in (("labels", ".tif"), ("records", ".json")):
        unseen: list[OSError] = []
        for here, _, files in os.walk(out / folder, onerror=unseen.append):
            for path in (Path(here, file).relative_to(out / folder).as_posix() for file in files):
                of_macos = path.rpartition("/")[2].startswith(("._", ".DS_Store"))
                if not of_macos and (not path.endswith(suffix) or path.removesuffix(suffix) not in names):
                    yield Finding(f"{folder}/{path}", "has no record: left by a run that was killed, or its record is missing")
        for error in unseen:
            if not isinstance(error, FileNotFoundError):
                yield Finding(Path(error.filename).relative_to(out).as_posix(), f"cannot be searched: {error.strerror}")
    try:
        unfinished = unfinished_in(out)
    except ResultsError as error:
        yield Finding("unfinished", f"cannot be searched: {error}")
    else:
        for name in names.intersection(unfinished):
            yield Finding(f"unfinished/{name}", "the slide is finished: the next run removes it")
