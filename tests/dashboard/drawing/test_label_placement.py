"""Labels on the map: readable or absent."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from dashboard.drawing.label_placement import Box, Label, place_labels

FRAME = Box(0, 0, 440, 286)
labels = st.lists(
    st.builds(Label, st.floats(0, 440), st.floats(0, 286), st.floats(8, 120), st.integers(0, 2)),
    max_size=25,
)


@given(labels)
def test_no_label_covers_another_or_leaves_the_frame(given_labels: list[Label]) -> None:
    boxes = [box for box in place_labels(given_labels, FRAME) if box is not None]

    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(box.lies_in(FRAME) for box in boxes)


@given(labels)
def test_no_label_covers_a_point(given_labels: list[Label]) -> None:
    boxes = [box for box in place_labels(given_labels, FRAME) if box is not None]
    points = [Box(label.x - 1, label.y - 1, label.x + 1, label.y + 1) for label in given_labels]

    assert not any(box.overlaps(point) for box in boxes for point in points)


def test_where_there_is_room_every_label_stands_beside_its_point() -> None:
    apart = [Label(100, 100, 40), Label(300, 100, 40), Label(200, 200, 40)]

    for label, box in zip(apart, place_labels(apart, FRAME), strict=True):
        assert box is not None
        assert abs((box.left + box.right) / 2 - label.x) < 40
        assert abs((box.top + box.bottom) / 2 - label.y) < 30


def test_the_first_rank_gets_the_place_when_there_is_one() -> None:
    narrow = Box(0, 0, 60, 40)
    crowded = [Label(30, 30, 50, rank=2), Label(30, 30, 50, rank=0)]

    second, first = place_labels(crowded, narrow)

    assert first is not None
    assert second is None
