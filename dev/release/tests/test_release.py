"""Parts of a release: one version everywhere, and a bill of materials for each image."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import version
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parents[3]
SBOM = ROOT / "dev" / "release" / "sbom"
CURRENT = (ROOT / "VERSION").read_text().strip()


def test_all_files_state_the_version_of_the_source() -> None:
    """`make lint` says the same."""
    assert version.deviations(CURRENT) == []


def test_the_changelog_has_a_place_for_the_next_version() -> None:
    """The changelog's first section is the unreleased one, or the current version."""
    first = re.search(r"^## \[?([^\]\s]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first is not None
    assert first[1] in {"Unreleased", CURRENT}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files that state the version, in a folder of their own."""
    for path, _, _ in version.stated():
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return tmp_path


def test_a_new_version_is_written_everywhere_and_nothing_else_changes(copy: Path) -> None:
    """Packages, images, compose file and manifests; each line that changes had the old version."""
    before = {path: path.read_text() for path in copy.rglob("*") if path.is_file()}
    changed = version.write("12.0.3-rc.1", copy)
    assert set(changed) == before.keys()
    assert version.deviations("12.0.3-rc.1", copy) == []
    for path, old in before.items():
        lines = zip(old.splitlines(), path.read_text().splitlines(), strict=True)
        assert all(CURRENT in was and "12.0.3-rc.1" in now for was, now in lines if was != now)
    assert (copy / "VERSION").read_text() == "12.0.3-rc.1\n"


@pytest.mark.parametrize("place", ["vault-service/pyproject.toml", "docker-compose.yml", "frontend/package-lock.json"])
def test_a_file_that_states_another_version_is_named(copy: Path, place: str) -> None:
    """One occurrence is enough."""
    path = copy / place
    path.write_text(path.read_text().replace(CURRENT, "9.9.9", 1))
    assert version.deviations(CURRENT, copy) == [
        f"{place} says {', '.join(sorted({'9.9.9', *_others(copy, place)}))}, VERSION says {CURRENT}"
    ]


def _others(root: Path, place: str) -> set[str]:
    return {word for path, _, found in version.stated(root) if path == root / place for word in found}


@pytest.mark.parametrize("words", [["1.2"], ["v1.2.3"], ["1.2.3+build"], ["--set", "1.2.3"]], ids=str)
def test_what_is_no_version_is_refused(words: list[str]) -> None:
    """And nothing is written."""
    assert version.main(words) == 2
    assert version.deviations(CURRENT) == []


def test_the_services_know_their_version() -> None:
    """From their package's metadata."""
    code = "import vault_service, task_service; print(vault_service.__version__, task_service.__version__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [CURRENT, CURRENT]


@pytest.mark.process
def test_the_bills_of_materials_are_valid_and_complete(tmp_path: Path) -> None:
    """CycloneDX 1.5: each package of a lock file is there with its version and its hashes."""
    subprocess.run([SBOM, tmp_path], check=True, timeout=120)
    bills = {path.name.partition(".")[0]: path.read_text() for path in tmp_path.iterdir()}
    assert bills.keys() == {"vault-service", "task-service", "gateway"}
    for bill in bills.values():
        assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(bill) is None
        assert json.loads(bill)["metadata"]["component"]["version"] == CURRENT
    for service in ("vault-service", "task-service"):
        locked = re.findall(
            r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / f"requirements/{service}.txt").read_text(), re.MULTILINE
        )
        components = json.loads(bills[service])["components"]
        assert {(each["name"], each["version"]) for each in components} == set(locked)
        assert all(each["externalReferences"][0]["hashes"] for each in components)
    packages = json.loads((ROOT / "frontend" / "package-lock.json").read_text())["packages"]
    shipped = {
        (name.rpartition("node_modules/")[2], each["version"])
        for name, each in packages.items()
        if name and not each.get("dev")
    }
    assert {(each["name"], each["version"]) for each in json.loads(bills["gateway"])["components"]} == shipped
