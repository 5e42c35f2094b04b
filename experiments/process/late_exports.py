"""Names that a package exports and imports only when they are used, as pandas, scipy and pyplot take a second each."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def late_exports(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a `__getattr__` for a package's `__init__`.

    Args:
        package: Its name.
        modules: Exported name -> full name of the module that defines it.

    Example:
        >>> late_exports("shapes", {"sqrt": "math"})("sqrt")(9.0)
        3.0
    """

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(modules[name]), name)

    return get
