"""The wheels, alone in a virtual environment, on the oldest Python that they promise and on newer ones."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scripted_answers import ACCESS, Answers, token

CLIENT = Path(__file__).parents[1]
COMMAND_LINE = CLIENT.parent / "command-line"
PROGRAM = """
import sys
from token_vault_client import TicketCredentials, TokenVaultClient
print(TokenVaultClient(sys.argv[1], TicketCredentials("tvt_x")).access_token().value)
"""


def python_of(version: str) -> str:
    """A Python of that version, of pyenv (not by its shims, which are slow) or on PATH. Skips the test without one."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [*map(str, pyenv.glob(f"versions/{version}.*/bin/python")), shutil.which(f"python{version}")]
    for path in filter(None, found):
        if subprocess.run([path, "-c", "import venv, ensurepip"], capture_output=True, check=False).returncode == 0:
            return path
    pytest.skip(f"this machine has no Python {version}")


def run(*words: str | Path, **environ: str) -> str:
    """The output of a command."""
    how = {"env": {**os.environ, **environ}, "capture_output": True, "text": True, "timeout": 300}
    done = subprocess.run([*map(str, words)], check=False, **how)
    assert done.returncode == 0, done.stderr
    return done.stdout


def uv(*words: str | Path) -> str:
    """The output of uv."""
    program = shutil.which("uv", path=str(Path(sys.executable).parent))
    assert program
    return run(program, *words)


EXTRAS = [("httpx", "httpx"), ("joserfc", "private-key-jwt"), ("joserfc", "dpop")]
MISSING = """
from token_vault_client import DPoPKey, PrivateKeyJwt
def without(use):
    try:
        use()
    except ImportError as error:
        print(error)
without(lambda: __import__("token_vault_client.aio"))
without(lambda: PrivateKeyJwt("https://as.example.org/token", "client", "key"))
without(DPoPKey)
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheels of the client and of the command line, by distribution."""
    folder = tmp_path_factory.mktemp("wheels")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "-w", folder)
    run(sys.executable, "-m", "pip", "wheel", *options, CLIENT, COMMAND_LINE)
    return {wheel.name.split("-")[0]: wheel for wheel in folder.glob("*.whl")}


@pytest.mark.process
@pytest.mark.parametrize("version", ["3.10", "3.12", "3.13"])
def test_the_wheels_install_alone_and_give_a_token(
    wheels: dict[str, Path], tmp_path: Path, answers: Answers, version: str
):
    """The client with nothing but requests; then the command line beside it."""
    uv("venv", "--quiet", "--python", python_of(version), tmp_path / "alone")
    programs = tmp_path / "alone" / "bin"
    install = ("pip", "install", "--quiet", "--python", programs / "python")
    uv(*install, wheels["token_vault_client"])
    answers.says(ACCESS, 200, token())
    assert run(programs / "python", "-I", "-c", PROGRAM, answers.url) == "secret\n"
    installed = uv("pip", "list", "--python", programs / "python", "--format", "freeze")
    names = {line.split("==")[0] for line in installed.split()}
    assert names == {"token-vault-client", "requests", "urllib3", "idna", "certifi", "charset-normalizer"}
    said = run(programs / "python", "-I", "-c", MISSING).splitlines()
    assert said == [f"this needs {package}: pip install 'token-vault-client[{extra}]'" for package, extra in EXTRAS]

    uv(*install, wheels["token_vault_client"], wheels["token_vault"])
    environ = {"HOME": str(tmp_path), "TOKEN_VAULT_URL": answers.url, "TOKEN_VAULT_TICKET": "tvt_x"}
    assert run(programs / "token-vault", "get", **environ) == "secret\n"
