"""The page has a word for every code it may be handed, and every word it asks for."""

import re
from pathlib import Path

import pytest

from actors.command_outcome import NO_ANSWER
from actors.pc_actor import BEHIND, CLONED
from billing_core.outage import JournalFact, LinkFact, Verdict
from controller.web import rendering
from controller.web.labels import labels
from schemas.device import AgentFault, CommandOutcome, DeviceCommandKind
from schemas.enrolment import WaitingReason
from schemas.views import LinkState, UseState

WORDS = labels("en")
SCRIPTS = sorted((Path(rendering.__file__).parent / "static").glob("*.js"))
ASKED = re.compile(r'word\(\s*"(\w+)",\s*"(\w+)"')
HARMLESS = {AgentFault.LEASE_ENDED, AgentFault.TIME_UNPROVEN}
FAULTS = (set(AgentFault) - HARMLESS) | {BEHIND, CLONED}
OUTCOMES = {*CommandOutcome, NO_ANSWER, "null", "WOKEN"}


@pytest.mark.parametrize(
    ("group", "codes"),
    [
        ("fault", FAULTS),
        ("advice", FAULTS),
        ("order", set(DeviceCommandKind)),
        ("outcome", OUTCOMES),
        ("use", set(UseState)),
        ("link", set(LinkState)),
        ("verdict", set(Verdict)),
        ("heard", set(LinkFact)),
        ("journal", set(JournalFact)),
    ],
)
def test_every_code_has_its_words_and_no_word_is_left_over(group: str, codes: set[str]) -> None:
    assert set(WORDS[group]) == {str(code) for code in codes}


def test_every_reason_to_wait_at_the_door_has_its_words() -> None:
    assert {reason.value for reason in WaitingReason} <= set(WORDS["enrolment"])


@pytest.mark.parametrize("script", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_every_word_a_script_asks_for_by_name_is_there(script: Path) -> None:
    asked = ASKED.findall(script.read_text())
    assert [one for one in asked if one[1] not in WORDS.get(one[0], {})] == []


def test_scripts_ask_for_words() -> None:
    assert sum(len(ASKED.findall(path.read_text())) for path in SCRIPTS) > 50
