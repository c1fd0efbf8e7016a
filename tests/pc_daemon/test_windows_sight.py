"""What counts as a hidden cover on Windows, from what was seen at each point."""

import pytest

from pc_daemon.cover_sight import Placed, Seen
from pc_daemon.monitors import Monitor
from pc_daemon.windows_sight import POINTS, judged, points_of

LEFT = Monitor(-1920, 0, 1920, 1080)
RIGHT = Monitor(0, -200, 1280, 1024)
STRANGER = 7


@pytest.mark.parametrize("area", [LEFT, RIGHT])
def test_the_whole_of_a_monitor_is_looked_at_and_nothing_beside_it(area: Monitor) -> None:
    points = points_of(area)
    assert len(set(points)) == POINTS**2
    assert all(area.left <= x < area.left + area.width for x, _ in points)
    assert all(area.top <= y < area.top + area.height for _, y in points)
    assert max(x for x, _ in points) - min(x for x, _ in points) > area.width * 0.8
    assert max(y for _, y in points) - min(y for _, y in points) > area.height * 0.8


@pytest.mark.parametrize(("points", "above"), [(0, ()), (9, ()), (10, (STRANGER,))])
def test_more_than_a_quarter_of_a_cover_is_an_alarm(points: int, above: tuple[int, ...]) -> None:
    covers = [Placed(LEFT, 1)]
    assert judged(covers, [STRANGER] * points, missing=False) == Seen(above=above)


def test_a_cover_that_is_gone_is_told_whoever_is_above() -> None:
    assert judged([Placed(LEFT, 1)], [], missing=True).missing
