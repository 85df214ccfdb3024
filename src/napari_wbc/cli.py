"""The command line: `napari-wbc run | demo | train | …`. Results go to stdout, progress and messages to stderr."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ._cli.options import CommandWithSettings, read_options
from .errors import ModelMemoryError, StorageError, UsageError, WbcError, WorkersError
from .exchange import FORMATS

if TYPE_CHECKING:
    from .pipeline import Models

app = typer.Typer(
    help="Find, outline, name and count the white blood cells of stained blood smears. Research use only.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Device = Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where the networks run.")]
SegmenterName = Annotated[str, typer.Option(help="Model that finds the cells: a name that `models` lists, or a file.")]
ClassifierName = Annotated[str, typer.Option(help="Model that names the cells: a name that `models` lists, or a file.")]
THREADS = 2
Threads = Annotated[
    int, typer.Option(min=1, help="Threads of each process on the processor; with others, last digits may be others.")
]
What = Annotated[Literal["segmenter", "classifier"], typer.Argument(help="The network to train.")]
Data = Annotated[list[Path], typer.Argument(metavar="DATA...", help="Results folders that a person has corrected.")]
RecipeName = Annotated[Literal["default", "paper"], typer.Option(help="How to train.")]
FromModel = Annotated[
    str | None, typer.Option("--from", metavar="NAME|FILE", help="Model to fine-tune; without --start, the bundled one.")
]
StartWeights = Annotated[
    str | None, typer.Option(metavar="NAME|FILE", help="Start weights: an .npz file, a name of torchvision's, or none.")
]
Changes = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a number of the recipe.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same split and training.")]
Images = Annotated[list[Path] | None, typer.Option(help="Folder of the images, where they have moved.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and the log.")]


def main() -> None:
    """Entry point of `napari-wbc`."""
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
def run(
    context: typer.Context,
    inputs: Annotated[list[str], typer.Argument(metavar="IN...", help="Image files, folders (with all below them), patterns.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the results; an earlier run there is continued.")],
    device: Device = "auto",
    segmenter: SegmenterName = "default",
    classifier: ClassifierName = "default",
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try images again that failed before.")] = False,
    rehash: Annotated[
        bool, typer.Option("--rehash", help="Read every image for its hash; else size and time of change are trusted.")
    ] = False,
    overwrite_reviewed: Annotated[
        bool,
        typer.Option(
            "--overwrite-reviewed",
            help="Analyse changed images again that a person has worked on; a copy goes to OUT/replaced.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done with each image, and why.")] = False,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that do the work; 0: the program's own, which a crashing decoder ends.")
    ] = 1,
    time_limit: Annotated[
        float | None,
        typer.Option(min=1, metavar="S", help="A worker process that is silent for so long is ended; 10 minutes unless given."),
    ] = None,
    threads: Threads = THREADS,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only part I, from 0 to N - 1; `collect` makes the tables of all parts.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Scheduler of a dask cluster that does the work: tcp://HOST:PORT.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Find, outline, name and count the white blood cells of many images."""
    with _exit_codes(debug):
        settings = read_options(context)
        from . import batch
        from ._cli import terminal

        load = partial(_load, segmenter, classifier, device, threads)
        redo = batch.Redo(retry_failed, rehash, overwrite_reviewed)
        part = None if shard is None else batch.read_shard(shard)
        if dry_run:
            tasks = batch.preview(inputs, out, load, settings, redo=redo, shard=part)
            print("\n".join(map(terminal.task_text, tasks)))
            print(terminal.needs_text(tasks), file=sys.stderr)
            return
        steps = batch.run(
            inputs, out, load, settings, redo=redo, shard=part, workers=workers, cluster=cluster, time_limit_s=time_limit
        )
        summary = terminal.follow(steps)
        print(terminal.run_text(summary))
    raise typer.Exit(summary.exit_code)


