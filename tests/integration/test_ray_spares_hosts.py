"""Ray of our own ends no host because the machine's memory runs out elsewhere."""

import os
import subprocess
import sys
import tempfile

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

# Ray's own monitor ends an actor within a quarter of a second once the threshold is passed.
LIVES = """
import sys, time
import ray
from actors.ray_host import RayValues, connect, disconnect

connect(RayValues(temp_dir=sys.argv[1]))

@ray.remote(num_cpus=0.001)
class Bystander:
    def ping(self):
        return "alive"

bystander = Bystander.remote()
for _ in range(12):
    print(ray.get(bystander.ping.remote()))
    time.sleep(0.25)
disconnect()
"""


def test_actors_live_on_where_others_have_taken_the_memory() -> None:
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        lived = subprocess.run(
            [sys.executable, "-c", LIVES, folder],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            env={**os.environ, "RAY_memory_usage_threshold": "0.01"},
        )
    assert lived.returncode == 0, lived.stderr
    assert lived.stdout.split() == ["alive"] * 12
