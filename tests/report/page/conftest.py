"""Small studies through the real path: random scores, histograms, run folders, comparison, page."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from experiments.comparison.compare_arms import Comparison
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.frontier.codes import logit_to_code
from experiments.report.example_choice import choose_examples
from experiments.report.page.page import write_page
from experiments.report.study import compare, write_tables
from experiments.runs import store
from experiments.runs.example_scores import ExampleScores
from experiments.runs.study import StudyRuns, load_study

REPORT = OmegaConf.create(
    {"margin": 0.01, "point_margin": 0.05, "level": 0.05, "headline": "ap", "beta": 1.0, "recall_band": [0, 1]}
)
SIDE, IMAGES = 40, 10
EVIL = '</script><script>window.hacked=1</script>"\'&<img src=x onerror="window.hacked=2">'
EVIL_ARM = "loss=<img src=x onerror='window.hacked=3'>&\"<b>"


@dataclass(frozen=True)
class Made:
    """A study on disk with what was made of it."""

    study: StudyRuns
    comparison: Comparison
    page: Path
    report: Path
    masks: tuple[str, ...]


def logits_of(image, arm_place, seed, *, shift, gain, saturated, masks, split):
    """Scores of one image: labels and most of the noise are the world's, some noise is the run's own."""
    world = np.random.default_rng([split, image])
    target = world.random((masks, SIDE, SIDE)) < 0.06
    own = np.random.default_rng([split, image, arm_place, seed])
    noise = world.normal(0, 1, target.shape) + own.normal(0, 0.3, target.shape)
    logits = (2.2 + gain) * target - 2.6 + noise + shift + 0.4 * seed
    # As a Dice-like loss: most scores tie at the two ends, so high recalls cannot be reached.
    logits = np.where(logits < 0.2, -30.0, np.where(logits > 2.0, 30.0, logits)) if saturated else logits
    return logits.astype(np.float32), target


def write_run(folder, *, place, seed, loss, masks, study, **arm):
    splits, kept = {}, []
    for number, split in enumerate(store.SCORED_SPLITS):
        builder = ScoreHistogramBuilder(masks)
        for image in range(IMAGES):
            logits, target = logits_of(image, place, seed, masks=len(masks), split=number, **arm)
            builder.add(f"i{image}", f"i{image}", logits, target)
            if split == "test" and image < 5:
                kept.append((f"i{image}", logits, target))
        splits[split] = builder.build()
    store.write_config(folder, {"seed": seed, "loss": loss, "study": study})
    store.write_scores(folder, splits)
    grey = np.random.default_rng(0).integers(120, 255, (SIDE, SIDE, 1)).astype(np.uint8)
    store.write_examples(
        folder,
        ExampleScores(
            image_ids=tuple(name for name, _, _ in kept),
            windows=((0, 0, SIDE, SIDE),) * len(kept),
            images=(grey,) * len(kept),
            targets=tuple(target for _, _, target in kept),
            valids=(None,) * len(kept),
            codes=tuple(logit_to_code(logits) for _, logits, _ in kept),
        ),
    )
    info: dict[str, Any] = {
        "status": "complete",
        "axes": ["loss"],
        "baseline": study["baseline"],
        "data_fingerprint": {"train": "R", "val": "V", "test": "T"},
        "prevalence": dict.fromkeys(masks, 0.06),
        "images": {"train": 20, "val": IMAGES, "test": IMAGES},
        "versions": {"numpy": np.__version__},
        "device": "cpu",
        "wall_seconds": 1.0 + seed,
    }
    store.write_json(folder / store.RUN_FILE, info)


def make_study(root, arms, *, seeds=3, masks=("thin", "thick"), question="Which loss moves it?"):
    """Write runs, compare them as `experiments.compare` does, and write the page."""
    study = {"name": "small", "question": question, "baseline": next(iter(arms))}
    for place, (name, (loss, settings)) in enumerate(arms.items()):
        for seed in range(seeds):
            kind = {"shift": 0.0, "gain": 0.0, "saturated": False, **settings}
            folder = root / name / f"seed={seed}"
            write_run(folder, place=place, seed=seed, loss=loss, masks=masks, study=study, **kind)
    return finish(root, masks)


def finish(root, masks):
    study = load_study(root)
    comparison = compare(study, REPORT)
    report = root / "report"
    write_tables(report, study, comparison, None)
    page = report / "report.html"
    write_page(page, study, comparison, examples=choose_examples(study))
    return Made(study, comparison, page, report, masks)


@pytest.fixture(scope="session")
def losses(tmp_path_factory):
    """Four arms: baseline, an exact slide, a better one with ties, one whose name tries to break out; a hole."""
    root = tmp_path_factory.mktemp("losses")
    study = {
        "loss=bce": ({"_target_": "losses.WeightedBCELoss", "pos_weight": 1.0}, {}),
        "loss=slid": ({"_target_": "my.Slid"}, {"shift": 2.0}),
        "loss=dice": ({"_target_": "losses.DiceLoss"}, {"gain": 0.8, "saturated": True}),
        EVIL_ARM: ({"_target_": "my.Evil", "note": EVIL}, {"shift": -0.5}),
    }
    made = make_study(root, study, masks=("thin", EVIL), question=f"Which {EVIL}?")
    store.write_json(
        root / "loss=slid" / "seed=2" / store.RUN_FILE,
        {"status": "diverged", "axes": ["loss"], "baseline": "loss=bce", "reason": f"not finite {EVIL}"},
    )
    return finish(root, made.masks)


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A weight study whose folders do not sort by weight, and an arm beside it; one mask, two seeds."""
    root = tmp_path_factory.mktemp("weights")
    arms = {
        f"loss.pos_weight={weight}": (
            {"_target_": "losses.WeightedBCELoss", "pos_weight": weight},
            {"shift": float(np.log(weight))},
        )
        for weight in (1, 42, 5)
    }
    arms["loss=dice"] = ({"_target_": "losses.DiceLoss"}, {"gain": 0.3})
    return make_study(root, arms, seeds=2, masks=("thin",))


