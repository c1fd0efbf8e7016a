"""Somebody at the desk who makes, through the API, what requests can be about.

What a request uses up is made anew each time; the club is the one of :func:`seed_chain`.
"""

import itertools
import time
from typing import Any, Final

import httpx
from api_under_test import CLUB

from schemas.enrolment import ENROLMENT_PATH

API: Final = "/api/v1"
AT_CLUB: Final = f"/clubs/{CLUB}"
BLOCK_MINOR: Final = 20_000
TOLD_WITHIN_S: Final = 30
ENROLLING: Final = {"uses": 500, "minutes": 24 * 60}
CONTENT: Final[dict[str, Any]] = {
    "name": "Evening",
    "currency": "EUR",
    "type": "PER_MINUTE",
    "prices": [{"name": "any", "pricePerHourMinor": 12_000}],
}


class Clerk:
    """Makes things one after another. Each method answers with the id of what it has made."""

    def __init__(self, address: str, key: str) -> None:
        self._client = httpx.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,
            timeout=20,
        )
        self._numbers = itertools.count(1)
        self._kept: dict[str, str] = {}

    def close(self) -> None:
        """Leave the desk."""
        self._client.close()

    def fresh(self, kind: str) -> str:
        """An id, or a key, that nobody has used."""
        return f"{kind}-{next(self._numbers)}"

    def send(self, path: str, body: object = None, *, method: str = "POST") -> Any:
        """The answer to a request that succeeds, whatever version is there."""
        headers = {"Idempotency-Key": self.fresh("clerk"), "If-Match": "*"}
        answer = self._client.request(method, f"{API}{path}", json=body, headers=headers)
        assert answer.is_success, (method, path, answer.text)
        return answer.json()

    def version(self, path: str) -> str:
        """What ``If-Match`` has to be for what is there now."""
        answer = self._client.get(f"{API}{path}")
        assert answer.is_success, (path, answer.text)
        etag: str | None = answer.headers.get("etag")
        return f'"{answer.json()["version"]}"' if etag is None else etag

    def club(self) -> str:
        body = {"name": "Second", "timezone": "Europe/Berlin", "currency": "EUR"}
        club_id: str = self.send("/clubs", body)["clubId"]
        return club_id

    def zone(self) -> str:
        zone_id: str = self.send(
            f"{AT_CLUB}/zones", {"zoneId": self.fresh("zone"), "name": "Corner"}
        )["zoneId"]
        return zone_id

    def pc(self) -> str:
        """A PC that nobody plays on, and that is not connected."""
        pc_id = self.fresh("pc-new")
        self.send(f"{AT_CLUB}/pcs", {"pcId": pc_id, "zoneId": "std", "name": pc_id})
        return pc_id

    def telling_pc(self) -> str:
        """A PC that has told of its machine."""
        for _ in range(TOLD_WITHIN_S * 10):
            if self._client.get(f"{API}{AT_CLUB}/pcs/pc-1/machine").is_success:
                return "pc-1"
            time.sleep(0.1)
        raise TimeoutError("pc-1 tells nothing")

    def held_pc(self) -> str:
        pc_id = self.pc()
        self.send(f"{AT_CLUB}/pcs/{pc_id}/hold", {"reason": "dust"})
        return pc_id

    def enrolled_pc(self) -> str:
        pc_id = self.pc()
        self._knock({"pc_id": pc_id})
        return pc_id

    def waiting_machine(self) -> str:
        """A request for enrolment that staff have to decide."""
        hostname = self.fresh("desktop")
        self._knock({"facts": {"hostname": hostname}})
        waiting = self.send(f"{AT_CLUB}/quarantine", method="GET")["waiting"]
        (found,) = [
            str(one["requestId"]) for one in waiting if one["machine"]["hostname"] == hostname
        ]
        return found

    def _knock(self, said: dict[str, object]) -> None:
        if "code" not in self._kept:
            self._kept["code"] = self.send(f"{AT_CLUB}/enrolment-codes", ENROLLING)["code"]
        body = {"code": self._kept["code"], "secret": self.fresh("secret").ljust(43, "_"), **said}
        answer = self._client.post(ENROLMENT_PATH, json=body, headers={"Authorization": ""})
        assert answer.is_success, answer.text

    def tariff(self) -> str:
        """A tariff of which nothing is published."""
        body = {"tariffId": self.fresh("tariff"), "content": CONTENT}
        tariff_id: str = self.send("/tariffs", body)["tariffId"]
        return tariff_id

    def published_tariff(self) -> str:
        tariff_id = self.tariff()
        self.send(f"/tariffs/{tariff_id}/publish")
        return tariff_id

    def group(self) -> str:
        group_id: str = self.send(
            "/player-groups", {"groupId": self.fresh("group"), "name": "Regulars"}
        )["groupId"]
        return group_id

    def player(self) -> str:
        player_id: str = self.send("/players", {"label": "Cleo Clearwater"})["playerId"]
        return player_id

    def staff(self) -> str:
        body = {"staffId": self.fresh("staff"), "name": "Cashier Carl"}
        staff_id: str = self.send("/staff", body)["staffId"]
        return staff_id

    def api_key(self) -> str:
        key_id: str = self.send("/api-keys", {"name": "crm", "role": "cashier"})["keyId"]
        return key_id

    def webhook(self) -> str:
        """The chain's one webhook; it may have many, but not any number."""
        if "webhook" not in self._kept:
            self._kept["webhook"] = self.spare_webhook()
        return self._kept["webhook"]

    def spare_webhook(self) -> str:
        """One more, to be deleted."""
        webhook_id: str = self.send("/webhooks", {"url": "https://crm.example/"})["webhookId"]
        return webhook_id

    def running_session(self) -> str:
        """Of a one-time guest, on a PC of its own."""
        return self._session(start=True)

    def booked_session(self) -> str:
        return self._session(start=False)

    def ended_session(self) -> str:
        session_id = self._session(start=True)
        self.send(f"/sessions/{session_id}/end")
        return session_id

    def _session(self, *, start: bool) -> str:
        seat = {"pcId": self.pc(), "guestLabel": "Max", "tariffId": "minute", "start": start}
        paid = {"payment": {"amountMinor": 5_000}}
        session_id: str = self.send(f"{AT_CLUB}/sessions", seat | paid)["sessionId"]
        return session_id

    def unpaid_order(self) -> str:
        return self._order([])

    def paid_order(self) -> str:
        return self._order([{"means": "card", "amountMinor": BLOCK_MINOR}])

    def _order(self, payments: list[dict[str, object]]) -> str:
        body = {"playerId": "anna", "tariffIds": ["block"], "payments": payments}
        order_id: str = self.send(f"{AT_CLUB}/orders", body)["orderId"]
        return order_id
