"""Fetches what the site serves itself: `vendor.py FOLDER`. The list is vendored.txt; npm packs each package, alone.

A package is fetched once for each version. Its archive must have the listed integrity.
"""

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from fnmatch import fnmatch
from pathlib import Path

LIST = Path(__file__).with_name("vendored.txt")
NPM = Path(__file__).parents[2] / "dev" / "stack" / "npm"


def main(folder: Path) -> None:
    """Lay each package's files into `folder/NAME`, its scope left out."""
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            name, version, integrity, *patterns = line.split()
            fetch(folder / name.rpartition("/")[2], f"{name}@{version}", integrity, patterns)


def fetch(target: Path, package: str, integrity: str, patterns: list[str]) -> None:
    """One package. Raises SystemExit when it cannot be had, or is another one."""
    stamp = target / "package.txt"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == f"{package} {integrity} {patterns}":
        return
    with tempfile.TemporaryDirectory() as place:
        words = [str(NPM), "pack", package, "--json", "--pack-destination", place, "--loglevel", "error"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{package} could not be fetched: {done.stderr.strip()}")
        answer = json.loads(done.stdout)
        (packed,) = answer if isinstance(answer, list) else answer.values()
        archive = Path(place, packed["filename"])
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != integrity:
            raise SystemExit(f"{package} is not the package that {LIST.name} names: its integrity is sha512-{digest}")
        unpack(archive, target, patterns)
    stamp.write_text(f"{package} {integrity} {patterns}", encoding="utf-8")


def unpack(archive: Path, target: Path, patterns: list[str]) -> None:
    """The files of an archive that match a pattern, below `dist`."""
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            inside = member.name.removeprefix("package/")
            if member.isfile() and any(fnmatch(inside, pattern) for pattern in patterns):
                path = target / inside.removeprefix("dist/")
                path.parent.mkdir(parents=True, exist_ok=True)
                content = tar.extractfile(member)
                assert content is not None  # noqa: S101 - it is a file
                path.write_bytes(content.read())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
