"""Problems of whoever changes what is configured: clubs, zones, PCs, tariffs, players, staff."""

from typing import Final

from controller.api.problem_kind import ProblemKind

CATALOGUE_PROBLEMS: Final = (
    ProblemKind("group-not-found", 404, "No such group", "The chain has no such player group."),
    ProblemKind("staff-not-found", 404, "No such person", "Nobody of this id works for the chain."),
    ProblemKind("api-key-not-found", 404, "No such key", "The chain has no key with this id."),
    ProblemKind(
        "draft-not-found", 404, "No draft", "Everything of this tariff is published already."
    ),
    ProblemKind(
        "if-match-missing",
        428,
        "If-Match is missing",
        "An edit says which version it was made on: send the `ETag` you have read as `If-Match`, "
        "or `*` to overwrite whatever is there.",
    ),
    ProblemKind(
        "etag-changed",
        412,
        "It has been changed meanwhile",
        "It is at another version than `If-Match` names. Read it again and repeat your edit.",
    ),
    ProblemKind(
        "answer-of-another-release",
        409,
        "It was answered, and the answer cannot be read",
        "The request was answered once, and the answer was kept by another release in a shape that"
        " this one cannot read. Look at what it was to change; do not send it with another key.",
    ),
    ProblemKind(
        "catalogue-busy",
        503,
        "Too many edits at once",
        "Others changed the catalogue each time this was tried. Send it again with the same key.",
        retry_after_seconds=1,
    ),
    ProblemKind(
        "club-id-not-of-chain",
        422,
        "Clubs are named after their chain",
        "The id of a new club begins with the id of its chain and a hyphen; leave it out to have "
        "one drawn.",
    ),
    ProblemKind(
        "id-taken",
        409,
        "The id is taken",
        "Another club, zone, PC, tariff, group, player, key or person has it; choose another.",
    ),
    ProblemKind(
        "phone-taken",
        409,
        "The phone number is taken",
        "It belongs to another player of the chain.",
    ),
    ProblemKind(
        "phone-invalid",
        422,
        "The phone number cannot be used",
        "Write it with its country code, such as `+49 151 5550101`.",
    ),
    ProblemKind(
        "pc-in-use",
        409,
        "The PC is in use",
        "A session runs on it or is booked there. End, move or cancel it first.",
    ),
    ProblemKind(
        "pc-retired",
        409,
        "The PC is retired",
        "It is out of service for good and takes no session.",
    ),
    ProblemKind(
        "zone-in-use", 409, "The zone is in use", "PCs in service are in it. Move or retire them."
    ),
    ProblemKind(
        "tariff-in-use",
        409,
        "The tariff is in use",
        "It is the default of a zone. Give the zone another one first.",
    ),
    ProblemKind(
        "group-in-use",
        409,
        "The group is in use",
        "Players are in it, or a tariff is meant for it.",
    ),
    ProblemKind(
        "currency-fixed",
        409,
        "The currency is fixed",
        "Wallets and books are kept in it. A club in another currency is another club.",
    ),
    ProblemKind(
        "tariff-check-failed",
        422,
        "The tariff contradicts itself",
        "`errors` names each field at fault and why. Nothing was published.",
    ),
    ProblemKind(
        "reference-unknown",
        422,
        "It names something that is not there",
        "`field` names an id that the chain does not have, or that is archived.",
    ),
    ProblemKind(
        "quote-refused",
        422,
        "No session can begin like this",
        "The tariff could not be started at that time, in that zone, with that money; `detail` "
        "says why.",
    ),
)
"""Refusals of edits, and of questions about what is not published yet."""
