"""Draws the picture of the whole system, docs/images/overview-light.svg and overview-dark.svg: `make docs`.

A box is a place in the picture with a name and lines of text; an arrow is a path through points with a label. Both are
drawn in the colours of a scheme.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

TOP, WIDTH, HEIGHT = 32, 1000, 640
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
NAME = 'font-size="16" font-weight="600" text-anchor="middle"'
SMALL = 'font-size="13" text-anchor="middle"'
TITLE = "The whole system: who holds the offline token, and who gets access tokens"
DESCRIPTION = (
    "A person signs in on the page and grants access once at the authorization server. The vault keeps the offline "
    "token, encrypted. Four kinds of holders ask the vault for access tokens, none of which can make another grant: "
    "workers of the task service, your own services, notebooks by their hub, and places with a ticket. They call APIs "
    "for the person."
)
LIGHT = {
    "paper": "#ffffff",
    "box": "#f6f8fa",
    "edge": "#57606a",
    "vault": "#ddf4ff",
    "vault-edge": "#0969da",
    "holder": "#dafbe1",
    "holder-edge": "#1a7f37",
    "text": "#1f2328",
    "small": "#57606a",
    "secret": "#0969da",
    "token": "#1a7f37",
}
DARK = {
    "paper": "#0d1117",
    "box": "#161b22",
    "edge": "#9198a1",
    "vault": "#0c2d4d",
    "vault-edge": "#4493f8",
    "holder": "#12261e",
    "holder-edge": "#3fb950",
    "text": "#f0f6fc",
    "small": "#b1bac4",
    "secret": "#79b8ff",
    "token": "#56d364",
}


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with a name and lines below it. x, y: its upper left corner; kind: `box`, `vault` or `holder`."""

    x: int
    y: int
    width: int
    height: int
    name: str
    lines: Sequence[str] = ()
    kind: str = "box"


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line through points with a tip at its end. at: where its label begins; kind: `edge`, `secret` or `token`."""

    path: str
    label: str
    at: tuple[int, int]
    kind: str = "edge"


BOXES = (
    Box(30, 60, 160, 84, "You", ("in a browser,", "or in a shell")),
    Box(290, 60, 190, 84, "Gateway and page", ("tasks, access, audit,", "this documentation")),
    Box(720, 60, 250, 84, "Authorization servers", ("Keycloak, Entra ID, Okta, …", "sign-in and consent")),
    Box(290, 230, 190, 96, "Task service", ("stores ids, never a token", "schedules, attempts")),
    Box(
        600,
        220,
        370,
        116,
        "Vault",
        ("keeps offline tokens, encrypted", "uses each refresh token once", "records each use"),
        "vault",
    ),
    Box(
        30,
        440,
        205,
        110,
        "Workers",
        ("run the attempts of tasks", "a ticket for each,", "which ends with it"),
        "holder",
    ),
    Box(265, 440, 205, 110, "Your services", ("client secret or key", "an id for each person"), "holder"),
    Box(
        500,
        440,
        220,
        110,
        "Notebooks",
        ("JupyterHub's service asks", "kernels hold a hub token", "and no secret"),
        "holder",
    ),
    Box(
        750,
        440,
        220,
        110,
        "Ticket holders",
        ("cron, batch node, sidecar, agent", "a ticket is good for", "one grant"),
        "holder",
    ),
    Box(265, 600, 470, 44, "APIs that know the person"),
)
ARROWS = (
    Arrow("M190 102 H290", "signs in", (206, 92)),
    Arrow("M480 84 H720", "grants access, once", (530, 74)),
    Arrow("M385 144 V230", "", (0, 0)),
    Arrow("M480 122 H670 V220", "asks for consent, revokes", (494, 140)),
    Arrow("M800 144 V220", "offline token", (706, 190), "secret"),
    Arrow("M900 220 V144", "refresh", (910, 190), "secret"),
    Arrow("M290 278 H132 V440", "attempts", (142, 300)),
    Arrow("M480 278 H600", "tickets", (516, 268)),
    Arrow("M640 336 V388 M180 388 H860", "", (0, 0), "plain"),
    Arrow("M180 388 V440", "", (0, 0), "token"),
    Arrow("M368 388 V440", "", (0, 0), "token"),
    Arrow("M610 388 V440", "", (0, 0), "token"),
    Arrow("M860 388 V440", "access tokens, for minutes", (660, 378), "token"),
    Arrow("M132 550 V622 H265", "call for the person", (142, 580)),
    Arrow("M368 550 V600", "", (0, 0)),
    Arrow("M610 550 V600", "", (0, 0)),
    Arrow("M860 550 V622 H735", "", (0, 0)),
)


def draw(colours: Mapping[str, str]) -> str:
    """The picture in the colours of a scheme, as SVG."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {TOP} {WIDTH} {HEIGHT}" role="img"',
        f'     aria-labelledby="title description" font-family="{FONT}" font-size="14">',
        f'  <title id="title">{escape(TITLE)}</title>',
        f'  <desc id="description">{escape(DESCRIPTION)}</desc>',
        "  <defs>",
        *(_tip(kind, colours[kind]) for kind in ("edge", "secret", "token")),
        "  </defs>",
        f'  <rect y="{TOP}" width="{WIDTH}" height="{HEIGHT}" rx="12" fill="{colours["paper"]}"/>',
        *(line for arrow in ARROWS for line in _arrow(arrow, colours)),
        *(line for box in BOXES for line in _box(box, colours)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _tip(kind: str, colour: str) -> str:
    size = 'viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto"'
    return f'    <marker id="{kind}" {size}><path d="M0 0 L10 5 L0 10 z" fill="{colour}"/></marker>'


def _arrow(arrow: Arrow, colours: Mapping[str, str]) -> list[str]:
    colour = colours["token" if arrow.kind == "plain" else arrow.kind]
    tip = "" if arrow.kind == "plain" else f' marker-end="url(#{arrow.kind})"'
    lines = [f'  <path d="{arrow.path}" fill="none" stroke="{colour}" stroke-width="1.75"{tip}/>']
    if arrow.label:
        x, y = arrow.at
        shade = colours["small"] if arrow.kind == "edge" else colour
        lines.append(f'  <text x="{x}" y="{y}" fill="{shade}" font-size="13">{escape(arrow.label)}</text>')
    return lines


def _box(box: Box, colours: Mapping[str, str]) -> list[str]:
    edge = colours["edge" if box.kind == "box" else f"{box.kind}-edge"]
    place = f'x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="10"'
    middle = box.x + box.width // 2
    first = box.y + 28
    small = [
        f'  <text x="{middle}" y="{first + 22 * number}" fill="{colours["small"]}" {SMALL}>{escape(text)}</text>'
        for number, text in enumerate(box.lines, start=1)
    ]
    return [
        f'  <rect {place} fill="{colours[box.kind]}" stroke="{edge}" stroke-width="1.5"/>',
        f'  <text x="{middle}" y="{first}" fill="{colours["text"]}" {NAME}>{escape(box.name)}</text>',
        *small,
    ]
