"""The documentation site: every page is in its navigation, links lead within it, nothing is loaded from elsewhere."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
CODE = "`[a](docs/faq.md)` and\n```\n[a](docs/faq.md)\n```\n"


@pytest.fixture(scope="module")
def site():
    spec = importlib.util.spec_from_file_location("make_site", ROOT / "docs" / "make_site.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(site):
    return site.site_pages()


def test_the_navigation_has_every_page_once(site, pages):
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert sorted(site.listed(settings["nav"])) == sorted(pages)


def test_what_pages_link_to_is_on_the_site(site, pages, tmp_path):
    site.write_site(tmp_path / "pages")
    links = 0
    for name, text in pages.items():
        prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", prose):
            if "://" not in target and not target.startswith("#"):
                assert (tmp_path / "pages" / target.partition("#")[0]).is_file(), f"{name}: {target}"
                links += 1
    assert links > 100
    assert not list((tmp_path / "pages").glob("*.py"))


@pytest.mark.parametrize(
    ("text", "folder", "expected"),
    [
        (
            "[a](docs/faq.md#how-many-seeds) ![b](docs/frontier.png)",
            "",
            "[a](faq.md#how-many-seeds) ![b](frontier.png)",
        ),
        ("[a](../README.md), [b](gpu.md), [c](#here)", "docs", "[a](README.md), [b](gpu.md), [c](#here)"),
        ("see the [Makefile](../Makefile)", "docs", "see the Makefile"),
        (
            "`[a](docs/faq.md)` and\n```\n[a](docs/faq.md)\n```\n",
            "",
            "`[a](docs/faq.md)` and\n```\n[a](docs/faq.md)\n```\n",
        ),
    ],
)
def test_links_are_rewritten_outside_code(site, text, folder, expected):
    assert site.rewritten(text, ROOT / folder) == expected


@pytest.mark.parametrize(
    ("text", "loaded"),
    [
        ('<script src="https://a.example/x.js"></script>', ["https://a.example/x.js"]),
        ('<link rel="stylesheet" href="//a.example/x.css">', ["//a.example/x.css"]),
        ("@import 'https://a.example/y.css'; a { background: url(http://b.example/z.png) }", ["https://a.example/y.css",
                                                                                          "http://b.example/z.png"]),
        ('<a href="https://a.example">a</a><link rel="canonical" href="https://a.example/"><img src="x.png">', []),
    ],
)  # fmt: skip
def test_what_a_browser_would_load_is_found(site, text, loaded):
    assert site.loaded_from_elsewhere(text) == loaded


def test_a_site_that_loads_something_or_is_not_there_is_refused(site, tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a built site, got no page"):
        site.check_site(tmp_path)
    (tmp_path / "index.html").write_text('<img src="https://a.example/x.png">')
    assert site.check_site(tmp_path) == ["index.html loads https://a.example/x.png"]


def test_no_page_has_a_diagram_whose_script_is_elsewhere(pages):
    assert not [name for name, text in pages.items() if "```mermaid" in text]
