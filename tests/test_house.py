"""The picture of the packages matches today's imports, and drawing refuses a circle."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def house():
    spec = importlib.util.spec_from_file_location("draw_house", ROOT / "docs" / "draw_house.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_picture_is_today_s(house):
    drawn = house.draw(house.read_rooms())
    assert house.PICTURE.read_text() == drawn, "stale: run `python docs/draw_house.py`"


def test_what_a_room_imports_stands_below_it(house):
    rooms = house.read_rooms()
    place = {room.name: index for index, room in enumerate(house.in_order(rooms))}
    assert len(place) > 10
    for room in rooms.values():
        assert all(place[room.name] < place[other] for other in room.imports)


def rooms_of(house, **imports):
    return {name: house.Room(name, "", {"": ["file"]}, set(others)) for name, others in imports.items()}


def test_arrows_that_others_imply_are_left_out(house):
    rooms = rooms_of(house, a=["b", "c"], b=["c"], c=[])
    assert house.arcs(rooms) == [("a", "b"), ("b", "c")]


def test_a_circle_is_named(house):
    with pytest.raises(ValueError, match="a circle of imports: a -> b -> a"):
        house.in_order(rooms_of(house, a=["b"], b=["a"]))
