"""Problems of enrolment: of a machine that asks to be let in, and of the staff who decide."""

from typing import Final

from controller.api.problem_kind import ProblemKind

ENROLMENT_PROBLEMS: Final = (
    ProblemKind(
        "enrolment-code-refused",
        403,
        "The code is not good",
        "It is wrong, used up or expired. Ask the staff of the club for a new one.",
    ),
    ProblemKind(
        "enrolment-rejected",
        403,
        "Staff turned this machine away",
        "Its request was rejected. A new one needs a new code.",
    ),
    ProblemKind(
        "credentials-revoked",
        403,
        "The PC was shut out",
        "Its credentials were revoked or quarantined. It has to be enrolled anew, with a code "
        "for this PC or with the approval of staff.",
    ),
    ProblemKind(
        "credentials-refused",
        403,
        "The PC is not known by this secret",
        "Club, PC and secret do not belong together, or the PC was shut out.",
    ),
    ProblemKind(
        "too-many-guesses",
        429,
        "Too many wrong codes",
        "Wrong codes came from this address or for this club. Wait, then try once more.",
        retry_after_seconds=60,
    ),
    ProblemKind(
        "too-many-enrolments-waiting",
        429,
        "Too many machines wait",
        "Staff have to approve or reject those that wait first.",
        retry_after_seconds=60,
    ),
    ProblemKind(
        "enrolment-not-configured",
        503,
        "Enrolment is not configured",
        "The API was not told where PCs find the broker (`CLUBCTL_PC_MQTT_URL`).",
    ),
    ProblemKind(
        "too-many-enrolment-codes",
        409,
        "Too many codes",
        "A club has a few live codes at a time; they expire by themselves.",
    ),
    ProblemKind("enrolment-not-found", 404, "No such machine", "No machine waits under this id."),
    ProblemKind(
        "enrolment-needs-pc",
        422,
        "Say which PC it is",
        "Nothing tells which PC of the hall this machine is; name it in `pcId`.",
    ),
    ProblemKind(
        "pc-not-enrolled", 409, "The PC is not enrolled", "It has no credentials in force."
    ),
)
