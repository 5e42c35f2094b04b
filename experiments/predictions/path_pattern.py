"""The pattern of a score map's path, such as `{arm}/{seed}/{image}`, which tells whose map it is and of what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

FIELDS = ("arm", "seed", "mask", "split", "image")
ENDINGS = (".npy", ".npz", ".png", ".tif", ".tiff")  # of files that can be read as score maps
DEFAULT = "{arm}/{seed}/{image}"

_FIELD = re.compile(r"\{([^{}]*)\}")
_ANYTHING = "[^/]+?"
_SEED = "seed="  # before a seed's number, where this project wrote the folder


@dataclass(frozen=True)
class PathPattern:
    """A pattern that can be matched.

    Args:
        text: As the user wrote it.
        fields: The fields in it.
        ending: The ending of the files it means, such as ".npz"; empty for all that can be read.
        exact: Matches paths with whole seeds and known masks.
        loose: Matches any values, to name those that are wrong.
    """

    text: str
    fields: tuple[str, ...]
    ending: str
    exact: re.Pattern[str]
    loose: re.Pattern[str]

    @classmethod
    def of(cls, text: str, masks: Sequence[str] = ()) -> PathPattern:
        """Read a pattern.

        Args:
            text: The pattern.
            masks: Names that `{mask}` may have; none allow any.

        Raises:
            ValueError: It has an unknown field or no `{image}`, or a brace without its partner.

        Example:
            >>> PathPattern.of("{arm}/fold_{seed}/{image}.npz").match("mine/fold_2/a7.npz")
            {'arm': 'mine', 'seed': '2', 'image': 'a7'}
        """
        known = ", ".join(f"{{{name}}}" for name in FIELDS)
        fields = _FIELD.findall(text)
        unknown = [name for name in fields if name not in FIELDS]
        if unknown or re.search(r"[{}]", _FIELD.sub("", text)):
            got = f"the field {{{unknown[0]}}}" if unknown else "a brace without its partner"
            raise ValueError(f"expected fields among {known}, got {got} in {text!r}")
        if "image" not in fields:
            raise ValueError(f"expected {{image}} in it, got {text!r}; fields are {known}")
        ending = next((end for end in ENDINGS if text.lower().endswith(end)), "")
        body = text[: len(text) - len(ending)] if ending else text
        values = {"seed": r"\d+", "mask": "|".join(map(re.escape, masks)) or _ANYTHING}
        return cls(text, tuple(dict.fromkeys(fields)), ending, _compiled(body, values), _compiled(body, {}))

    @property
    def folder(self) -> str:
        """The folders before the first field, such as "best/" of "best/{arm}/{image}": others are left alone."""
        return self.text[: self.text.rfind("/", 0, self.text.index("{")) + 1]

    def match(self, path: str) -> dict[str, str] | None:
        """Return the values of the fields of a path below the folder of predictions; None if it does not match.

        Args:
            path: With `/` between folders.
        """
        stem, dot, ending = path.rpartition(".")
        if f"{dot}{ending}".lower() not in ((self.ending,) if self.ending else ENDINGS):
            return None
        found = self.exact.fullmatch(stem) or self.loose.fullmatch(stem)
        return None if found is None else found.groupdict()


def _compiled(body: str, values: dict[str, str]) -> re.Pattern[str]:
    parts, seen, last = [], set(), 0
    for field in _FIELD.finditer(body):
        name = field[1]
        parts.append(re.escape(body[last : field.start()]))
        last = field.end()
        if name in seen:  # the same value again
            parts.append(f"(?P={name})")
            continue
        seen.add(name)
        parts.append(f"(?:{_SEED})?" if name == "seed" and not body[: field.start()].endswith(_SEED) else "")
        parts.append(f"(?P<{name}>{values.get(name, _ANYTHING)})")
    return re.compile("".join([*parts, re.escape(body[last:])]))
