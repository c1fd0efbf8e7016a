"""What a headless run comes to: the figures, and whether everything adds up."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from controller.demo.figures import sums_by_currency
from controller.demo.plan import CHAIN_ID
from controller.demo.run import RunningDemo
