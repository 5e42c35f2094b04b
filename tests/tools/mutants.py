"""make mutation: change one operator or number of the losses and the statistics at a time; list what no test notices.

    python tests/tools/mutants.py [--only FILE] [--at-most 60]

This process imports the libraries once and forks for every change. The child reads the changed source in place of the
file, which stays as it is, and runs the tests that belong to it.
"""

import argparse
import ast
import copy
import importlib
import importlib.machinery
import os
import random
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SEED = 13
OPTIONS = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:unraisableexception", "--assert=plain"]
LIBRARIES = ("torch", "numba", "scipy.stats", "scipy.optimize", "pandas", "hydra", "PIL.Image", "matplotlib", "sklearn")

# The tests of each file, the fastest first.
TESTS = {
    "losses/_inputs.py": (
        "losses/test_inputs losses/test_combined losses/test_pixelwise losses/test_overlap losses/test_contract"
    ),
    "losses/kernels/by_numba.py": (
        "losses/test_sums losses/test_pixelwise losses/test_overlap losses/test_loss_properties"
    ),
    "losses/kernels/planes.py": (
        "losses/test_sums losses/test_overlap losses/test_loops_in_threads losses/test_contract"
    ),
    "losses/kernels/_loops.py": "losses/test_loops_in_threads losses/test_loss_properties",
    "losses/kernels/autograd.py": "losses/test_sums losses/test_pixelwise losses/test_loss_properties",
    "losses/pixelwise.py": "losses/test_pixelwise losses/test_contract",
    "losses/overlap.py": "losses/test_overlap losses/test_contract",
    "losses/combined.py": "losses/test_combined losses/test_contract",
    "experiments/frontier/codes.py": "frontier/test_codes frontier/test_score_properties",
    "experiments/frontier/histogram.py": (
        "frontier/test_histogram frontier/test_large_pools frontier/test_score_properties"
    ),
    "experiments/frontier/curve.py": "frontier/test_curve frontier/test_score_properties",
    "experiments/frontier/operating_point.py": "frontier/test_operating_point frontier/test_score_properties",
    "experiments/inference/above_chance.py": "inference/test_above_chance comparison/test_untrained_verdicts",
    "experiments/inference/behrens_fisher.py": "inference/test_behrens_fisher",
    "experiments/inference/paired_difference.py": (
        "inference/test_paired_difference inference/test_statistics_properties"
    ),
    "experiments/inference/simultaneous_band.py": (
        "inference/test_simultaneous_band inference/test_statistics_properties"
    ),
    "experiments/inference/claims.py": "inference/test_verdict inference/test_statistics_properties",
    "experiments/inference/verdict.py": "inference/test_verdict inference/test_statistics_properties",
    "experiments/inference/multiplicity.py": "inference/test_multiplicity",
}

# An operator, and what may stand in its place.
OPERATORS = {
    first: others.split()
    for first, others in {
        "Lt": "LtE GtE", "LtE": "Lt Gt", "Gt": "GtE LtE", "GtE": "Gt Lt", "Eq": "NotEq", "NotEq": "Eq", "Is": "IsNot",
        "IsNot": "Is", "In": "NotIn", "NotIn": "In", "And": "Or", "Or": "And", "Add": "Sub", "Sub": "Add",
        "Mult": "Div", "Div": "Mult", "Pow": "Mult", "FloorDiv": "Mult", "Mod": "Mult", "BitAnd": "BitOr",
        "BitOr": "BitAnd", "LShift": "RShift", "RShift": "LShift", "Break": "Continue", "Continue": "Break",
    }.items()
}  # fmt: skip
NAMES = {"max": "min", "maximum": "minimum", "amax": "amin", "any": "all", "nanmax": "nanmin", "argmax": "argmin"}
NAMES |= {other: name for name, other in NAMES.items()}


