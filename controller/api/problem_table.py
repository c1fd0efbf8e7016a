"""Every problem this server answers with. Codes are stable; words may improve."""

from typing import Final

from controller.api.catalogue_problems import CATALOGUE_PROBLEMS
from controller.api.enrolment_problems import ENROLMENT_PROBLEMS
from controller.api.idempotency_problems import IDEMPOTENCY_PROBLEMS
from controller.api.list_problems import LIST_PROBLEMS
from controller.api.load_problems import LOAD_PROBLEMS
from controller.api.outage_problems import OUTAGE_PROBLEMS
from controller.api.problem_kind import ProblemKind

__all__ = ["PROBLEMS", "ProblemKind"]

_EDGE: Final = (
    ProblemKind(
        "invalid-request",
        422,
        "The request does not fit",
        "A field is missing, unknown or out of range; `errors` names each one.",
    ),
    ProblemKind(
        "malformed-body",
        400,
        "The body cannot be read",
        "The body is not JSON, or is sent without `Content-Type: application/json`.",
    ),
    ProblemKind(
        "body-too-large",
        413,
        "The body is too large",
        "No request of this API needs more than 16 KiB.",
    ),
    ProblemKind(
        "unauthorized",
        401,
        "A key is needed",
        "Send `Authorization: Bearer <key>` with a key of the chain.",
    ),
    ProblemKind(
        "forbidden",
        403,
        "Not allowed",
        "The key or the person has no permission for this.",
    ),
    ProblemKind(
        "issuer-unavailable",
        503,
        "Tokens cannot be checked now",
        "The issuer of the tokens does not answer. Send the same request again.",
        retry_after_seconds=2,
    ),
    ProblemKind(
        "cross-site-request",
        403,
        "Refused: the request came from another site",
        "Requests that ride on the page's cookie are taken from this server's own pages only.",
    ),
    ProblemKind("not-found", 404, "Not found", "There is nothing at this address."),
    ProblemKind(
        "method-not-allowed",
        405,
        "The method is not allowed here",
        "`Allow` lists the methods of this address.",
    ),
    ProblemKind("club-not-found", 404, "No such club", "The chain has no club with this id."),
    ProblemKind(
        "session-not-found", 404, "No such session", "The chain has no session with this id."
    ),
    ProblemKind(
        "receipt-not-found",
        404,
        "No receipt yet",
        "A receipt exists once the session has ended; a cancelled session has none.",
    ),
    ProblemKind(
        "webhook-not-found", 404, "No such webhook", "The chain has no webhook with this id."
    ),
    ProblemKind(
        "webhook-url-refused",
        422,
        "Webhooks cannot be sent there",
        "`url` must begin with https:// and lead to a public address.",
    ),
    ProblemKind(
        "too-many-webhooks",
        409,
        "Too many webhooks",
        "The chain has as many webhooks as it may have; delete one first.",
    ),
    ProblemKind("player-not-found", 404, "No such player", "The chain has no player with this id."),
    ProblemKind(
        "request-refused",
        400,
        "The request was refused",
        "The request cannot be taken as it is.",
    ),
    ProblemKind(
        "internal-error",
        500,
        "Something broke on our side",
        "The request met a fault of this server. Sending it again with the same key is safe.",
    ),
)

