"""A club as a file: what goes in comes out, the same to the byte; what is wrong is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.clock import ManualClock
from actors.store_memory import MemoryStore
from billing_core.tariff import TariffStatus
from controller.api.directory import parse_directory
from controller.club_file import ClubFile, ClubFileError, club_file_text, parse_club_file
from controller.club_import import Importing, export_club, import_club
from controller.club_plan import Plan
from controller.terminal_audit import Terminal
from schemas.access import Role
from schemas.catalogue import (
    ClubDocument,
    PcAdministrativeState,
    PcDocument,
    PlayerGroupDocument,
    StaffDocument,
    StaffRole,
    ZoneDocument,
)

EXAMPLE: Final = Path(__file__).parents[2] / "docs" / "examples" / "club.toml"
CLOCK: Final = ManualClock(1_780_000_000_000)
BY: Final = Terminal("cli:ann", "desk")


async def chain(chain_id: str = "orbit") -> MemoryStore:
    store = MemoryStore()
    await store.put(chain_id, {})
    return store


async def imported(
    store: MemoryStore, text: str, *, prune: bool = False, dry_run: bool = False
) -> Plan:
    how = Importing(prune=prune, dry_run=dry_run)
    return await import_club(store, parse_club_file(text), how, clock=CLOCK, by=BY)


async def exported(store: MemoryStore, chain_id: str, club_id: str) -> str:
    return club_file_text(await export_club(store, chain_id, club_id))


async def everything(store: MemoryStore) -> list[object]:
    documents = await store.documents_by_prefix("orbit", "")
    return [await store.catalogue_image("orbit"), documents, await store.audit("orbit")]


async def test_the_example_is_a_whole_club() -> None:
    store = await chain()
    plan = await imported(store, EXAMPLE.read_text())
    assert {change.action for change in plan.changes} == {"add"}
    assert plan.warnings == []
    directory = parse_directory(await store.catalogue("orbit"))
    assert [pc.pc_id for pc in directory.pcs["orbit-east"]] == ["east-01", "east-02", "east-11"]
    assert set(directory.tariffs) == {"hourly", "night", "ten-hours"}
    staff = await store.documents_by_prefix("orbit", "staff:")
    assert [one.key for one in staff] == ["staff:maria", "staff:olga"]


async def test_the_example_comes_out_the_same_however_often() -> None:
    store = await chain()
    await imported(store, EXAMPLE.read_text())
    first = await exported(store, "orbit", "orbit-east")
    before = await everything(store)
    assert (await imported(store, first)).changes == []
    assert (await imported(store, EXAMPLE.read_text())).changes == []
    assert await everything(store) == before
    fresh = await chain()
    await imported(fresh, first)
    assert await exported(fresh, "orbit", "orbit-east") == first


IDS = st.text("abc-", min_size=1, max_size=4).map(lambda text: f"x{text}")
NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r"), min_size=1, max_size=12
)
WINDOWS = st.sampled_from(
    [[], ["fri,sat 23:00-07:00"], ["daily"], ["2026-06-01.."], ["..2026-06-01 10:00-12:00"]]
)


def terms(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    values: dict[str, st.SearchStrategy[Any]] = {
        "opening": WINDOWS,
        "grace_seconds": st.integers(0, 600),
        "no_show_minutes": st.integers(1, 60),
        "longest_session_minutes": st.integers(1, 600),
        "players_pay_later": st.booleans(),
    }
    return st.fixed_dictionaries({}, optional={name: values[name] for name in names})


def rule(zones: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"price_per_hour_minor": st.integers(1, 10**6)},
        optional={
            "name": NAMES,
            "zones": st.lists(st.sampled_from(zones), unique=True, min_size=1),
            "start_fee_minor": st.integers(0, 1_000),
        },
    )


@st.composite
def club_files(draw: st.DrawFn) -> str:
    """A club file as somebody might write it, sound but for what warnings are for."""
    zones = draw(st.lists(IDS, unique=True, min_size=1, max_size=3))
    tariffs = draw(st.lists(IDS, unique=True, max_size=3))
    everybody = {"name": "everybody", "price_per_hour_minor": 100}
    listed = draw(st.lists(IDS, unique=True, max_size=4))
    data: dict[str, Any] = {
        "chain": "orbit",
        "timezone": draw(st.sampled_from(["Europe/Berlin", "Asia/Almaty", "UTC"])),
        "currency": "KZT",
        "club": {
            "club_id": "c1",
            "name": draw(NAMES),
            **draw(terms(["opening", "grace_seconds", "no_show_minutes", "players_pay_later"])),
        },
        "zones": [
            {
                "zone_id": zone_id,
                "name": draw(NAMES),
                "position": draw(st.integers(0, 3)),
                "tariff_ids": draw(st.permutations(tariffs)),
                **draw(terms(["opening", "longest_session_minutes"])),
            }
            for zone_id in zones
        ],
        "pcs": [
            {"pc_id": pc_id, "zone_id": draw(st.sampled_from(zones)), "name": draw(NAMES)}
            | draw(st.sampled_from([{}, {"state": "RETIRED"}, {"position": 4}]))
            for pc_id in listed
        ],
        "groups": [{"group_id": one, "name": draw(NAMES)} for one in listed],
        "tariffs": [
            {
                "id": tariff_id,
                "name": draw(NAMES),
                "type": "PER_MINUTE",
                "status": draw(st.sampled_from(["ACTIVE", "INACTIVE", "ARCHIVED"])),
                "prices": [*draw(st.lists(rule(zones), max_size=2)), everybody],
            }
            for tariff_id in tariffs
        ],
        "staff": [
            {"staff_id": one, "name": draw(NAMES)}
            | draw(st.sampled_from([{"role": "cashier"}, {"chain_role": "owner"}]))
            | draw(st.sampled_from([{}, {"enabled": False}]))
            for one in listed
        ],
    }
    return tomli_w.dumps(data)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=club_files())
async def test_any_club_goes_in_and_comes_out_the_same_to_the_byte(text: str) -> None:
    store = await chain()
    await imported(store, text)
    first = await exported(store, "orbit", "c1")
    assert (await imported(store, first)).changes == []
    fresh = await chain()
    await imported(fresh, first)
    assert await exported(fresh, "orbit", "c1") == first
    assert club_file_text(parse_club_file(first)) == first


async def test_a_dry_run_says_all_of_it_and_does_nothing() -> None:
    store = await chain()
    before = await everything(store)
    plan = await imported(store, EXAMPLE.read_text(), dry_run=True)
    assert len(plan.changes) == 13
    assert await everything(store) == before


async def test_a_changed_tariff_is_a_new_version_and_a_changed_pc_names_its_fields() -> None:
    store = await chain()
    await imported(store, EXAMPLE.read_text())
    text = EXAMPLE.read_text().replace("12000 },", "13000 },").replace('"VIP 1"', '"VIP one"')
    plan = await imported(store, text)
    assert [(one.action, one.kind, one.id, one.fields) for one in plan.changes] == [
        ("change", "tariff", "hourly", ("prices",)),
        ("change", "pc", "east-11", ("name",)),
    ]
    versions = parse_directory(await store.catalogue("orbit")).versions
    assert sorted(ref.version for ref in versions if ref.id == "hourly") == [1, 2]


SHORT: Final = """\
chain = "orbit"
timezone = "Europe/Berlin"
currency = "EUR"
club = { club_id = "orbit-east", name = "Orbit East" }