@pytest.fixture(scope="session")
def one_seed(tmp_path_factory):
    arms = {
        "loss=bce": ({"_target_": "losses.WeightedBCELoss", "pos_weight": 1.0}, {}),
        "loss=other": ({"_target_": "my.Other"}, {"gain": 0.5}),
    }
    return make_study(tmp_path_factory.mktemp("one"), arms, seeds=1, masks=("thin",))


FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium with an empty profile; skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def opened(browser):
    """Open a page; at the end nothing was said on the console, and nothing was asked for but the file."""
    contexts, said, asked = [], [], []

    def open_page(made, width=1280, **settings):
        context = browser.new_context(viewport={"width": width, "height": 900}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(made.page.as_uri())
        page.wait_for_selector("html.ready")
        page.wait_for_selector("#frontier path.curve")
        page.wait_for_selector("#picture-grid canvas")
        return page

    yield open_page
    for context in contexts:
        context.close()
    # Only the tests read a canvas back.
    assert [text for text in said if "willReadFrequently" not in text] == []
    assert all(url.startswith("file://") and url.endswith("/report.html") for url in asked)
    assert len(asked) == len(contexts)


class Drive:
    """What a reader does, and what they then read."""

    @staticmethod
    def pick(page, container, value):
        page.locator(f"{container} label:has(input[value='{value}'])").click()

    @staticmethod
    def slide(page, selector, value):
        page.locator(selector).evaluate(
            "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", str(value)
        )

    @staticmethod
    def threshold(page, arm, logit):
        """Drag an arm's thumb along the ruler."""
        Drive.slide(page, f"#ruler .lane[data-arm='{arm}'] input", logit)


@pytest.fixture
def drive():
    return Drive
