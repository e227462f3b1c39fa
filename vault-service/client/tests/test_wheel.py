"""The wheel, alone in a virtual environment, on the oldest Python that is found."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scripted_answers import ACCESS, Answers, token

FOLDER = Path(__file__).parents[1]
PROGRAM = """
import sys
from token_vault_client import TicketCredentials, TokenVaultClient
print(TokenVaultClient(sys.argv[1], TicketCredentials("tvt_x")).access_token().value)
"""


def oldest_python() -> str:
    """`python3.10` where it works, else the one that runs this test."""
    found = shutil.which("python3.10")
    works = found and subprocess.run([found, "-c", "import venv, ensurepip"], capture_output=True, check=False)
    return found if found and works and works.returncode == 0 else sys.executable


@pytest.mark.process
def test_the_wheel_installs_alone_and_gives_a_token(tmp_path: Path, answers: Answers):
    uv = shutil.which("uv", path=str(Path(sys.executable).parent))
    assert uv

    def run(*words: str | Path) -> str:
        done = subprocess.run(
            [*map(str, words)], capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path, FOLDER)
    (wheel,) = tmp_path.glob("*.whl")
    run(uv, "venv", "--quiet", "--python", oldest_python(), tmp_path / "alone")
    python = tmp_path / "alone" / "bin" / "python"
    run(uv, "pip", "install", "--quiet", "--python", python, wheel)
    answers.says(ACCESS, 200, token())
    assert run(python, "-I", "-c", PROGRAM, answers.url) == "secret\n"
    installed = run(uv, "pip", "list", "--python", python, "--format", "freeze")
    names = {line.split("==")[0] for line in installed.split()}
    assert names == {"token-vault-client", "requests", "urllib3", "idna", "certifi", "charset-normalizer"}