_DOMAIN: Final = (
    ProblemKind(
        "quarantined",
        503,
        "It is set aside",
        "A stored document this depends on cannot be read by this release. Nothing was done;"
        " once it can be, the same request with the same key may be sent again.",
    ),
    ProblemKind(
        "balance-out-of-range",
        409,
        "An account is full",
        "An account would hold more than can be counted. Nothing was moved.",
    ),
    ProblemKind("zone-not-found", 404, "No such zone", "The club has no zone with this id."),
    ProblemKind("order-not-found", 404, "No such order", "The chain has no order with this id."),
    ProblemKind(
        "order-not-due",
        409,
        "The bill is not known yet",
        "A post-pay session is paid, and a session's price given back, after its end.",
    ),
    ProblemKind("order-paid", 409, "The order is paid", "There is nothing left to pay."),
    ProblemKind(
        "order-not-paid", 409, "The order is not paid", "There is nothing that could go back."
    ),
    ProblemKind(
        "order-expired",
        409,
        "The order's price has run out",
        "Prices of an unpaid order hold for a day. Make a new one.",
    ),
    ProblemKind(
        "session-exists",
        409,
        "The session exists already",
        "Another session has this id. Send the request again with a new Idempotency-Key.",
    ),
    ProblemKind(
        "session-not-started",
        409,
        "The session has not started",
        "This can be done to a running session only.",
    ),
    ProblemKind(
        "session-already-started",
        409,
        "The session has started",
        "This can be done before the actual start only; a started session can be ended.",
    ),
    ProblemKind(
        "session-finished",
        409,
        "The session is over",
        "An ended or cancelled session does not change any more.",
    ),
    ProblemKind(
        "version-changed",
        412,
        "The session has changed",
        "It is at another version than `If-Match` names. Read it again.",
    ),
    ProblemKind(
        "if-match-invalid",
        400,
        "If-Match cannot be read",
        'Send the version of the session as one entity tag: `If-Match: "7"`.',
    ),
    ProblemKind("pc-not-found", 404, "No such PC", "The club has no PC with this id."),
    ProblemKind(
        "pc-busy",
        409,
        "The PC is taken",
        "Another session runs on this PC.",
    ),
    ProblemKind(
        "pc-reserved",
        409,
        "The PC is reserved",
        "Another session waits for its Start on this PC.",
    ),
    ProblemKind(
        "too-many-bookings",
        409,
        "Too many bookings",
        "The player has as many bookings waiting in this club as may be made without the desk.",
    ),
    ProblemKind(
        "pc-on-hold",
        409,
        "The PC is out of use",
        "Staff hold this PC; it can be used when the hold ends or is released.",
    ),
    ProblemKind("pc-not-on-hold", 409, "The PC is in use", "There is no hold to release."),
    ProblemKind(
        "pc-unreachable",
        409,
        "The PC is not heard",
        "An order can only be sent to a PC that is online; a PC that is off can be woken. A player "
        "or a kiosk cannot start a session on it, nor move one there; the desk can.",
    ),
    ProblemKind(
        "pc-not-wakeable",
        409,
        "The PC cannot be woken",
        "Its network card was never told, or no other PC of the club is online to wake it and the "
        "controller does not reach the club's network.",
    ),
    ProblemKind(
        "command-incomplete",
        422,
        "The order lacks something",
        "A message needs its text, maintenance needs the technician's code.",
    ),
    ProblemKind(
        "hold-time-invalid", 422, "The hold's end cannot be used", "It does not lie in the future."
    ),
    ProblemKind(
        "player-already-playing",
        409,
        "The player plays already",
        "The player has a started session, and the club allows one at a time.",
    ),
    ProblemKind("tariff-not-found", 404, "No such tariff", "The chain has no such tariff."),
    ProblemKind(
        "tariff-not-active",
        409,
        "The tariff is not active",
        "An inactive or archived tariff opens no new sessions.",
    ),
    ProblemKind(
        "tariff-not-in-zone",
        409,
        "The zone does not sell this tariff",
        "A zone lists the tariffs it sells; this one is not among them.",
    ),
    ProblemKind(
        "tariff-not-usable-now",
        409,
        "The tariff cannot be used now",
        "Its start schedule is closed at this time.",
    ),
    ProblemKind(
        "tariff-has-no-price",
        409,
        "The tariff has no price here and now",
        "No price rule fits this zone, this player and this time, and nothing is ever free by "
        "accident.",
    ),
    ProblemKind(
        "tariff-not-on-sale",
        409,
        "The tariff is not sold now",
        "Its sales windows are closed at this time.",
    ),
    ProblemKind(
        "tariff-not-in-channel",
        409,
        "The tariff is not sold in this channel",
        "Its sales policy leaves this channel out.",
    ),
    ProblemKind(
        "tariff-needs-purchase",
        409,
        "The tariff has to be bought first",
        "Sessions under this tariff use up what a player has bought before.",
    ),
    ProblemKind(
        "tariff-not-post-pay",
        409,
        "The tariff cannot be paid at the end",
        "An open-ended session needs a per-minute tariff.",
    ),
    ProblemKind(
        "post-pay-not-allowed",
        409,
        "Pay first",
        "In this club only staff opens sessions that are paid at the end.",
    ),
    ProblemKind(
        "tariff-other-currency",
        409,
        "The tariff is priced in another currency",
        "A club sells tariffs in its own currency.",
    ),
    ProblemKind(
        "player-tariff-not-found",
        404,
        "The player has not bought this",
        "The player has no such bought tariff.",
    ),
    ProblemKind(
        "player-tariff-expired",
        409,
        "What the player bought has expired",
        "One of its expiration rules has fired.",
    ),
    ProblemKind(
        "player-tariff-used-up",
        409,
        "What the player bought is used up",
        "Nothing is left of it.",
    ),
    ProblemKind(
        "player-tariff-in-use",
        409,
        "What the player bought is in use",
        "Another session draws from it now.",
    ),
    ProblemKind(
        "insufficient-funds",
        402,
        "Not enough money in the wallet",
        "The wallet does not cover what has to be paid now. Top it up and send a new request.",
    ),
    ProblemKind("club-closed", 409, "The club is closed", "It is outside the opening hours."),
    ProblemKind("zone-closed", 409, "The zone is closed", "It is outside the zone's hours."),
    ProblemKind(
        "zone-limit-reached",
        409,
        "The zone's limit is reached",
        "The zone allows no longer session.",
    ),
    ProblemKind(
        "booking-too-close",
        409,
        "The next booking is too close",
        "Less than a minute is left before the PC's next booking.",
    ),
    ProblemKind(
        "extension-not-needed",
        409,
        "There is nothing to extend",
        "The session is covered without an end.",
    ),
    ProblemKind(
        "extension-limit",
        409,
        "Too many extensions",
        "The session has as many segments as one session may have.",
    ),
    ProblemKind("same-device", 409, "The session is on this PC", "Choose another PC to move to."),
    ProblemKind(
        "planned-time-invalid",
        422,
        "The planned start cannot be used",
        "It lies in the past or too far ahead.",
    ),
    ProblemKind(
        "player-required", 422, "A player is needed", "A one-time guest has no wallet for this."
    ),
    ProblemKind(
        "already-a-player",
        409,
        "The session belongs to a player",
        "Only a guest's session can be given to a player.",
    ),
    ProblemKind(
        "amount-invalid", 422, "The amount cannot be used", "It is not positive, or too large."
    ),
    ProblemKind(
        "nothing-to-refund", 409, "There is nothing to refund", "Nothing paid is left unused."
    ),
    ProblemKind(
        "refund-too-large", 409, "The refund is too large", "It exceeds what is left to refund."
    ),
)

_ALL: Final = (
    *(*_EDGE, *IDEMPOTENCY_PROBLEMS, *_DOMAIN, *LIST_PROBLEMS, *OUTAGE_PROBLEMS),
    *(*CATALOGUE_PROBLEMS, *ENROLMENT_PROBLEMS, *LOAD_PROBLEMS),
)
PROBLEMS: Final = {kind.code: kind for kind in _ALL}
"""The registry, by code."""
