"""python-jose is used in one place."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ALLOWED = {Path("service-kit/src/service_kit/tokens/jwt.py"), Path("service-kit/src/service_kit/tokens/issuer.py")}
FOLDERS = ("service-kit", "vault-service", "task-service", "dev", "deploy", "tests-integration")


def sources() -> Iterator[Path]:
    """Our Python files, without those that were installed beside them."""
    for name in FOLDERS:
        for folder, folders, files in os.walk(ROOT / name):
            folders[:] = [each for each in folders if each not in {".venv", "node_modules"}]
            yield from (Path(folder, file) for file in files if file.endswith(".py"))


def imports_jose(source: Path) -> bool:
    """True when a file imports python-jose: at its top or anywhere inside, by statement or by name."""
    text = source.read_bytes()
    if b"jose" not in text:  # most files need not be parsed
        return False
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names) if any(name.name.split(".")[0] == "jose" for name in names):
                return True
            case ast.ImportFrom(module=str(module), level=0) if module.split(".")[0] == "jose":
                return True
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name)), *_]):
                if name.split(".")[0] == "jose":
                    return True
    return False


def test_python_jose_is_imported_where_tokens_and_keys_are_read_and_nowhere_else() -> None:
    """The rules for its safe use are in one place."""
    own = list(sources())
    assert len(own) > 50
    assert {source.relative_to(ROOT) for source in own if imports_jose(source)} == ALLOWED
