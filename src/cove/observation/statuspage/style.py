"""The style sheet of a page, as it is sent. Imported in this package.

Its hash is the only style that a page's policy allows, so that no style attribute works. Colours
of text have a contrast of 4.5 and more in both schemes (WCAG 2.2, 1.4.3); bars differ in height
as well as in colour.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final

_SOURCE: Final = """
:root {
  color-scheme: light dark;
  --bg: #fff; --fg: #1b1f24; --dim: #59636e; --line: #dfe3e8; --soft: #f6f7f9;
  --ok: #146c3c; --warn: #8a5300; --bad: #b3212a; --info: #1f58b5;
  --ok-bar: #2da160; --warn-bar: #d98a12; --bad-bar: #d6404a; --none-bar: #c3cad2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #111417; --fg: #e7eaee; --dim: #9aa5b1; --line: #2a3037; --soft: #191d22;
    --ok: #56c987; --warn: #e8ac4a; --bad: #ff8087; --info: #82b1ff;
    --ok-bar: #36a869; --warn-bar: #d1912c; --bad-bar: #e2555e; --none-bar: #3a424b;
  }
}
* { box-sizing: border-box; margin: 0; }
body {
  background: var(--bg); color: var(--fg); padding: 2rem 1rem 3rem; overflow-wrap: anywhere;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
header, main, footer { max-width: 46rem; margin: 0 auto; }
h1 { font-size: 1.5rem; line-height: 1.25; letter-spacing: -.01em; }
h2 { font-size: 1.125rem; margin: 2.25rem 0 .75rem; }
h3 { font-size: 1rem; }
ul { list-style: none; padding: 0; }
a { color: inherit; }
time { white-space: nowrap; }
small, .dim, footer { color: var(--dim); font-size: .875rem; }
.all {
  margin: 1.25rem 0 .5rem; padding: .9rem 1rem; border-radius: .6rem; font-weight: 600;
  border: 1px solid var(--line); border-left: .4rem solid currentcolor; background: var(--soft);
}
.list { border: 1px solid var(--line); border-radius: .6rem; }
.list > li { padding: 1rem; border-top: 1px solid var(--line); }
.list > li:first-child { border-top: 0; }
.head { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; }
.state { font-weight: 600; white-space: nowrap; font-size: .9375rem; }
.operational { color: var(--ok); }
.degraded { color: var(--warn); }
.down { color: var(--bad); }
.maintenance { color: var(--info); }
.paused, .unknown { color: var(--dim); }
svg { display: block; width: 100%; height: 2rem; margin: .6rem 0 .25rem; }
path { fill: none; stroke-dasharray: 3 1; }
.g { stroke: var(--ok-bar); stroke-width: 32; }
.f { stroke: var(--warn-bar); stroke-width: 24; }
.b { stroke: var(--bad-bar); stroke-width: 16; }
.n { stroke: var(--none-bar); stroke-width: 6; }
.ends { display: flex; justify-content: space-between; }
dl {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr));
  gap: .25rem 1rem; margin-top: .5rem;
}
dl div { display: flex; gap: .4rem; font-size: .875rem; }
dt { color: var(--dim); }
dd { font-variant-numeric: tabular-nums; }
.routes { margin: .25rem 0 0; padding: .25rem 0 0 .75rem; border-left: 2px solid var(--line); }
.routes li { font-size: .875rem; padding: .1rem 0; }
.routes .state { font-size: .875rem; font-weight: 400; }
.key { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin-top: .6rem; }
.key svg { display: inline-block; width: .5rem; height: .9rem; margin: 0 .4rem 0 0; }
footer { margin-top: 2.5rem; }
"""


def _short(source: str) -> str:
    """Without what browsers do not need; strings and units of the sheet survive it."""
    text = re.sub(r"\s+", " ", source)
    return re.sub(r" ?([{};,>]) ?", r"\1", text).replace(": ", ":").replace(";}", "}").strip()


STYLE: Final = _short(_SOURCE)
HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
