"""A benchmark with a goal says whether it was met, and so does its exit code."""

import json

import pytest
from typer.testing import CliRunner

from controller.bench import screen
from controller.cli import app


@pytest.mark.parametrize(("again_s", "is_met"), [([0.4, 0.9, 3.0], True), ([0.9, 1.0, 1.1], False)])
def test_a_screen_that_is_back_too_late_is_not_passed_over(
    again_s: list[float], is_met: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "_killed_s", lambda *_: again_s)
    monkeypatch.setattr(screen, "_bare_s", lambda _: 0.2)
    result = CliRunner().invoke(app, ["bench", "screen", "--json"])
    assert json.loads(result.stdout)["goal_met"] is is_met
    assert result.exit_code == (0 if is_met else 1)
