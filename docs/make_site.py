"""Put the pages of the documentation site into one folder, from which `make site` builds it.

    python docs/make_site.py            # before the site is built
    python docs/make_site.py --check    # after it: nothing is loaded from elsewhere
    python docs/make_site.py --needs    # what builds it

Pages of docs/ and of the root come to lie beside each other, so links between them are rewritten. Links to other files
of the repository become their names, because the site does not have those files.
"""

from __future__ import annotations

import re
import shutil
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
OF_ROOT = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")

_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_CODE = re.compile(r"(^```.*?^```|`[^`\n]*`)", flags=re.M | re.S)


def site_pages() -> dict[str, str]:
    """Return the text of every page by its name."""
    sources = [*(ROOT / name for name in OF_ROOT), *sorted(DOCS.glob("*.md"))]
    return {path.name: rewritten(path.read_text(), path.parent) for path in sources}


def rewritten(text: str, folder: Path) -> str:
    """Point the links of a page that lies in a folder of the repository at the pages of the site."""

    def link(found: re.Match[str]) -> str:
        mark, words, target = found.groups()
        name, _, anchor = target.partition("#")
        if "://" in target or not name:
            return found[0]
        path = (folder / name).resolve()
        on_site = path.name if path.parent == ROOT and path.name in OF_ROOT else ""
        if path.is_relative_to(DOCS):
            on_site = path.relative_to(DOCS).as_posix()
        return f"{mark}[{words}]({on_site}{'#' + anchor if anchor else ''})" if on_site else words

    parts = _CODE.split(text)
    return "".join(part if place % 2 else _LINK.sub(link, part) for place, part in enumerate(parts))


def listed(nav: object) -> list[str]:
    """List the pages of a navigation, in order."""
    if isinstance(nav, str):
        return [nav]
    items = nav.values() if isinstance(nav, dict) else nav
    return [page for item in items for page in listed(item)]  # type: ignore[attr-defined]


def write_site(folder: Path) -> None:
    """Write the pages, and all other files of docs/ that they show, into a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    keep = shutil.ignore_patterns("*.md", "*.py", "__pycache__")
    shutil.copytree(DOCS, folder, ignore=keep)
    for name, text in site_pages().items():
        (folder / name).write_text(text)


_LOADED = re.compile(r"""<(?:script|img|iframe|link)\b[^>]*?(?:src|href)\s*=\s*["']?((?:https?:)?//[^"'\s>]+)""", re.I)
_IN_STYLES = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""", re.I)
_ONLY_NAMED = re.compile(r"""<link\b[^>]*\brel\s*=\s*["']?(?:canonical|prev|next)\b[^>]*>""", re.I)


def loaded_from_elsewhere(text: str) -> list[str]:
    """List the addresses outside the site that a browser would load for a page or a style sheet."""
    return [*_LOADED.findall(_ONLY_NAMED.sub("", text)), *_IN_STYLES.findall(text)]


def check_site(folder: Path) -> list[str]:
    """List what the built pages load from elsewhere.

    Raises:
        FileNotFoundError: There is no built page.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in (".html", ".css")]
    if not any(path.suffix == ".html" for path in files):
        raise FileNotFoundError(f"{folder}: expected a built site, got no page; run `make site`")
    return [
        f"{path.relative_to(folder)} loads {address}"
        for path in files
        for address in loaded_from_elsewhere(path.read_text())
    ]


if __name__ == "__main__":
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    if sys.argv[1:] == ["--needs"]:
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        print(" ".join(extras["docs"]))
        sys.exit()
    if sys.argv[1:] == ["--check"]:
        sys.exit("\n".join(check_site(ROOT / settings["site_dir"])) or 0)
    write_site(ROOT / settings["docs_dir"])
    print(f"{settings['docs_dir']}: {len(site_pages())} pages")
