"""The files that tools read: they can be read, and they name only what there is."""

import json
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([\w./-]+):", MAKEFILE, re.MULTILINE))


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """The text files that git knows, but for test vectors, which are others'."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    names = subprocess.run(["git", "ls-files", "-z", "--eol"], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line.split("\t") for line in names.stdout.split("\0") if line]
    return [
        ROOT / name
        for eol, name in lines
        if not eol.startswith("i/-text") and "/vectors/" not in name and (ROOT / name).is_file()
    ]


def test_editorconfig_is_kept(tracked: list[Path]) -> None:
    """UTF-8, LF, no spaces at the end of a line, a newline at the end of a file; tabs in the Makefile only."""
    config = ConfigParser()
    config.read_string("[top]\n" + (ROOT / ".editorconfig").read_text())
    everywhere = config["*"]
    assert everywhere["insert_final_newline"] == everywhere["trim_trailing_whitespace"] == "true"
    assert len(tracked) > 100
    wrong = []
    for path in tracked:
        text = path.read_bytes().decode(everywhere["charset"])
        is_kept = (
            (text.endswith("\n") or not text) and "\r" not in text and not re.search(r"[ \t]$", text, re.MULTILINE)
        )
        if not is_kept or (path.name != "Makefile" and re.search(r"^\t", text, re.MULTILINE)):
            wrong.append(str(path.relative_to(ROOT)))
    assert wrong == []


@pytest.mark.process
def test_pre_commit_accepts_its_configuration() -> None:
    """`pre-commit run --all-files` is `make lint` and more; here only the file is looked at."""
    program = Path(sys.executable).with_name("pre-commit")
    done = subprocess.run([program, "validate-config"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_pre_commit_runs_what_make_lint_runs() -> None:
    """Each step of `make lint` is a hook, each hook is a target; nothing comes from another repository."""
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    commands = {hook["entry"].removeprefix("make ") for hook in repository["hooks"]}
    steps = re.search(r"^lint: (.+?) ##", MAKEFILE, re.MULTILINE)
    assert steps is not None
    assert commands == {*steps[1].split(), "lint-page"}
    assert commands <= TARGETS


def test_the_dev_container_runs_the_services_python() -> None:
    """On the Python of the images, prepared by a target of the Makefile."""
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    base = re.search(r"PYTHON_IMAGE=(python:\d+\.\d+)", (ROOT / "vault-service" / "Dockerfile").read_text())
    assert base is not None
    assert container["image"].startswith(base[1] + "-")
    program, *targets = container["postCreateCommand"].split()
    assert program == "make"
    assert set(targets) <= TARGETS


def test_renovate_knows_every_file_that_pins_something() -> None:
    """Renovate's patterns find the hash-pinned requirements, and its managers cover the other kinds of files."""
    config = json.loads((ROOT / "renovate.json").read_text())
    (pattern,) = config["pip_requirements"]["managerFilePatterns"]
    names = {path.relative_to(ROOT).as_posix() for path in (ROOT / "requirements").iterdir()}
    found = {name for name in names if re.search(pattern.strip("/"), name)}
    assert found == {name for name in names if name.endswith(".txt")}
    managers = set(config["enabledManagers"])
    assert managers >= {"pip_requirements", "npm", "dockerfile", "docker-compose", "devcontainer"}
    described = [rule["description"] for rule in config["packageRules"]]
    assert len(set(described)) == len(described)


@pytest.mark.parametrize("form", ["bug.yml", "proposal.yml"])
def test_issue_forms_are_complete(form: str) -> None:
    """GitHub demands of a form: a name, a description, and a body whose inputs have ids and labels."""
    content = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / form).read_text())
    assert content["name"]
    assert content["description"]
    inputs = [each for each in content["body"] if each["type"] != "markdown"]
    assert {each["type"] for each in inputs} <= {"textarea", "input", "dropdown", "checkboxes"}
    ids = [each["id"] for each in inputs]
    assert len(set(ids)) == len(ids)
    assert all(each["attributes"]["label"] for each in inputs)


def test_the_change_template_names_targets_that_there_are() -> None:
    """And files."""
    text = (ROOT / ".github" / "pull_request_template.md").read_text()
    assert set(re.findall(r"`make ([\w-]+)`", text)) <= TARGETS
    assert all((ROOT / name).exists() for name in re.findall(r"`([\w./-]+/|[A-Z]+\.md)`", text))
