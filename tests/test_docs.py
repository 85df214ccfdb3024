"""README and docs are true: their Python runs, their commands are understood, their links, files, columns and options exist."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest
import typer
import yaml
from PIL import Image as Pillow

from napari_wbc import __version__, differential
from napari_wbc.cli import app
from napari_wbc.results.runfile import RunFile, read_run
from napari_wbc.results.summary import CELL_COLUMNS, IMAGE_COLUMNS
from napari_wbc.synthetic import draw_field
from tests.test_architecture import FRONT_ENDS, LISTING

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
}
README = PAGES["README.md"]
RESEARCH = "Research use only"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGES[page], flags=re.DOTALL)


def prose(page: str) -> str:
    """A page without its blocks."""
    return re.sub(r"```.*?```", "", PAGES[page], flags=re.DOTALL)


# -- Python ------------------------------------------------------------------------------------------------------------

OTHERWISE = {
    "CONTRIBUTING.md": "test_contributing",
    "docs/clusters.md": "a Snakefile",
}
"""Pages whose Python blocks do not run here, and why."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `smear.png` and two slides in `smears`."""
    for i, name in enumerate(("smear.png", "smears/slide-1/a.png", "smears/slide-2/b.png")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(draw_field(np.random.default_rng(i), shape=(360, 480), n_cells=2).image).save(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python") and page not in OTHERWISE])
def test_the_python_of_a_page_runs(page: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = blocks(page, "python")
    for block in code:
        exec(compile(block, page, "exec"), {})
    printed = capsys.readouterr().out
    assert bool(printed) == any("print(" in block for block in code)
    if any("analyse_folder(" in block for block in code):
        assert "done=2" in printed
        assert read_run(here / "results").counts.done == 2


def test_analysing_takes_five_lines() -> None:
    (block,) = blocks("README.md", "python")
    assert len([line for line in block.splitlines() if line.strip()]) <= 5


# -- commands ----------------------------------------------------------------------------------------------------------


def commands(text: str) -> list[list[str]]:
    """The words of each `napari-wbc …` in a text."""
    found = re.findall(r"napari-wbc((?: (?:\"[^\"\n]*\"|[^\s\"`|&()]+))+)", text.replace("\\\n", " "))
    return [shlex.split(words) for words in found]


PROGRAM = typer.main.get_command(app)


@pytest.mark.parametrize("page", [page for page in PAGES if commands("".join(blocks(page, "bash")))])
def test_the_commands_of_a_page_are_understood(page: str) -> None:
    for name, *arguments in commands("".join(blocks(page, "bash"))):
        PROGRAM.commands[name].make_context(name, arguments)  # type: ignore[attr-defined]


WITH_BENCHMARKS = {f"docs/{name}.md" for name in ("decisions", "performance", "results", "trust")}
"""Pages that name options of the benchmarks too."""


def test_the_commands_and_options_that_are_named_exist() -> None:
    known = {option for command in PROGRAM.commands.values() for option in options_of(command)}  # type: ignore[attr-defined]
    for page in PAGES.keys() - WITH_BENCHMARKS:
        named = set(re.findall(r"`[^`\n]*?(--[a-z][a-z-]*)", prose(page)))
        assert named - known - {"--help", "--user", "--version"} == set(), page
        called = {words[0] for words in commands(prose(page)) if re.fullmatch("[a-z]+", words[0])}
        assert called - set(PROGRAM.commands) - {"is", "and"} == set(), page  # type: ignore[attr-defined]


def test_every_option_is_on_a_page() -> None:
    named = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", "".join(PAGES.values())))
    for name, command in PROGRAM.commands.items():  # type: ignore[attr-defined]
        context = typer.Context(command, resilient_parsing=True)
        for parameter in command.get_params(context):
            if parameter.param_type_name == "option" and parameter.name != "help":
                assert named.intersection([*parameter.opts, *parameter.secondary_opts]), f"{name} {parameter.opts}"


def options_of(command: object) -> set[str]:
    context = typer.Context(command, resilient_parsing=True)  # type: ignore[arg-type]
    return {option for parameter in command.get_params(context) for option in (*parameter.opts, *parameter.secondary_opts)}  # type: ignore[attr-defined]


def test_a_wrong_command_is_seen() -> None:
    assert commands('x `napari-wbc run a "b c" --no` y\nnapari-wbc models') == [["run", "a", "b c", "--no"], ["models"]]
    with pytest.raises(Exception, match="No such option"):
        PROGRAM.commands["run"].make_context("run", ["a", "b", "--nonsense"])  # type: ignore[attr-defined]


# -- links and files ---------------------------------------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    """The anchors of the headings of a page, as GitHub and MyST make them."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(((?!https?:)[^)\s]+)\)", PAGES[page]):
        target, _, anchor = link.partition("#")
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page} links to {link}"
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{page} links to {link}"


@pytest.mark.parametrize("page", PAGES)
def test_the_files_of_the_repository_that_a_page_names_exist(page: str) -> None:
    made_up = {"src/napari_wbc/exchange/names_txt.py", "src/napari_wbc/datasets/pairs.py"}
    named = set(re.findall(r"(?<![\w/.])((?:benchmarks|tests|docs|src|\.ci)/[\w./-]+\.\w+)", PAGES[page]))
    assert [name for name in sorted(named - made_up) if not (ROOT / name).exists()] == []


# -- what the pages say ------------------------------------------------------------------------------------------------


def test_the_columns_are_those_of_the_tables() -> None:
    for title, columns in (
        ("images.csv", IMAGE_COLUMNS),
        ("cells.csv", CELL_COLUMNS),
        ("differential.csv", differential.COLUMNS),
        ("run.json", tuple(RunFile.model_fields)),
    ):
        section = PAGES["docs/results-folder.md"].partition(f"\n## {title}\n")[2].partition("\n## ")[0]
        firsts = re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE)
        assert sorted(re.findall("`(.*?)`", " ".join(firsts))) == sorted(columns), title


def test_the_reference_has_every_row_of_the_listing_below_the_front_ends() -> None:
    documented = {name.partition(".")[0] for name in re.findall(r"automodule:: napari_wbc\.(\S+)", PAGES["docs/api.md"])}
    assert documented == set(LISTING) - set(FRONT_ENDS)


def test_it_says_first_and_last_that_it_is_for_research_only() -> None:
    assert RESEARCH in README.split("##")[0]
    assert RESEARCH in README.split("##")[-1]
    for page in ("index", "tutorial", "walkthrough", "howto/images", "method", "results"):
        assert RESEARCH in PAGES[f"docs/{page}.md"].split("\n## ")[0], page
    assert RESEARCH in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["description"]


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"]) == (__version__, "BSD-3-Clause")
    assert citation["preferred-citation"]["doi"] in README
