"""The sources of the site: dead links and orphans are found, and links lead where the site has the page."""

from pathlib import Path

import pytest
import stage


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository with two pages of docs/, a page from elsewhere, and a table of contents."""
    files = {
        "README.md": "# Readme\n",
        "CONTRIBUTING.md": "# Contributing\n\nSee [a](docs/a.md#two-words).\n",
        "deploy/file.toml": "",
        "docs/a.md": "# A\n\n## Two `words`\n\n[b](adr/b.md) [c](../CONTRIBUTING.md) [file](../deploy/file.toml)\n",
        "docs/adr/b.md": "# B\n\n[first](../../README.md) [up](../a.md#two-words)\n\n```sh\n[no](link.md)\n```\n",
        "docs/adr/index.md": "# Decisions\n\n```{toctree}\n:glob:\n\nb*\n```\n",
        "docs/site/index.md": "# Site\n\n```{toctree}\na\ncontributing\nadr/index\n```\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(stage, "ROOT", tmp_path)
    monkeypatch.setattr(stage, "SITE", tmp_path / "docs" / "site")
    pages = {"CONTRIBUTING.md": "contributing.md", "docs/site/index.md": "index.md"}
    monkeypatch.setattr(stage, "PAGES", pages)
    return tmp_path


def test_a_sound_repository_has_no_faults(repository: Path) -> None:
    assert stage.faults() == []


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("[x](gone.md)", "docs/a.md: no docs/gone.md"),
        ("![x](images/gone.png)", "docs/a.md: no docs/images/gone.png"),
        ("[x](#gone)", "docs/a.md: docs/a.md has no heading #gone"),
        ("[x](adr/b.md#gone)", "docs/a.md: docs/adr/b.md has no heading #gone"),
        ("[x](../README.md#gone)", "docs/a.md: README.md has no heading #gone"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(repository: Path, link: str, fault: str) -> None:
    page = repository / "docs" / "a.md"
    page.write_text(page.read_text() + link + "\n")
    assert stage.faults() == [fault]


def test_a_page_without_a_place_in_the_contents_is_found(repository: Path) -> None:
    (repository / "docs" / "orphan.md").write_text("# Orphan\n")
    assert stage.faults() == ["orphan.md: in no table of contents of docs/site/index.md"]


def test_links_lead_where_the_site_has_the_page_and_other_files_are_named(repository: Path) -> None:
    known = stage.pages()
    texts = {name: stage.for_the_site(name, (repository / name).read_text(), known) for name in known}
    assert "[b](adr/b.md) [c](contributing.md) file (`deploy/file.toml`)" in texts["docs/a.md"]
    assert "[first](../index.md) [up](../a.md#two-words)" in texts["docs/adr/b.md"]
    assert "[no](link.md)" in texts["docs/adr/b.md"]
    assert "[a](a.md#two-words)" in texts["CONTRIBUTING.md"]
