"""Options that several commands have, declared once, and the decorator that gives them to a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from ..errors import UsageError

if TYPE_CHECKING:
    from ..pipeline import Models

THREADS = 1
"""Of each process on the processor, unless it is said."""

Folder = Annotated[Path, typer.Argument(metavar="RESULTS", help="A results folder.")]
Device = Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where the networks run.")]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="The same seed draws the same lots.")]
Images = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the images, where they have moved.")]
ManyImages = Annotated[
    list[Path] | None, typer.Option("--images", metavar="DIR", help="Folder of the images, where they have moved; repeatable.")
]

T = TypeVar("T")


def takes(options: Callable[..., T]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that a dataclass declares; the command has an object of it as its first argument."""
    declared = inspect.signature(options, eval_str=True).parameters

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        _, *own = inspect.signature(command, eval_str=True).parameters.values()

        def call(**given: Any) -> None:
            command(options(**{name: given.pop(name) for name in declared}), **given)

        parameters = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in sorted((*declared.values(), *own), key=lambda one: one.default is not one.empty)
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
class LessonOptions:
    """What is to be learnt, from what, and how: what `train` and `crossval` share."""

    what: Annotated[Literal["segmenter", "classifier"], typer.Argument(metavar="NETWORK", help="The network to train.")]
    data: Annotated[list[Path], typer.Argument(metavar="DATA", help="Results folders that a person has corrected.")]
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
            raise UsageError(f"--set takes NAME=VALUE, such as --set epochs=5; found {text!r}.")
    return dict(text.split("=", 1) for text in texts)
