"""The options of the command line that `config.Settings` describes: one source of default, range, unit and help.

They are made when a command that has them is parsed, so that `napari-wbc --help` does not wait for pydantic.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional, get_args

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from ..config import Settings

_KEY = "napari_wbc.settings"
_BOUNDS = {"gt": "more than {}", "ge": "at least {}", "lt": "less than {}", "le": "at most {}"}


class CommandWithSettings(TyperCommand):
    """A command with `--config` and an option for each setting, which its function has from `read_options(context)`."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The command's own options, then those of the settings, then `--help`."""
        own = super().get_params(ctx)
        return [*own[:-1], *_options(), *own[-1:]]

    def invoke(self, ctx: Any) -> Any:
        """Call the function, to which typer gives only the options that it declares."""
        ctx.meta[_KEY] = {option.name: ctx.params.pop(option.name) for option in _options()}
        return super().invoke(ctx)


def read_options(context: typer.Context) -> Settings:
    """The settings: options that were given go before what the file says, and that before the defaults.

    Raises
    ------
    SettingsError
        If the file cannot be read, or a value is not valid.
    """
    from ..config import make_settings, read_settings

    given = {name: value for name, value in context.meta[_KEY].items() if value is not None}
    config = given.pop("config", None)
    base = {} if config is None else read_settings(Path(config)).model_dump()
    return make_settings(base | given)


def _options() -> list[Any]:
    """The options, as click has them."""
    from ..config import Settings

    def declared() -> None:
        """Never called: its parameters are what typer makes options of."""

    file = Annotated[Optional[Path], typer.Option(help="Settings from a JSON file, or from the run.json of an earlier run.")]  # noqa: UP045
    parameters = [_parameter("config", file), *(_option(name, field) for name, field in Settings.model_fields.items())]
    declared.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    app = typer.Typer(add_completion=False)
    app.command()(declared)
    return typer.main.get_command(app).params


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    """The option of a setting; None: not given."""
    kind = next((arg for arg in get_args(field.annotation) if arg is not type(None)), field.annotation)
    return _parameter(name, Annotated[Optional[kind], typer.Option(help=_help(field), show_default=False)])  # noqa: UP045


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _help(field: FieldInfo) -> str:
    """Description, unit, range and default of a setting."""
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    limits = [
        text.format(getattr(limit, key)) for limit in field.metadata for key, text in _BOUNDS.items() if hasattr(limit, key)
    ]
    parts = [str(extra.get("unit", "")), *limits]
    if field.default is not None:
        parts.append(f"default {str(field.default).lower()}")
    return f"{field.description} ({', '.join(part for part in parts if part)})"
