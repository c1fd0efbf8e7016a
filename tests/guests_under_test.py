"""A one-time guest at the desk of the seeded club."""

from schemas.commands import CreateSession, PaymentMeans


def guest(means: PaymentMeans, paid_minor: int, **fields: object) -> CreateSession:
    """Session ``s1`` by the minute at once, paid ahead by one means; ``fields`` as asked."""
    asked = {
        "session_id": "s1",
        "pc_id": "north-main-0",
        "guest_label": "Guest",
        "tariff_id": "standard",
        "start": True,
        "paid_minor": paid_minor,
        "means": means,
    }
    return CreateSession.model_validate(asked | fields)