def changes(node: ast.AST) -> list[ast.AST]:
    """Everything that may stand in place of a node."""
    if type(node).__name__ in OPERATORS:
        return [getattr(ast, other)() for other in OPERATORS[type(node).__name__]]
    match node:
        case ast.Constant(value=bool(value)):
            return [ast.Constant(not value)]
        case ast.Constant(value=int(value) | float(value)):
            return [ast.Constant(value + 1)]
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            return [operand]
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) if not isinstance(test, ast.Compare):
            other = copy.copy(node)
            other.test = ast.UnaryOp(ast.Not(), test)
            return [other]
        case ast.Name(id=name) if name in NAMES:
            return [ast.Name(NAMES[name], node.ctx)]
        case ast.Attribute(attr=name) if name in NAMES:
            return [ast.Attribute(node.value, NAMES[name], node.ctx)]
    return []


def places(node: ast.AST, line: int = 0) -> Iterator[tuple[ast.AST, str, int | None, int]]:
    """Parent, field, index in the field and line of every node that is neither annotation, decorator nor text."""
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "decorator_list"} or isinstance(node, ast.JoinedStr):
            continue
        if isinstance(node, ast.keyword) and node.arg == "strict":  # lengths that differ are a fault, not a case
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                here = getattr(child, "lineno", line)
                yield node, field, index, here
                yield from places(child, here)


def mutants(source: str) -> Iterator[tuple[int, str, ast.Module]]:
    """Line, the changed statement and the changed module, one for each change."""
    for place, (parent, field, index, _) in enumerate(places(ast.parse(source))):
        node = getattr(parent, field) if index is None else getattr(parent, field)[index]
        for choice in range(len(changes(node))):
            tree = ast.parse(source)
            parent, field, index, line = list(places(tree))[place]
            node = getattr(parent, field) if index is None else getattr(parent, field)[index]
            told = node if isinstance(node, ast.If | ast.While) else parent
            other, before = changes(node)[choice], _first_line(told)
            if index is None:
                setattr(parent, field, other)
            else:
                getattr(parent, field)[index] = other
            after = _first_line(other if told is node else parent)
            yield line, f"{before}  ->  {after}", ast.fix_missing_locations(tree)


def _first_line(node: ast.AST) -> str:
    return ast.unparse(node).strip().split("\n")[0]


def run_tests(path: Path, tree: ast.Module | None, tests: list[str], seconds: float) -> bool:
    """Run the tests in a child that sees `tree` in place of `path`; True if they pass within `seconds` of CPU time."""
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
        signal.alarm(int(20 * seconds))
        if tree is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(1, 2)
        read = importlib.machinery.SourceFileLoader.get_code

        def get_code(loader, name):
            changed = tree is not None and Path(loader.path) == path
            return compile(tree, str(path), "exec", dont_inherit=True) if changed else read(loader, name)

        importlib.machinery.SourceFileLoader.get_code = get_code
        import numba
        import pytest

        options = OPTIONS
        if path.name == "_loops.py":  # as plain Python: compiling each change would take a minute
            numba.config.DISABLE_JIT = True
            options = [*OPTIONS, "-W", "ignore::RuntimeWarning"]
        try:
            os._exit(int(pytest.main([*options, *tests])))
        finally:
            os._exit(3)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def main() -> None:
    """Try the changes of every file and print those that no test noticed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=TESTS, metavar="FILE", help="one file, as the table of this script names it")
    parser.add_argument("--at-most", type=int, default=1000, help="changes of a file, drawn with a fixed seed")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for name in LIBRARIES:
        importlib.import_module(name)
    for name in [arguments.only] if arguments.only else TESTS:
        path, tests = ROOT / name, [f"tests/{test}.py" for test in TESTS[name].split()]
        used = cpu_seconds()
        if not run_tests(path, None, tests, 600):
            sys.exit(f"{name}: its tests fail before anything is changed")
        limit = 10 + 3 * (cpu_seconds() - used)
        every = list(mutants(path.read_text()))
        chosen = sorted(random.Random(SEED).sample(range(len(every)), min(arguments.at_most, len(every))))
        survived = 0
        for line, text, tree in [every[i] for i in chosen]:
            if run_tests(path, tree, tests, limit):
                survived += 1
                print(f"  {name}:{line}: {text}", flush=True)
        print(f"{name}: {survived} of {len(chosen)} changes survived, of {len(every)}", flush=True)


def cpu_seconds() -> float:
    """CPU time of the children that ended."""
    times = resource.getrusage(resource.RUSAGE_CHILDREN)
    return times.ru_utime + times.ru_stime


if __name__ == "__main__":
    main()
