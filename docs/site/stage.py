"""Lays out the site's sources: `stage.py FOLDER`. With `--check` it only looks for broken links and orphans.

The pages of docs/ are written for a reader of the repository. On the site, PAGES join them, links between pages stay
links, and links to files that the site does not have become plain text. A link is checked with its heading.
"""

import re
import shutil
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from posixpath import normpath, relpath

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(__file__).parent
PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "deploy/kubernetes/README.md": "kubernetes.md",
    "dev/idp/README.md": "development-server.md",
    "docs/site/index.md": "index.md",
    "docs/site/api-documents.md": "api-documents.md",
}
"""Pages from elsewhere in the repository, and their names on the site."""
IGNORED = {".venv", "node_modules", ".local", ".cache", "artifacts", "vectors", "dist"}
ONLY_HERE = ("README.md",)
"""Links to these pages lead to the site's first page."""
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^(```+|~~~+).*?^\1\s*$", re.MULTILINE | re.DOTALL)


def pages() -> dict[str, str]:
    """Every page of the site: its path in the repository, and its name on the site."""
    own = [path for path in (ROOT / "docs").rglob("*.md") if SITE not in path.parents]
    return {str(path.relative_to(ROOT)): str(path.relative_to(ROOT / "docs")) for path in own} | PAGES


def checked() -> list[Path]:
    """All Markdown files of the repository that people wrote."""
    return [path for path in sorted(ROOT.rglob("*.md")) if not IGNORED & set(path.relative_to(ROOT).parts)]


def links(path: Path) -> Iterator[tuple[str, str]]:
    """The links of a page that stay in the repository: the path from its root (or the page's own), and the heading."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    for _, _, target in LINK.findall(text):
        if not re.match(r"[a-z]+:", target):
            file, _, heading = target.partition("#")
            here = path.relative_to(ROOT)
            yield (normpath(str(here.parent / file)) if file else str(here)), heading


def headings(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+?)\s*#*$", text, re.MULTILINE)
    plain = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", title).lower() for title in titles)
    return {re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in plain}


def faults() -> list[str]:
    """Links that lead nowhere, and pages to which no table of contents leads."""
    found = []
    for path in checked():
        for target, heading in links(path):
            file = ROOT / target
            if not file.exists():
                found.append(f"{path.relative_to(ROOT)}: no {target}")
            elif heading and file.suffix == ".md" and heading not in headings(file):
                found.append(f"{path.relative_to(ROOT)}: {target} has no heading #{heading}")
    listed = {"index.md", *listed_pages()}
    return found + [f"{page}: in no table of contents of docs/site/index.md" for page in set(pages().values()) - listed]


def listed_pages() -> set[str]:
    """The pages in the site's tables of contents."""
    names = (SITE / "index.md", ROOT / "docs" / "adr" / "index.md")
    found = set()
    for path in names:
        prefix = "adr/" if path.parent.name == "adr" else ""
        for table in TOCTREE.findall(path.read_text(encoding="utf-8")):
            entries = [line.strip() for line in table.splitlines() if line.strip() and not line.startswith(":")]
            patterns = [f"{prefix}{entry}.md" for entry in entries]
            found |= {name for name in pages().values() if any(fnmatch(name, pattern) for pattern in patterns)}
    return found


def for_the_site(source: str, text: str, known: dict[str, str]) -> str:
    """A page's text with links as the site has them. source: its path in the repository."""
    name = known[source]

    def link(match: "re.Match[str]") -> str:
        mark, label, target = match.groups()
        file, hash_mark, heading = target.partition("#")
        if not file or re.match(r"[a-z]+:", target):
            return match[0]
        path = normpath(str(Path(source).parent / file))
        if path in ONLY_HERE:
            path, hash_mark, heading = "docs/site/index.md", "", ""
        if path in known or path.startswith(("docs/images/", "docs/openapi/")):
            place = known.get(path) or path.removeprefix("docs/")
            there = relpath(place, str(Path(name).parent))
            return f"{mark}[{label}]({there}{hash_mark}{heading})"
        if path == "docs/adr":
            return f"[{label}]({relpath('adr/index.md', str(Path(name).parent))})"
        return f"{label} (`{path}`)" if label.strip("`") != path else label

    written, end = [], 0
    for fence in FENCE.finditer(text):
        written += [LINK.sub(link, text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*written, LINK.sub(link, text[end:])])


def lay_out(folder: Path) -> None:
    """Write the site's sources."""
    shutil.rmtree(folder, ignore_errors=True)
    known = pages()
    for source, name in known.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        text = (ROOT / source).read_text(encoding="utf-8")
        target.write_text(for_the_site(source, text, known), encoding="utf-8")
    for kind in ("images", "openapi", "figures"):
        shutil.copytree(ROOT / "docs" / kind, folder / kind)


def main(arguments: list[str]) -> int:
    """Returns the exit status."""
    found = faults()
    if found:
        sys.stderr.write("\n".join(found) + "\n")
        return 1
    if "--check" not in arguments:
        lay_out(Path(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
