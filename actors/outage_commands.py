"""Staff's word on an outage that waits for it, and how outages are shown to them."""

from dataclasses import asdict
from typing import Final

from actors.command_context import CommandContext
from actors.outages import OutageDesk
from actors.refusal import Refusal, refused_by_billing
from actors.rendering import handed_back_view
from billing_core.crediting import approve_outage, reject_outage
from billing_core.evidence import receipt_outage
from billing_core.outage import Outage
from billing_core.rejection import Rejected
from billing_core.session import SessionState, handed_back_between
from schemas.commands import CommandReply, ReplyStatus, ResolveOutage
from schemas.views import OutageView

REFUNDED_ALREADY: Final = Refusal(
    "refund-too-large", "what was refunded and this outage exceed the session's price", "number"
)


def resolve_outage(context: CommandContext, command: ResolveOutage) -> CommandReply | Refusal:
    """Give a proposed outage back, or leave it charged."""
    drafting, session_id = context.drafting, command.session_id
    running, ended = drafting.session(session_id), drafting.ended(session_id)
    state = running if ended is None else ended.state
    if state is None:
        message = f"nothing of session {session_id} waits for a decision"
        return Refusal("outage-not-found", message, "session_id")
    desk = OutageDesk(drafting, context.club, context.now)
    actor = context.sessions
    decide = approve_outage if command.approve else reject_outage
    decided = decide(
        state,
        command.number,
        by=context.cause.envelope.principal,
        terms=actor.terms_of(state) if ended is None else desk.terms_after_end(state),
        now_ms=context.now.wall_ms,
    )
    if isinstance(decided, Rejected):
        return refused_by_billing(decided)
    if ended is not None and ended.refunded_minor > decided.state.own_minor:
        return REFUNDED_ALREADY
    if ended is None:
        after = actor.take(state, decided, actor.terms_of(state))
    else:
        after = desk.take_ended(ended, decided)
    view = outage_view(after, after.outages[command.number])
    change = handed_back_view(handed_back_between(state, after))
    view = view.model_copy(update={"handed_back": change})
    return CommandReply(status=ReplyStatus.OK, result={"outage": view.model_dump(mode="json")})


def outage_view(state: SessionState, outage: Outage) -> OutageView:
    """An outage of a session as staff sees it."""
    return OutageView(
        **asdict(receipt_outage(outage)),
        session_id=state.session_id,
        number=outage.number,
        player_id=state.player_id,
        guest_label=state.guest_label,
        currency=state.currency,
    )
