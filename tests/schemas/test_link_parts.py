"""What the link decides without a broker: when to try again, what waits, where to connect."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.link_port import (
    Backoff,
    BackoffPolicy,
    BrokerAddress,
    Credentials,
    Ending,
    LinkStats,
    Outgoing,
    parse_mqtt_url,
)
from schemas.outbox import Outbox


class Highest(Random):
    """Draws the largest number, so that the ceiling of a jitter shows."""

    def random(self) -> float:
        return 1.0


def test_unreachable_brokers_are_tried_ever_more_slowly_up_to_the_cap() -> None:
    backoff = Backoff(BackoffPolicy(base_s=1, cap_s=30), Highest())
    delays = [backoff.delay_s(Ending.UNREACHABLE, 0.0) for _ in range(7)]
    assert delays == [1, 2, 4, 8, 16, 30, 30]


def test_a_connection_that_held_starts_over_at_the_base() -> None:
    backoff = Backoff(BackoffPolicy(base_s=1, cap_s=30), Highest())
    for _ in range(5):
        backoff.delay_s(Ending.UNREACHABLE, 0.0)
    assert backoff.delay_s(Ending.LOST, 60.0) == 1
    assert backoff.delay_s(Ending.UNREACHABLE, 0.0) == 2


def test_jitter_spreads_over_the_whole_range() -> None:
    backoff = Backoff(BackoffPolicy(base_s=8, cap_s=8), Random(3))
    delays = [backoff.delay_s(Ending.UNREACHABLE, 0.0) for _ in range(400)]
    assert min(delays) < 0.5
    assert max(delays) > 7.5
    assert 3.5 < sum(delays) / len(delays) < 4.5


def test_who_takes_our_id_is_left_alone() -> None:
    backoff = Backoff(BackoffPolicy(contested_s=60), Random(1))
    assert 30 <= backoff.delay_s(Ending.TAKEN_OVER, 0.0) <= 60


def test_a_broker_that_will_not_have_us_is_asked_again_ever_less_often() -> None:
    """The first refusals may be of a PC that was enrolled a moment ago."""
    backoff = Backoff(BackoffPolicy(refused_s=2, contested_s=60), Highest())
    delays = [backoff.delay_s(Ending.REFUSED, 0.0) for _ in range(7)]
    assert delays == [2, 4, 8, 16, 32, 60, 60]
    assert backoff.delay_s(Ending.UNREACHABLE, 0.0) == 1
    assert backoff.delay_s(Ending.REFUSED, 0.0) == 60
    backoff.delay_s(Ending.LOST, 1.0)
    assert backoff.delay_s(Ending.REFUSED, 0.0) == 60, "let in and dropped at once is no peace"
    backoff.delay_s(Ending.LOST, 60.0)
    assert backoff.delay_s(Ending.REFUSED, 0.0) == 2


def test_refused_pcs_do_not_come_again_together() -> None:
    policy = BackoffPolicy(refused_s=2)
    delays = [Backoff(policy, Random(n)).delay_s(Ending.REFUSED, 0.0) for n in range(100)]
    assert 1 <= min(delays) < 1.1
    assert 1.9 < max(delays) <= 2


def test_three_short_lives_in_a_row_are_a_contested_id() -> None:
    policy = BackoffPolicy(base_s=1, short_life_s=2, contested_after=3, contested_s=60)
    backoff = Backoff(policy, Highest())
    short = [backoff.delay_s(Ending.LOST, 1.0) for _ in range(4)]
    assert short == [1, 1, 60, 1]

    backoff = Backoff(policy, Highest())
    lives = [1.0, 1.0, 5.0, 1.0, 1.0]
    assert [backoff.delay_s(Ending.LOST, lived_s) for lived_s in lives] == [1] * 5


def outbox(limit: int = 10) -> tuple[Outbox, LinkStats]:
    stats = LinkStats()
    return Outbox(limit, stats), stats


def message(name: str, *, retain: bool = False, expiry_s: int | None = None) -> Outgoing:
    return Outgoing(f"t/{name}", name.encode(), retain=retain, expiry_s=expiry_s)


def drained(box: Outbox, now_s: float = 0.0) -> list[str]:
    names = []
    while (queued := box.take(now_s)) is not None:
        names.append(queued.message.payload.decode())
    return names


def test_what_comes_back_goes_first_even_above_the_limit() -> None:
    box, stats = outbox(limit=2)
    box.offer(message("a"), 0.0)
    box.offer(message("b"), 0.0)
    flying = [box.take(0.0), box.take(0.0)]
    box.offer(message("c"), 0.0)
    box.offer(message("d"), 0.0)

    box.give_back([queued for queued in flying if queued is not None])

    assert not box.offer(message("e"), 0.0)
    assert stats.rejected == 1
    assert drained(box) == ["a", "b", "c", "d"]


def test_a_retained_message_in_flight_gives_way_to_a_newer_one() -> None:
    box, stats = outbox()
    box.offer(Outgoing("t/r", b"old", retain=True), 0.0)
    flying = box.take(0.0)
    assert flying is not None
    box.offer(Outgoing("t/r", b"new", retain=True), 0.0)

    box.give_back([flying])

    assert drained(box) == ["new"]
    assert stats.superseded == 1


def test_what_was_held_for_too_long_is_not_its_senders_to_say() -> None:
    box, stats = outbox()
    box.offer(Outgoing("t/a", b"waited", held_s=10.0), 0.0)
    box.offer(Outgoing("t/b", b"flew", held_s=10.0), 1.0)
    flying = [box.take(9.9), box.take(9.9)]
    assert None not in flying
    box.give_back([queued for queued in flying if queued is not None])
    assert drained(box, now_s=10.5) == ["flew"]
    assert stats.expired == 1
    box.give_back([queued for queued in flying if queued is not None])
    assert drained(box, now_s=90.0) == []


def test_waiting_uses_up_the_expiry() -> None:
    box, stats = outbox()
    box.offer(message("short", expiry_s=5), 0.0)
    box.offer(message("long", expiry_s=50), 0.0)
    box.offer(message("ever"), 0.0)

    queued = box.take(now_s=20.0)

    assert queued is not None
    assert queued.message.payload == b"long"
    assert queued.remaining_s(20.0) == 30
    assert queued.remaining_s(49.9) == 1
    assert stats.expired == 1
    ever = box.take(20.0)
    assert ever is not None
    assert ever.remaining_s(20.0) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30))
def test_plain_messages_are_all_kept_in_order_and_retained_ones_once(
    offers: list[tuple[str, bool]],
) -> None:
    box, _ = outbox(limit=100)
    for number, (name, retain) in enumerate(offers):
        box.offer(Outgoing(f"t/{name}", b"%d" % number, retain=retain), 0.0)

    sent = [int(name) for name in drained(box)]

    plain = [number for number, (_, retain) in enumerate(offers) if not retain]
    newest = {name: number for number, (name, retain) in enumerate(offers) if retain}
    assert [number for number in sent if number in plain] == plain
    assert sorted(set(sent) - set(plain)) == sorted(newest.values())


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://127.0.0.1", BrokerAddress("127.0.0.1", 1883, tls=False, credentials=None)),
        ("mqtts://mq.example", BrokerAddress("mq.example", 8883, tls=True, credentials=None)),
        (
            "mqtt://pc%201:p%40ss@h:19",
            BrokerAddress("h", 19, tls=False, credentials=Credentials("pc 1", "p@ss")),
        ),
        ("mqtt://[::1]:7", BrokerAddress("::1", 7, tls=False, credentials=None)),
    ],
)
def test_a_broker_url_is_read(url: str, address: BrokerAddress) -> None:
    assert parse_mqtt_url(url) == address


@pytest.mark.parametrize("url", ["", "mqtt://", "http://h", "h:1883", "mqtt://u:hunter2@"])
def test_a_bad_broker_url_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(ValueError, match="MQTT url must be") as caught:
        parse_mqtt_url(url)
    assert "hunter2" not in str(caught.value)
