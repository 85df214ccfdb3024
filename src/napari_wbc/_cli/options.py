"""Options that several commands have, declared once, and the decorator that gives them to a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import UsageError

if TYPE_CHECKING:
    from ..pipeline import Models

THREADS = 1
"""Of each process on the processor, unless it is said."""


def read_path(text: str) -> Path:
    """The path of an argument or option; what is there, the commands see.

    Raises
    ------
    typer.BadParameter
        If it is empty.
    """
    if not text:
        raise typer.BadParameter("it is empty, as from a variable that is not set. Name a path.")
    return Path(text)


path_argument, path_option = partial(typer.Argument, parser=read_path), partial(typer.Option, parser=read_path)

Folder = Annotated[Path, path_argument(metavar="RESULTS", help="A results folder.")]
Device = Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where the networks run.")]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="The same seed gives the same random choices.")]
Images = Annotated[Path | None, path_option(metavar="DIR", help="Folder of the images, where they have moved.")]
ManyImages = Annotated[
    list[Path] | None, path_option("--images", metavar="DIR", help="Folder of the images, where they have moved; repeatable.")
]


def takes(*kinds: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that dataclasses declare; an object of each comes first among its arguments."""
    declared = [inspect.signature(kind, eval_str=True).parameters for kind in kinds]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[len(kinds) :]

        def call(**given: Any) -> None:
            made = [kind(**{name: given.pop(name) for name in names}) for kind, names in zip(kinds, declared, strict=True)]
            command(*made, **given)

        options = [parameter for names in declared for parameter in names.values()]
        parameters = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in sorted((*options, *own), key=lambda one: one.default is not one.empty)
        ]
        call.__name__, call.__doc__ = command.__name__, command.__doc__
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return call

    return decorate


@dataclass(frozen=True)
class ModelOptions:
    """The two models, and where they run."""

    segmenter: Annotated[str, typer.Option(metavar="MODEL", help="Finds the cells: a file, or a name that `models` lists.")] = (
        "default"
    )
    classifier: Annotated[
        str, typer.Option(metavar="MODEL", help="Names the cells: a file, or a name that `models` lists.")
    ] = "default"
    device: Device = "auto"

    def loader(self, threads: int = THREADS) -> Callable[[], Models]:
        """What loads them, for worker processes and clusters too."""
        return partial(_load, self.segmenter, self.classifier, self.device, threads)


def _load(segmenter: str, classifier: str, device: str, threads: int) -> Models:
    from ..nets import load_models

    return load_models(segmenter=segmenter, classifier=classifier, device=device, threads=threads)


@dataclass(frozen=True)
class RunOptions:
    """Which images are analysed, and by what, of a `run`."""

    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try images again that failed before.")] = False
    rehash: Annotated[
        bool, typer.Option("--rehash", help="Read every image for its hash; else size and time of change are trusted.")
    ] = False
    overwrite_reviewed: Annotated[
        bool,
        typer.Option(
            "--overwrite-reviewed",
            help="Analyse changed images again that a person has worked on; a copy goes to OUT/replaced.",
        ),
    ] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done with each image, and why.")] = False
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Processes that do the work; 0: the program's own, which a broken image may end. "
            "Default: one for each processor, at most 4.",
        ),
    ] = None
    time_limit: Annotated[
        float | None,
        typer.Option(min=1, metavar="S", help="A worker process that is silent for so long is ended; 10 minutes unless given."),
    ] = None
    threads: Annotated[
        int, typer.Option(min=1, metavar="N", help="Threads of each process; another number may change last digits.")
    ] = THREADS
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only part I, from 0 to N - 1; `collect` makes the tables of all parts.")
    ] = None
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Scheduler of a dask cluster that does the work: tcp://HOST:PORT.")
    ] = None


@dataclass(frozen=True)
class LessonOptions:
    """What is to be learnt, from what, and how: what `train` and `crossval` share."""

    what: Annotated[Literal["segmenter", "classifier"], typer.Argument(metavar="NETWORK", help="The network to train.")]
    data: Annotated[list[Path], path_argument(metavar="DATA", help="Results folders that a person has corrected.")]
    recipe: Annotated[Literal["default", "paper"], typer.Option(help="How to train.")] = "default"
    from_model: Annotated[
        str | None, typer.Option("--from", metavar="MODEL", help="Model to fine-tune; without --start, the bundled one.")
    ] = None
    start: Annotated[
        str | None, typer.Option(metavar="WEIGHTS", help="Start weights: an .npz file, a name of torchvision's, or none.")
    ] = None
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a number of the recipe; repeatable.")
    ] = None
    images: ManyImages = None
    seed: Seed = 0
    device: Device = "auto"

    def fields(self) -> dict[str, Any]:
        """The fields of `training.lesson.Lesson`.

        Raises
        ------
        UsageError
            If a change has no `=`.
        SettingsError
            If the recipe is not valid with the changes.
        """
        from ..training.recipes import make_recipe

        return {
            "what": self.what,
            "data": tuple(self.data),
            "recipe": make_recipe(self.what, self.recipe, read_changes(self.changes or ())),
            "from_model": self.from_model,
            "start": self.start,
            "images": tuple(self.images or ()),
            "seed": self.seed,
            "device": self.device,
        }


def read_changes(texts: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` as a mapping.

    Raises
    ------
    UsageError
        If one has no `=`.
    """
    for text in texts:
        if "=" not in text:
            raise UsageError(f"--set takes NAME=VALUE, such as --set fine_tune_epochs=5; found {text!r}.")
    return dict(text.split("=", 1) for text in texts)
