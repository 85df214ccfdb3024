"""The command line: `napari-wbc run | demo | train | …`. Results go to stdout, progress and messages to stderr."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Literal

import typer

from ._cli.exits import AGAIN, BEGINS_EMPTY, CONTINUES, RESUMES, exit_codes
from ._cli.options import (
    Folder,
    Images,
    LessonOptions,
    ManyImages,
    ModelOptions,
    RunOptions,
    Seed,
    path_argument,
    path_option,
    takes,
)
from ._cli.settings import CommandWithSettings, read_options
from .errors import UsageError
from .exchange import FORMATS

app = typer.Typer(
    help="Find, outline, name and count the white blood cells of stained blood smears. Research use only.",
    epilog="`napari-wbc COMMAND --help` tells more of each. Begin with `napari-wbc demo NEW_FOLDER`.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and the log.")]


def main() -> None:
    """Entry point of `napari-wbc`."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that are not UTF-8, and signs that a terminal does not have
    app()


def _print_version(wanted: bool) -> None:
    if wanted:
        from . import __version__

        print(f"napari-wbc {__version__}")
        raise typer.Exit


@app.callback()
def _global(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """What stands before the command."""


@app.command(cls=CommandWithSettings)
@takes(ModelOptions, RunOptions)
def run(
    models: ModelOptions,
    how: RunOptions,
    context: typer.Context,
    inputs: Annotated[list[str], typer.Argument(metavar="IN", help="Image files, folders (with all below them), patterns.")],
    out: Annotated[Path, path_argument(metavar="OUT", help="Folder of the results; an earlier run there is continued.")],
    debug: Debug = False,
) -> None:
    """Find, outline, name and count the white blood cells.

    The same command again continues: images that are done are skipped. Exit codes: 0 all done, 1 some images failed, 2 wrong
    use or no image, 3 stopped (disk, permission, memory), 4 a fault of the program, 130 Ctrl-C.
    """
    with exit_codes(debug, CONTINUES):
        settings = read_options(context)
        from . import batch
        from ._cli import terminal
        from ._cli.progress import follow_images

        load = models.loader(how.threads)
        redo = batch.Redo(how.retry_failed, how.rehash, how.overwrite_reviewed)
        part = None if how.shard is None else batch.read_shard(how.shard)
        if how.dry_run:
            tasks = batch.preview(inputs, out, load, settings, redo=redo, shard=part)
            print("\n".join(map(terminal.task_text, tasks)))
            print(terminal.needs_text(tasks), file=sys.stderr)
            return
        workers = batch.default_workers() if how.workers is None else how.workers
        limit, cluster = how.time_limit, how.cluster
        steps = batch.run(
            inputs, out, load, settings, redo=redo, shard=part, workers=workers, cluster=cluster, time_limit_s=limit
        )
        summary = follow_images(steps)
        print(terminal.run_text(summary))
    raise typer.Exit(summary.exit_code)


@app.command(cls=CommandWithSettings)
@takes(ModelOptions)
def demo(
    models: ModelOptions,
    context: typer.Context,
    out: Annotated[Path, path_argument(metavar="OUT", help="New folder for the drawn images and their results.")],
    debug: Debug = False,
) -> None:
    """Draw smears, analyse them, compare with what was drawn."""
    with exit_codes(debug, BEGINS_EMPTY):
        settings = read_options(context)
        from . import batch
        from ._cli import terminal
        from ._cli.demo import compare_with_truth, draw
        from ._cli.progress import follow_images

        print(
            "These smears are SYNTHETIC: drawn by the program, no blood. They show that it works here, not how well on yours."
        )
        drawn = draw(out)
        summary = follow_images(batch.run(drawn.images, drawn.results, models.loader(), settings))
        print(terminal.run_text(summary))
        print(terminal.truth_text(compare_with_truth(drawn)))
    raise typer.Exit(summary.exit_code)


@app.command()
def collect(results: Folder, debug: Debug = False) -> None:
    """Make tables and report of a results folder again.

    They are made from its records alone; needed after shards, or when a table was lost. Exit code 1 if an image failed, or may
    be missing where a folder could not be searched.
    """
    with exit_codes(debug):
        from ._cli import terminal
        from .batch.collect import collect as make
        from .results.runfile import read_run

        summary = make(results)
        unsearched = read_run(results).unsearched
        print(terminal.folder_text(summary, results, unsearched))
    raise typer.Exit(1 if summary.failed or unsearched else 0)


@app.command()
@takes(ModelOptions)
def verify(
    models: ModelOptions,
    results: Folder,
    sample: Annotated[int, typer.Option(min=0, metavar="N", help="Images to be analysed again at most.")] = 10,
    seed: Seed = 0,
    images: Images = None,
    debug: Debug = False,
) -> None:
    """Find what is missing, altered or not reproducible.

    Images, records, label images and tables are compared with each other, and a sample of images is analysed again. Exit code
    1 if something is wrong.
    """
    with exit_codes(debug):
        from ._cli import terminal
        from ._cli.progress import follow_images
        from .batch.verify import verify as steps
        from .results.runfile import read_run

        load = models.loader(read_run(results).threads)
        result = follow_images(steps(results, load, sample, seed, images))
        print(terminal.verification_text(result))
    raise typer.Exit(result.exit_code)


@app.command()
def models(debug: Debug = False) -> None:
    """List the models that come with the program, each with its card."""
    with exit_codes(debug):
        from ._cli import terminal
        from .nets import list_models

        print("\n\n".join(map(terminal.model_text, list_models())))


@app.command()
def evaluate(
    results: Annotated[Path, path_argument(metavar="RESULTS", help="The results folder to judge.")],
    truth: Annotated[
        Path,
        path_option(
            metavar="RESULTS", help="Results folder of the same images, in which a person has marked every cell as right."
        ),
    ],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    debug: Debug = False,
) -> None:
    """Compare results with the truth: outlines, boxes, types.

    Every count of cells, k of n, has its exact 95 % interval; means have none.
    """
    with exit_codes(debug):
        from .evaluate import evaluate as judge
        from .evaluate import read_pairs

        figures = judge(read_pairs(results, truth))
        print(figures.to_json() if json else figures.table())


@app.command()
def export(
    format_: Annotated[str, typer.Argument(metavar="FORMAT", help=f"Format: {', '.join(FORMATS)}.")],
    results: Folder,
    dst: Annotated[Path, path_argument(metavar="DST", help="New folder for the files.")],
    images: ManyImages = None,
    debug: Debug = False,
) -> None:
    """Write results in a format of other programs.

    `import` brings back what was corrected there. Exit code 1 if the format cannot hold an image.
    """
    with exit_codes(debug, BEGINS_EMPTY):
        from ._cli import importing
        from ._cli.progress import follow_images
        from .exchange.transfer import export_results

        transfer = follow_images(export_results(format_, results, dst, images or ()))
        print(importing.export_text(transfer))
    raise typer.Exit(transfer.exit_code)


@app.command("import")
def import_(
    what: Annotated[
        str,
        typer.Argument(metavar="FORMAT", help=f"Format: {', '.join(FORMATS)}; or data set: bccd, lisc, pbc, raabin, zheng."),
    ],
    src: Annotated[Path, path_argument(metavar="SRC", help="The files, or the folder of the data set, unpacked.")],
    out: Annotated[Path, path_argument(metavar="RESULTS", help="Results folder of these images; of a data set, a new one.")],
    images: ManyImages = None,
    debug: Debug = False,
) -> None:
    """Bring back corrections, or import a public data set.

    What was corrected in other programs changes the results folder; a data set becomes a new one. Exit code 1 if an image
    failed.
    """
    with exit_codes(debug, AGAIN):
        from ._cli import importing, terminal
        from ._cli.progress import follow_images
        from .batch.collect import collect as make
        from .datasets import LAYOUTS, import_dataset
        from .exchange.transfer import import_into

        if what in FORMATS:
            transfer = follow_images(import_into(what, src, out, images or ()))
            tables = make(out)
            print(f"{importing.changes_text(transfer)}\n{terminal.folder_text(tables, out)}")
            exit_code = transfer.exit_code
        elif what in LAYOUTS:
            summary = follow_images(import_dataset(what, src, out))
            print(importing.import_text(summary))
            exit_code = summary.exit_code
        else:
            raise UsageError(f"There is no format or data set {what!r}. Known: {', '.join((*FORMATS, *LAYOUTS))}.")
    raise typer.Exit(exit_code)


@app.command()
@takes(LessonOptions)
def train(
    lesson: LessonOptions,
    model: Annotated[Path, path_option("--out", "-o", metavar="MODEL", help="The model to write: NAME.safetensors.")],
    resume: Annotated[bool, typer.Option("--resume", help="Continue a training that was stopped.")] = False,
    debug: Debug = False,
) -> None:
    """Train a network on corrected images.

    Exit code 1 if it is significantly worse, on images held out, than the model it began with.
    """
    with exit_codes(debug, RESUMES):
        from ._cli.training import follow_epochs
        from .training.train import Request
        from .training.train import train as steps

        request = Request(**lesson.fields(), model=model, resume=resume)
        outcome = follow_epochs(steps(request), request.epochs)
        print(outcome)
    raise typer.Exit(0 if outcome.comparison is None or outcome.comparison.promoted else 1)


@app.command()
@takes(LessonOptions)
def crossval(
    lesson: LessonOptions,
    out: Annotated[Path, path_option("--out", "-o", metavar="DIR", help="Folder of the folds; one there is continued.")],
    folds: Annotated[int, typer.Option(min=2, metavar="N", help="Into how many parts the images go.")] = 10,
    by: Annotated[
        Literal["auto", "slide", "image"],
        typer.Option(help="What stays together; auto: slides, where that leaves of every type something to learn from."),
    ] = "auto",
    debug: Debug = False,
) -> None:
    """Judge a recipe by cross-validation on corrected images.

    One network is trained for each part of the images, on the other parts; what they say of the parts is pooled.
    """
    with exit_codes(debug, CONTINUES):
        from ._cli.training import follow_epochs
        from .training.crossval import Request
        from .training.crossval import crossval as steps

        request = Request(**lesson.fields(), out=out, folds=folds, by=by)
        figures = follow_epochs(steps(request), request.epochs)
        print(figures.table())
        print(f"\nFigures: {out.absolute() / 'crossval.json'}")
