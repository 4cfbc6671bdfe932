"""The browser's modules as one script: a component and a saved page are each a single file.

The modules under `app/stage/js` and `app/board` are ordinary ES modules that import each other by name. `linked` packs
those that an entry needs. In the browser each becomes a module of its own again: there is no build step, nothing is
fetched, and no cache can mix the modules of two versions.
"""

from __future__ import annotations

import json
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

_IMPORT = re.compile(r'^import (?:\{[^}]*\} from )?"(\.[\w./-]+)";$', re.MULTILINE)

#: Runs in the browser: gives every module an address and puts it into the modules that import it.
_LINKER = r"""
const addresses = new Map();
for (const [name, text] of SOURCES) {
  const address = (_, start, path) => `${start}"${addresses.get(path.split("/").pop())}";`;
  const linked = text.replace(/^(import (?:\{[^}]*\} from )?)"(\.[\w./-]+)";$/gm, address);
  const script = new Blob([linked, `\n//# sourceURL=diffpose/${name}\n`], { type: "text/javascript" });
  addresses.set(name, URL.createObjectURL(script));
}
const { default: entry } = await import(addresses.get(ENTRY));
"""


def needed_by(entry: Path) -> list[Path]:
    """The modules that an entry imports, directly or not, each behind what it imports itself; the entry comes last.

    Raises:
        graphlib.CycleError: two modules import each other.
    """
    graph: dict[Path, list[Path]] = {}
    waiting = [entry.resolve()]
    while waiting:
        path = waiting.pop()
        if path not in graph:
            text = path.read_text(encoding="utf-8")
            graph[path] = [(path.parent / other).resolve() for other in _IMPORT.findall(text)]
            waiting += graph[path]
    return list(TopologicalSorter(graph).static_order())


@cache
def linked(entry: Path) -> str:
    """JavaScript that defines `entry`, the default export of a module, with all that it imports."""
    paths = needed_by(entry)
    sources = json.dumps([[path.name, path.read_text(encoding="utf-8")] for path in paths])
    return f"const SOURCES = {sources};\nconst ENTRY = {json.dumps(paths[-1].name)};\n{_LINKER}"


def component_script(entry: Path) -> str:
    """The same as the script of a Streamlit component."""
    return linked(entry) + "export default entry;\n"
