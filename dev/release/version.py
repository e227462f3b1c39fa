"""The product's version has one source, the file `VERSION`; this tool writes it everywhere else.

`version.py` prints the version. `version.py --check` exits 1 and names each file that says another one. `version.py
1.2.3` sets a new version (Semantic Versioning 2.0.0).
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "VERSION"
NUMBER = r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?"
"""A version, with an optional pre-release part; without build metadata, which no image tag may carry."""
PLACES = (
    ("*/pyproject.toml", rf'(?m)^(version = ")({NUMBER})(")'),
    ("*/*/pyproject.toml", rf'(?m)^(version = ")({NUMBER})(")'),
    ("frontend/package.json", rf'(?m)^(  "version": ")({NUMBER})(")'),
    ("frontend/package-lock.json", rf'(?s)("name": "task-manager-frontend",\s+"version": ")({NUMBER})(")'),
    ("*/Dockerfile", rf"(?m)^(ARG VERSION=)({NUMBER})( )"),
    ("deploy/**/Dockerfile", rf"(?m)^(ARG VERSION=)({NUMBER})( )"),
    ("docker-compose.yml", rf"(\${{VERSION:-)({NUMBER})(}})"),
    ("deploy/kubernetes/**/*.yaml", rf"(image: local/offline-token-vault/[a-z-]+:)({NUMBER})()"),
    ("deploy/kubernetes/**/*.yaml", rf"(newName: \S+/offline-token-vault/[a-z-]+, newTag: )({NUMBER})(}})"),
)
"""Files, and the pattern of a version in them: what stands before, the version, what stands after."""


def stated(root: Path = ROOT) -> Iterator[tuple[Path, str, list[str]]]:
    """Each file that states the version, the pattern, and the versions that it states."""
    for files, pattern in PLACES:
        for path in sorted(root.glob(files)):
            found = [match[2] for match in re.finditer(pattern, path.read_text(encoding="utf-8"))]
            if found:
                yield path, pattern, found


def deviations(version: str, root: Path = ROOT) -> list[str]:
    """One line for each file that states another version."""
    return [
        f"{path.relative_to(root)} says {', '.join(sorted(set(found)))}, VERSION says {version}"
        for path, _, found in stated(root)
        if set(found) != {version}
    ]


def write(version: str, root: Path = ROOT) -> list[Path]:
    """Set the version in all places; the files that were changed."""
    changed = []
    for path, pattern, found in list(stated(root)):
        if set(found) != {version}:
            text = path.read_text(encoding="utf-8")
            path.write_text(re.sub(pattern, rf"\g<1>{version}\g<3>", text), encoding="utf-8")
            changed.append(path)
    (root / SOURCE.name).write_text(f"{version}\n", encoding="utf-8")
    return changed


def main(arguments: list[str]) -> int:
    """Run the tool. Returns the exit code."""
    current = SOURCE.read_text(encoding="utf-8").strip()
    match arguments:
        case []:
            print(current)
        case ["--check"]:
            wrong = deviations(current)
            print(*wrong, sep="\n", end="\n" if wrong else "", file=sys.stderr)
            return 1 if wrong else 0
        case [version] if re.fullmatch(NUMBER, version):
            for path in write(version):
                print(path.relative_to(ROOT))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
