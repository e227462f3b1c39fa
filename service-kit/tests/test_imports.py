"""python-jose is used in one place."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
ALLOWED = {Path("service-kit/src/service_kit/tokens/jwt.py"), Path("service-kit/src/service_kit/tokens/issuer.py")}


def imports_jose(source: Path) -> bool:
    """True when a file imports python-jose: at its top or anywhere inside, by statement or by name."""
    for node in ast.walk(ast.parse(source.read_bytes())):
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
    folders = ("service-kit", "vault-service", "task-service", "dev", "deploy", "tests-integration")
    sources = [source for folder in folders for source in (ROOT / folder).rglob("*.py")]
    own = [source for source in sources if not {".venv", "node_modules"} & set(source.parts)]
    assert len(own) > 50
    assert {source.relative_to(ROOT) for source in own if imports_jose(source)} == ALLOWED