[[zones]]
zone_id = "east-standard"
name = "Standard"
tariff_ids = ["hourly"]

[[pcs]]
pc_id = "east-01"
zone_id = "east-standard"
name = "01"

[[tariffs]]
id = "hourly"
type = "PER_MINUTE"
prices = [{ price_per_hour_minor = 12000 }]
"""


async def test_nothing_is_taken_away_unless_it_is_asked_for() -> None:
    store = await chain()
    await imported(store, EXAMPLE.read_text())
    kept = await imported(store, SHORT)
    assert not [one for one in kept.changes if one.action == "archive"]
    assert len(parse_directory(await store.catalogue("orbit")).pcs["orbit-east"]) == 3
    plan = await imported(store, SHORT, prune=True)
    assert [(one.kind, one.id) for one in plan.changes if one.action == "archive"] == [
        ("pc", "east-02"),
        ("pc", "east-11"),
        ("zone", "east-vip"),
    ]
    directory = parse_directory(await store.catalogue("orbit"))
    assert [pc.pc_id for pc in directory.pcs["orbit-east"]] == ["east-01"]
    assert directory.tariffs["ten-hours"].status is TariffStatus.ARCHIVED
    staff = {
        one.key: StaffDocument.model_validate_json(one.blob).enabled
        for one in await store.documents_by_prefix("orbit", "staff:")
    }
    assert staff == {"staff:maria": False, "staff:olga": True}
    assert (await imported(store, SHORT, prune=True)).changes == []


async def test_what_others_need_survives_a_prune() -> None:
    store = await chain()
    await imported(store, EXAMPLE.read_text())
    west = SHORT.replace("orbit-east", "orbit-west").replace("east-", "west-")
    west = west.replace('["hourly"]', '["hourly", "ten-hours"]')
    west += '\n[[staff]]\nstaff_id = "maria"\nname = "Maria"\nrole = "cashier"\n'
    changed = await imported(store, west)
    assert ("change", "staff", "maria") in [
        (one.action, one.kind, one.id) for one in changed.changes
    ]
    maria = (await store.documents("orbit", ["staff:maria"]))["staff:maria"]
    roles = StaffDocument.model_validate_json(maria.blob).roles
    assert {(role.role, role.club_id) for role in roles} == {
        ("administrator", "orbit-east"),
        ("cashier", "orbit-west"),
    }
    await imported(store, SHORT, prune=True)
    directory = parse_directory(await store.catalogue("orbit"))
    assert directory.tariffs["ten-hours"].status is TariffStatus.ACTIVE
    assert [pc.pc_id for pc in directory.pcs["orbit-west"]] == ["west-01"]


FAULTS: Final[dict[str, tuple[Callable[[str], str], str, int | None]]] = {
    "no TOML": (lambda text: text.replace("[[pcs]]", "[[pcs]"), "", None),
    "a number of 65 bits": (lambda text: f"colour = {2**64}\n" + text, "", None),
    "too deep": (lambda text: f"colour = {'[' * 3_000}{']' * 3_000}\n" + text, "", None),
    "unknown field": (lambda text: "colour = 1\n" + text, "colour", 1),
    "no chain": (lambda text: text.replace('chain = "orbit"', ""), "chain", None),
    "timezone": (lambda text: text.replace("Europe/Berlin", "Mars/X"), "timezone", 2),
    "window": (
        lambda text: text.replace('name = "Standard"', 'name = "S"\nopening = ["funday"]'),
        "zones[0].opening[0]",
        9,
    ),
    "pc's zone": (
        lambda text: text.replace('pc_id = "east-01"\nzone_id = "east-standard"', 'pc_id = "x"'),
        "pcs[0].zone_id",
        11,
    ),
    "a name too long": (lambda text: text.replace('"01"', f'"{"x" * 31}"'), "pcs[0].name", 14),
    "version": (
        lambda text: text.replace('id = "hourly"\n', 'id = "hourly"\nversion = 3\n'),
        "tariffs[0].version",
        18,
    ),
    "twice": (lambda text: text + text[text.index("[[tariffs]]") :], "tariffs[1].id", 21),
    "club_id in a PC": (
        lambda text: text.replace('name = "01"', 'name = "01"\nclub_id = "x"'),
        "pcs[0].club_id",
        15,
    ),
}


@pytest.mark.parametrize("case", FAULTS, ids=str)
def test_a_fault_is_named_by_field_and_line(case: str) -> None:
    spoil, path, line = FAULTS[case]
    with pytest.raises(ClubFileError) as caught:
        parse_club_file(spoil(SHORT))
    first = caught.value.faults[0]
    assert (first.path, first.line) == (path, line)


REFUSED: Final[dict[str, tuple[Callable[[str], str], str]]] = {
    "currency": (lambda text: text.replace('"EUR"', '"USD"'), "currency"),
    "no such tariff": (
        lambda text: text.replace('tariff_ids = ["hourly"]', 'tariff_ids = ["x"]'),
        "zones[0].tariff_ids",
    ),
    "no such zone": (
        lambda text: text.replace(
            'zone_id = "east-standard"\nname = "01"', 'zone_id = "x"\nname = "01"'
        ),
        "pcs[0].zone_id",
    ),
    "another chain": (lambda text: text.replace('"orbit"', '"comet"'), "chain"),
    "archived and used": (
        lambda text: text.replace('name = "Standard"', 'name = "S"\narchived = true'),
        "zones[0].archived",
    ),
    "never usable": (
        lambda text: text.replace(
            "prices = [{ price", 'sales = { when = "2020-01-01" }\nprices = [{ price'
        ),
        "tariffs[0].sales.when",
    ),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
async def test_what_does_not_fit_the_chain_changes_nothing(case: str) -> None:
    spoil, path = REFUSED[case]
    store = await chain()
    await imported(store, EXAMPLE.read_text())
    before = await everything(store)
    with pytest.raises(ClubFileError) as caught:
        await imported(store, spoil(SHORT))
    assert path in [fault.path for fault in caught.value.faults]
    assert await everything(store) == before


async def test_another_clubs_zones_and_pcs_are_not_taken() -> None:
    store = await chain()
    await imported(store, EXAMPLE.read_text())
    with pytest.raises(ClubFileError) as caught:
        await imported(store, SHORT.replace("orbit-east", "orbit-west"))
    assert [fault.path for fault in caught.value.faults] == ["zones[0].zone_id", "pcs[0].pc_id"]


def test_secrets_are_not_in_a_file() -> None:
    club = ClubDocument(club_id="c", name="C", timezone="UTC", currency="EUR")
    text = club_file_text(ClubFile("orbit", club))
    assert not {"secret", "sha256", "webhook", "apikey"} & set(text.lower().split())


def test_every_part_of_a_club_is_written() -> None:
    """A field that documents have and files do not would be lost on the way."""
    role = StaffRole(role=Role.CASHIER, club_id="c")
    whole = ClubFile(
        chain_id="orbit",
        club=ClubDocument(
            club_id="c", name="C", timezone="UTC", currency="EUR", terms={"grace_seconds": 9}
        ),
        zones=(
            ZoneDocument(
                zone_id="z",
                club_id="c",
                name="Z",
                position=3,
                tariff_ids=("t",),
                default_tariff_id="t",
                terms={"longest_session_minutes": 60},
                archived=True,
            ),
        ),
        pcs=(
            PcDocument(
                pc_id="p",
                club_id="c",
                zone_id="z",
                name="P",
                position=4,
                state=PcAdministrativeState.RETIRED,
            ),
        ),
        groups=(PlayerGroupDocument(group_id="g", name="G"),),
        staff=(StaffDocument(staff_id="s", name="S", roles=(role,), enabled=False),),
    )
    usual = {"v", "tariffs", "chain_id", "club_id", "role"}
    for document in (whole.club, *whole.zones, *whole.pcs, *whole.groups, *whole.staff):
        fields = type(document).model_fields
        unusual = [n for n, f in fields.items() if getattr(document, n) != f.default]
        assert set(fields) - set(unusual) - usual == set(), "give the new field a value here"
    assert parse_club_file(club_file_text(whole)) == whole