@app.command(cls=CommandWithSettings)
def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New folder for the drawn images and their results.")],
    device: Device = "auto",
    segmenter: SegmenterName = "default",
    classifier: ClassifierName = "default",
    debug: Debug = False,
) -> None:
    """Draw a small set of smears, analyse it, and compare with what was drawn."""
    with _exit_codes(debug):
        settings = read_options(context)
        from . import batch
        from ._cli import terminal
        from ._cli.demo import compare_with_truth, draw

        print(
            "These smears are SYNTHETIC: drawn by the program, no blood. They show that it works here, not how well on yours."
        )
        drawn = draw(out)
        summary = terminal.follow(
            batch.run(drawn.images, drawn.results, partial(_load, segmenter, classifier, device, THREADS), settings)
        )
        print(terminal.run_text(summary))
        print(terminal.truth_text(compare_with_truth(drawn)))
    raise typer.Exit(summary.exit_code)


@app.command()
def collect(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A results folder.")],
    debug: Debug = False,
) -> None:
    """Make the tables and the report of a results folder again, from its records."""
    with _exit_codes(debug):
        from ._cli import terminal
        from .batch.collect import collect as make

        summary = make(out)
        print(terminal.folder_text(summary, out))
    raise typer.Exit(1 if summary.failed else 0)


