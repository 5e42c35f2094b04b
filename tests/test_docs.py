"""The files, links and commands in the documentation exist in a fresh clone."""

import re
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = (".md", ".py", ".yaml", ".toml", ".js", ".css", ".ipynb")
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]


def anchors(page):
    """Name the places that links lead to, as repository pages make them from headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    titles = re.findall(r"^#+ (.+)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text()
    for page in (ROOT / "docs").iterdir():
        if page.suffix in (".md", ".ipynb") and page.name != "index.md":
            assert f"({page.name})" in index, page.name


def test_files_that_pages_name_are_there():
    """Paths in backticks that begin with a folder of the repository, one of a package's own, or a pattern."""
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")} - {"outputs"}
    packages = {path.name for path in (ROOT / "experiments").iterdir() if path.is_dir()}
    for page in PAGES:
        for name in re.findall(r"`([\w./-]+\.(?:py|yaml|md|txt|ipynb|toml)|[\w./-]+/)`", page.read_text()):
            first = name.split("/")[0]
            if first in folders and "/" in name:
                assert (ROOT / name).exists(), f"{page.name}: {name}"
            elif first in packages and "/" in name:
                assert (ROOT / "experiments" / name).exists(), f"{page.name}: {name}"


def test_both_names_of_every_command_are_listed():
    index = (ROOT / "docs" / "index.md").read_text()
    for short, place in SCRIPTS.items():
        module, function = place.split(":")
        assert callable(getattr(import_module(module), function))
        assert f"| `python -m {module}` | `{short}` |" in index
    commands = {path.stem for path in (ROOT / "experiments").glob("*.py") if "__main__" in path.read_text()}
    assert {place.split(":")[0] for place in SCRIPTS.values()} == {f"experiments.{name}" for name in commands}


def test_a_commit_runs_what_make_check_runs():
    goals = re.search(r"^check: (.+)$", (ROOT / "Makefile").read_text(), flags=re.M)[1].split()
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == [f"make {goal}" for goal in goals]


def test_no_file_cites_what_a_clone_lacks():
    """No notes of the authors, and no folders outside the clone; only the tests of data look for real images there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a clone: git lists no files")
    lacking = re.compile(r"\b(DESIGN|STYLE|BRIEF)(\.md| [0-9])|\.\./shared|\bissue #?[0-9]")
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if path.suffix in TEXTS and not name.startswith("tests/data/"):
            found = lacking.search(path.read_text())
            assert path == Path(__file__) or not found, f"{name}: {found[0]}"
