"""What every tick writes, spelled out field by field, is what a writer would find by itself."""

import orjson
from scenario_play import Play
from scenario_table import read_tables

from billing_core.plain import session_to_dict, transaction_to_dict
from billing_core.stored import session_from_dict


def test_every_scenario_is_written_as_its_values_are() -> None:
    """Byte for byte: no field is missing, renamed, moved or changed."""
    worlds = [Play(row, eager=False).run() for row in read_tables()]
    states = [world.state for world in worlds if world.state is not None]
    ledger = [transaction for world in worlds for transaction in world.ledger.values()]
    for state in states:
        written = orjson.dumps(session_to_dict(state))
        assert written == orjson.dumps(state)
        assert session_from_dict(orjson.loads(written)) == state
    for transaction in ledger:
        written = orjson.dumps(transaction_to_dict(transaction))
        assert written == b'{"v":1,' + orjson.dumps(transaction)[1:]
    assert any(len(state.segments) > 1 for state in states)
    assert any(state.coverage is not None and state.known_wallet is not None for state in states)
    assert any(transaction.step_index is None for transaction in ledger)
