"""Sphinx's settings for the site. Nothing in a page is loaded from elsewhere, and no script stands inside a page."""

import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
VENDORED = Path(os.environ["DOCS_VENDORED"])

project = "Offline Token Vault"
version = release = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
copyright = ""  # noqa: A001 - Sphinx's name
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinxcontrib.mermaid"]
templates_path: list[str] = []
exclude_patterns = ["figures/*.json"]
suppress_warnings = ["myst.xref_missing_static"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]
myst_links_external_new_tab = False
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 60
autodoc_class_signature = "separated"
autodoc_default_options = {"special-members": "__init__"}
autodoc_member_order = "bysource"
autodoc_typehints = "none"
default_role = "code"
pygments_style = "default"
pygments_dark_style = "github-dark"

html_theme = "furo"
html_title = "Offline Token Vault"
html_static_path = [str(HERE / "static")]
html_css_files = ["site.css"]
html_extra_path = [str(HERE / "extra")]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False
html_theme_options = {"top_of_page_buttons": []}
mermaid_use_local = "vendored/mermaid/mermaid.esm.min.mjs"
mermaid_fullscreen = False
mermaid_dark_theme = "dark"
mermaid_light_theme = "neutral"

_INLINE = re.compile(r"<script(?P<attributes>(?![^>]*\bsrc=)[^>]*)>(?P<code>.*?)</script>", re.DOTALL)


def copy_vendored(app: Any) -> None:
    """Lay what npm has given, and the pages of the API documents, beside the site's own files."""
    static = Path(app.outdir) / "_static"
    shutil.copytree(VENDORED, static / "vendored", dirs_exist_ok=True, ignore=shutil.ignore_patterns("package.txt"))
    shutil.copytree(Path(app.srcdir) / "openapi", Path(app.outdir) / "openapi", dirs_exist_ok=True)


def move_scripts_out(app: Any, error: Exception | None) -> None:
    """Give each script that stands inside a page a file of its own, so that the gateway can forbid such scripts."""
    if error is not None:
        return
    out = Path(app.outdir)
    (out / "_static" / "inline").mkdir(parents=True, exist_ok=True)
    for page in out.rglob("*.html"):
        up = "../" * (len(page.relative_to(out).parts) - 1)

        def outside(match: "re.Match[str]", page: Path = page, up: str = up) -> str:
            code, attributes = match["code"], match["attributes"]
            if "json" in attributes or not code.strip():
                return match[0]
            name = f"{hashlib.sha256(code.encode()).hexdigest()[:16]}.js"
            # A module imports from where it lies itself: beside the page, for which its imports were written.
            place = name if "module" in attributes else f"{up}_static/inline/{name}"
            (page.parent / place).write_text(code, encoding="utf-8")
            return f'<script{attributes} src="{place}"></script>'

        text = page.read_text(encoding="utf-8").replace('role="heading">', 'role="heading" aria-level="2">')  # furo's
        page.write_text(_INLINE.sub(outside, text), encoding="utf-8")


def setup(app: Any) -> None:
    """Sphinx calls this."""
    app.connect("builder-inited", copy_vendored)
    app.connect("build-finished", move_scripts_out)
