"""Controller and API as services start them: by `clubctl` alone, with no word about Ray."""

import os
from pathlib import Path

import pytest
from stack_under_test import running_stack, until

from controller.demo.processes import answers

pytestmark = [pytest.mark.integration, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(180)]


async def test_the_api_reaches_the_hosts_of_a_controller_with_another_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray would keep its key in the home of whoever starts it, which a service may not have."""
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/nonexistent")
    async with running_stack(tmp_path / "state", fleet=False) as stack:
        session_id = await stack.play("p0", "north-main-0")
        assert session_id.startswith("ses-")
        await stack.processes.restart(stack.processes.api)
        ready = f"{stack.processes.shape.hall_url}/readyz"
        await until(lambda: answers(ready), within_s=60, what="the API is ready")
        ended = await stack.post(f"/sessions/{session_id}/end", {})
        assert ended["status"] == "ENDED"