@app.command()
def verify(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A results folder.")],
    sample: Annotated[int, typer.Option(min=0, help="Images to be analysed again at most.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="The same seed takes the same images.")] = 0,
    images: Annotated[Path | None, typer.Option(help="Folder of the images, where they have moved.")] = None,
    device: Device = "auto",
    segmenter: SegmenterName = "default",
    classifier: ClassifierName = "default",
    debug: Debug = False,
) -> None:
    """Tell which files of a results folder are missing, altered, or no longer reproducible."""
    with _exit_codes(debug):
        from ._cli import terminal
        from .batch.verify import verify as steps
        from .results.runfile import read_run

        load = partial(_load, segmenter, classifier, device, read_run(out).threads)
        result = terminal.follow(steps(out, load, sample, seed, images))
        print(terminal.verification_text(result))
    raise typer.Exit(result.exit_code)


@app.command()
def models(debug: Debug = False) -> None:
    """List the models that come with the program, each with its card."""
    with _exit_codes(debug):
        from ._cli import terminal
        from .nets import list_models

        print("\n\n".join(map(terminal.model_text, list_models())))


@app.command()
def evaluate(
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="The results folder to judge.")],
    truth: Annotated[Path, typer.Option(help="Results folder of the same images that a person vouches for.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    debug: Debug = False,
) -> None:
    """Compare results with the truth: outlines, boxes, types, with intervals."""
    with _exit_codes(debug):
        from .evaluate import evaluate as judge
        from .evaluate import read_pairs

        figures = judge(read_pairs(results, truth))
        print(figures.to_json() if json else figures.table())


@app.command()
def export(
    format_: Annotated[str, typer.Argument(metavar="FORMAT", help=f"Of the files: {', '.join(FORMATS)}.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A results folder.")],
    dst: Annotated[Path, typer.Argument(metavar="DST", help="New folder for the files.")],
    images: Images = None,
    debug: Debug = False,
) -> None:
    """Write results in a format of other programs; `import` brings back what was corrected there."""
    with _exit_codes(debug):
        from ._cli import importing
        from .exchange.transfer import export_results

        print(importing.export_text(importing.follow(export_results(format_, out, dst, images or ()))))


@app.command("import")
def import_(
    what: Annotated[
        str, typer.Argument(metavar="FORMAT", help=f"{', '.join(FORMATS)}; or a data set: bccd, lisc, pbc, raabin, zheng.")
    ],
    src: Annotated[Path, typer.Argument(metavar="SRC", help="The files, or the folder of the data set, unpacked.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Results folder of these images; of a data set, a new one.")],
    images: Images = None,
    debug: Debug = False,
) -> None:
    """Bring what was corrected in other programs into results, or make results of a public data set."""
    with _exit_codes(debug):
        from ._cli import importing, terminal
        from .batch.collect import collect as make
        from .datasets import LAYOUTS, import_dataset
        from .exchange.transfer import import_into

        if what in FORMATS:
            transfer = importing.follow(import_into(what, src, out, images or ()))
            tables = make(out)
            print(f"{importing.changes_text(transfer)}\n{terminal.folder_text(tables, out)}")
            exit_code = transfer.exit_code
        elif what in LAYOUTS:
            summary = importing.follow(import_dataset(what, src, out))
            print(importing.import_text(summary))
            exit_code = summary.exit_code
        else:
            raise UsageError(f"There is no format or data set {what!r}. Known: {', '.join((*FORMATS, *LAYOUTS))}.")
    raise typer.Exit(exit_code)


@app.command()
def train(
    what: What,
    data: Data,
    model: Annotated[Path, typer.Option("--out", "-o", metavar="MODEL", help="The model to write: NAME.safetensors.")],
    recipe: RecipeName = "default",
    from_model: FromModel = None,
    start: StartWeights = None,
    changes: Changes = None,
    images: Images = None,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a training that was stopped.")] = False,
    device: Device = "auto",
    debug: Debug = False,
) -> None:
    """Train a network on corrected images; exit code 1 if it is worse than the model it began with."""
    with _exit_codes(debug):
        from ._cli import training as terminal
        from .training.recipes import make_recipe
        from .training.train import Request
        from .training.train import train as steps

        made = make_recipe(what, recipe, terminal.read_changes(changes or []))
        request = Request(
            what=what, data=tuple(data), model=model, recipe=made, from_model=from_model, start=start,
            images=tuple(images or ()), seed=seed, resume=resume, device=device,
        )  # fmt: skip
        outcome = terminal.follow(steps(request), request.epochs)
        print(terminal.outcome_text(outcome))
    raise typer.Exit(0 if outcome.comparison is None or outcome.comparison.promoted else 1)


@app.command()
def crossval(
    what: What,
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the folds; one there is continued.")],
    folds: Annotated[int, typer.Option(min=2, help="Into how many parts the images go.")] = 10,
    by: Annotated[
        Literal["auto", "slide", "image"],
        typer.Option(help="What stays together; auto: slides, where that leaves of every type something to learn from."),
    ] = "auto",
    recipe: RecipeName = "default",
    from_model: FromModel = None,
    start: StartWeights = None,
    changes: Changes = None,
    images: Images = None,
    seed: Seed = 0,
    device: Device = "auto",
    debug: Debug = False,
) -> None:
    """Judge a recipe: train once for each part of the images, on the others, and pool what is said of the parts."""
    with _exit_codes(debug):
        from ._cli import training as terminal
        from .training.crossval import Request
        from .training.crossval import crossval as steps
        from .training.recipes import make_recipe

        made = make_recipe(what, recipe, terminal.read_changes(changes or []))
        request = Request(
            what=what, data=tuple(data), out=out, folds=folds, by=by, recipe=made, from_model=from_model, start=start,
            images=tuple(images or ()), seed=seed, device=device,
        )  # fmt: skip
        figures = terminal.follow(steps(request), request.epochs)
        print(figures.table())
        print(f"\nFigures: {out.absolute() / 'crossval.json'}")


def _load(segmenter: str, classifier: str, device: str, threads: int) -> Models:
    """Load the models; worker processes and clusters call it by its name."""
    from .nets import load_models

    return load_models(segmenter=segmenter, classifier=classifier, device=device, threads=threads)


@contextmanager
def _exit_codes(debug: bool) -> Iterator[None]:
    """Turn errors into one clear message on stderr and the exit codes 2 (wrong use), 3 (stopped) and 130 (Ctrl-C)."""
    logger = logging.getLogger("napari_wbc")
    logger.handlers = [_StderrLog(debug)]
    logger.setLevel(logging.DEBUG if debug else logging.WARNING)
    try:
        yield
    except KeyboardInterrupt:
        print("Stopped. What is finished is kept; the same command continues (`train`: with --resume).", file=sys.stderr)
        raise typer.Exit(130) from None
    except WbcError as error:
        if debug:
            traceback.print_exc()
        print(f"Error: {error}", file=sys.stderr)
        raise typer.Exit(3 if isinstance(error, StorageError | ModelMemoryError | WorkersError) else 2) from None


class _StderrLog(logging.Handler):
    """The log on stderr, one line each; tracebacks only with `--debug`."""

    def __init__(self, debug: bool) -> None:
        super().__init__()
        self.debug = debug

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        text = self.format(record) if self.debug else record.getMessage()
        print(f"{record.levelname.capitalize()}: {text}", file=sys.stderr)
