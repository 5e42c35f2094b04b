"""What to do on the page, in order: the first thing that a newcomer can follow."""

_RECALL = 'href="#frontiers" id="same-recall"'  # the script puts all arms at the same recall when it is followed
_READ = '<a href="#matched"><b>Read the numbers</b></a> level by level, then <a href="#runs">what it all rests on</a>.'
_OF_ARMS = (
    f"<a {_RECALL}><b>Put all arms at the same recall</b></a> and see what is left of a gain.",
    '<a href="#seesaw"><b>Tilt the plank</b></a>: what each arm pays in precision for its recall, and what F1 makes '
    "of it.",
    _READ,
)
_OF_WEIGHTS = (
    '<a href="#seesaw"><b>Drag the weight</b></a> and watch the plank: recall rises, precision falls, F1 follows the '
    "weaker.",
    f"<a {_RECALL}><b>Put all weights at the same recall</b></a>: what is left is not the threshold's doing.",
    _READ,
)


def steps(weights: bool) -> str:
    """List the steps as items of a list; HTML.

    Args:
        weights: Whether a positive weight is what makes the arms.
    """
    return "\n".join(f"<li>{step}</li>" for step in (_OF_WEIGHTS if weights else _OF_ARMS))
