"""What the documents say agrees with the code: commands, targets, fields, links."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("training/*/README.md")])


def test_the_reference_page_lists_every_field_as_it_is() -> None:
    from perception.pipeline.presets import reference

    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page[page.index("|") :] == reference(), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_exists(page: Path) -> None:
    named = re.findall(r"`((?:perception|slam|nodes|tests|requirements|docker)/[\w/.]+\.\w+)`", page.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def words_after(command: str, lines: list[str]) -> set[str]:
    """The first argument, where it is a plain word, of every line that calls `command`."""
    matches = (re.match(rf"{command} ([a-z-]+)", line) for line in lines)
    return {match[1] for match in matches if match}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_make_target_that_is_named_exists(page: Path) -> None:
    from perception.cli import main

    text = page.read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).splitlines()
    lines = [line.strip() for line in (*re.findall(r"`([^`\n]+)`", text), *blocks)]
    assert words_after(r"(?:\S*/)?perception", lines) <= set(main.commands)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert words_after("make", lines) <= targets


def test_no_text_names_a_path_of_a_machine() -> None:
    names = re.compile(r"(?<![\w./])/(?:work|tmp|root|home)/")
    pages = [*PAGES, ROOT / "Makefile", ROOT / ".ci/run", *(ROOT / "requirements").iterdir()]
    assert [str(page) for page in pages if names.search(page.read_text(encoding="utf-8"))] == []
