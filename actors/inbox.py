"""A shard's inbox: bounded, in order, with what a PC repeats collapsed to its newest word."""

from collections import OrderedDict, deque
from typing import Final

from actors.presence import Signal
from actors.turn import (
    CarriedOut,
    CommandInput,
    Input,
    LinkInput,
    PcInput,
    PlayerInput,
    WalletInput,
)
from actors.wallets import WalletKey
from billing_core.hot_value import replace

COMMANDS_MAX: Final = 1_000
"""Beyond this a command is answered OVERLOADED; ticks and PCs are never shed for it."""
INPUTS_PER_TURN: Final = 400
"""Whatever is due is billed in every turn, however many inputs wait for the next."""
LINKS_MAX: Final = 16
CARRIED_OUT_MAX: Final = 64
"""Of more orders than these within one turn the oldest are told to be without an answer."""
ANSWERS_MAX: Final = 8
"""A PC has few orders at a time; of more answers than these within one turn the oldest go."""

_PcKey = tuple[str, str, Signal]


class Inbox:
    """Commands first come first served, PCs by their newest word, wallets and players by id."""

    def __init__(self) -> None:
        self._commands: deque[CommandInput] = deque()
        self._pcs: OrderedDict[_PcKey, PcInput] = OrderedDict()
        self._wallets: dict[WalletKey, WalletInput] = {}
        self._players: dict[str, PlayerInput] = {}
        self._links: deque[LinkInput] = deque(maxlen=LINKS_MAX)
        self._carried_out: deque[CarriedOut] = deque(maxlen=CARRIED_OUT_MAX)

    def __len__(self) -> int:
        news = (self._wallets, self._players, self._links, self._carried_out)
        return sum(map(len, (self._commands, self._pcs, *news)))

    def put_command(self, command: CommandInput) -> bool:
        """Queue a command; False when the queue is full."""
        if len(self._commands) >= COMMANDS_MAX:
            return False
        self._commands.append(command)
        return True

    def put_back(self, commands: list[CommandInput]) -> None:
        """Commands to decide again go before newer ones, in their old order."""
        self._commands.extendleft(reversed(commands))

    def put_pc(self, heard: PcInput) -> None:
        """Queue what a PC said; its size is bounded by PCs x signals."""
        key = (heard.club_id, heard.pc_id, heard.signal)
        earlier = self._pcs.pop(key, None)
        if earlier is not None:
            speaks = bool(heard.entries)
            heard = replace(
                heard,
                applied=heard.applied or earlier.applied,
                wants_desired=heard.wants_desired or earlier.wants_desired,
                # A batch is one word: its records and events are acknowledged together.
                usage=heard.usage if speaks else earlier.usage,
                journal=heard.journal if speaks else earlier.journal,
                answers=(*earlier.answers, *heard.answers)[-ANSWERS_MAX:],
                mac=heard.mac or earlier.mac,
                tie=heard.tie or earlier.tie,
                ui_ok=earlier.ui_ok if heard.ui_ok is None else heard.ui_ok,
                faults=earlier.faults if heard.faults is None else heard.faults,
            )
        self._pcs[key] = heard

    def put_wallet(self, wallet: WalletInput) -> None:
        """Queue a wallet's newest balances."""
        self._wallets[wallet.key] = wallet

    def put_player(self, player: PlayerInput) -> None:
        """Queue the news that a player was edited; once is enough until it is taken."""
        self._players[player.player_id] = player

    def put_link(self, link: LinkInput) -> None:
        """Queue the loss or return of the broker."""
        self._links.append(link)

    def put_carried_out(self, done: CarriedOut) -> None:
        """Queue what became of an order that was carried out here."""
        self._carried_out.append(done)

    def drain(self) -> list[Input]:
        """Up to :data:`INPUTS_PER_TURN` inputs: link, what was carried out here, wallets, players,
        PCs, then commands."""
        inputs: list[Input] = [*self._links, *self._carried_out]
        self._links.clear()
        self._carried_out.clear()
        while self._wallets and len(inputs) < INPUTS_PER_TURN:
            inputs.append(self._wallets.pop(next(iter(self._wallets))))
        while self._players and len(inputs) < INPUTS_PER_TURN:
            inputs.append(self._players.pop(next(iter(self._players))))
        while self._pcs and len(inputs) < INPUTS_PER_TURN:
            inputs.append(self._pcs.popitem(last=False)[1])
        share = max(INPUTS_PER_TURN - len(inputs), INPUTS_PER_TURN // 4)
        while self._commands and share:
            inputs.append(self._commands.popleft())
            share -= 1
        return inputs

    def drain_commands(self) -> list[CommandInput]:
        """All waiting commands, for a shard that gives up."""
        commands = list(self._commands)
        self._commands.clear()
        return commands
