"""Settings: where they come from, what is refused and how it is said, what is never printed."""

from pathlib import Path

import pytest

from controller.settings import (
    Environment,
    Settings,
    SettingsError,
    load_settings,
    unknown_variables,
    without_password,
)

DIGEST = "ab" * 32


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*Settings.model_fields, "config"):
        monkeypatch.delenv(f"CLUBCTL_{name.upper()}", raising=False)


def test_defaults_run_a_demo_on_loopback() -> None:
    settings = load_settings()
    assert settings.env is Environment.DEVELOPMENT
    assert (settings.api_host, settings.api_port, settings.hosts) == ("127.0.0.1", 8080, 2)
    assert settings.sql_url == f"sqlite:///{Path.cwd() / '.clubctl' / 'archive.db'}"


def test_a_variable_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "clubctl.toml"
    config.write_text(
        f"""
api_port = 9000
hosts = 3
[[api_keys]]
chain_id = "north"
name = "desk"
sha256 = "{DIGEST}"
"""
    )
    monkeypatch.setenv("CLUBCTL_CONFIG", str(config))
    monkeypatch.setenv("CLUBCTL_API_PORT", "9100")
    settings = load_settings()
    assert (settings.api_port, settings.hosts) == (9100, 3)
    assert settings.api_keys[0].chain_id == "north"


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("CLUBCTL_API_PORT", "0", "CLUBCTL_API_PORT: Input should be greater than"),
        ("CLUBCTL_API_PORT", "http", "CLUBCTL_API_PORT: Input should be a valid integer"),
        ("CLUBCTL_ENV", "staging", "CLUBCTL_ENV: Input should be 'development' or 'production'"),
        ("CLUBCTL_REDIS_URL", "localhost:6379", "CLUBCTL_REDIS_URL: must begin with one of redis"),
        ("CLUBCTL_REDIS_URL", "redis://", "CLUBCTL_REDIS_URL: must name a host"),
        ("CLUBCTL_MQTT_URL", "mqtt://h:99999", "CLUBCTL_MQTT_URL: Port out of range"),
        ("CLUBCTL_HOSTS", "65", "CLUBCTL_HOSTS: Input should be less than or equal to 64"),
        ("CLUBCTL_SPEED", "-1", "CLUBCTL_SPEED: Input should be greater than 0"),
        ("CLUBCTL_COOKIE_SECRET", "short", "CLUBCTL_COOKIE_SECRET: Value should have at least 32"),
        ("CLUBCTL_API_KEYS", "[{}]", "CLUBCTL_API_KEYS.0.chain_id: Field required"),
        ("CLUBCTL_API_KEYS", "nonsense", "api_keys"),
    ],
)
def test_a_wrong_value_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert expected in str(caught.value)


def test_a_wrong_secret_is_not_repeated_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUBCTL_COOKIE_SECRET", "hunter2")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_an_unknown_key_in_the_file_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "clubctl.toml"
    config.write_text("api_prot = 1\n")
    monkeypatch.setenv("CLUBCTL_CONFIG", str(config))
    with pytest.raises(SettingsError, match="CLUBCTL_API_PROT"):
        load_settings()


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLUBCTL_CONFIG", str(tmp_path / "absent.toml"))
    with pytest.raises(SettingsError, match="CLUBCTL_CONFIG: no such file"):
        load_settings()


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "CLUBCTL_REDIS_URL"),
        ({"redis_url": "redis://r"}, "CLUBCTL_MQTT_URL"),
        ({"redis_url": "redis://r", "mqtt_url": "mqtts://m"}, "CLUBCTL_LEASE_KEY_FILE"),
        (
            {
                "redis_url": "redis://r",
                "mqtt_url": "mqtts://m",
                "lease_key_file": "keys.json",
                "speed": 60,
            },
            "CLUBCTL_SPEED",
        ),
    ],
)
def test_production_names_what_it_needs(given: dict[str, object], missing: str) -> None:
    with pytest.raises(SettingsError, match=missing):
        load_settings(env="production", **given)


def test_no_secret_is_ever_printed() -> None:
    settings = load_settings(
        redis_url="rediss://app:redis-pass@db:6380/0",
        mqtt_password="mqtt-pass",
        archive_url="postgresql://app:sql-pass@db/clubctl",
        cookie_secret="c" * 32,
        api_keys=[{"chain_id": "north", "name": "desk", "sha256": DIGEST}],
    )
    for text in (repr(settings), str(settings), str(settings.shown())):
        for secret in ("redis-pass", "mqtt-pass", "sql-pass", "c" * 32, DIGEST):
            assert secret not in text
    assert settings.shown()["redis_url"] == "rediss://***@db:6380/0"
    assert settings.shown()["api_keys"] == "desk (north)"


def test_settings_do_not_change() -> None:
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.hosts = 3  # type: ignore[misc]


def test_a_mistyped_variable_is_found() -> None:
    environment = {"CLUBCTL_API_PROT": "1", "CLUBCTL_API_PORT": "1", "PATH": "/bin"}
    assert unknown_variables(environment) == ["CLUBCTL_API_PROT"]


def test_hiding_a_password_keeps_the_rest() -> None:
    assert without_password("redis://127.0.0.1:6379/0") == "redis://127.0.0.1:6379/0"
    assert without_password("mqtt://a@b:secret@h:1883") == "mqtt://***@h:1883"


@pytest.mark.parametrize("field", ["chain_id", "name", "club_ids"])
@pytest.mark.parametrize("value", ["", "a b", "orbit/1", "orbit:1", "{orbit}", "x" * 65])
def test_names_in_keys_are_ids(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, field: str, value: str
) -> None:
    """They become parts of names in the store, where a colon or a brace means something."""
    config = tmp_path / "clubctl.toml"
    key = {"chain_id": '"orbit"', "name": '"desk"', "sha256": f'"{DIGEST}"'}
    key[field] = f'["{value}"]' if field == "club_ids" else f'"{value}"'
    lines = [f"{name} = {text}" for name, text in key.items()]
    config.write_text("\n".join(["[[api_keys]]", *lines]))
    monkeypatch.setenv("CLUBCTL_CONFIG", str(config))
    with pytest.raises(SettingsError, match=f"API_KEYS.*{field}"):
        load_settings()


def test_an_issuer_of_tokens_is_named_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUBCTL_JWT_ISSUER", "https://id.example")
    monkeypatch.setenv("CLUBCTL_JWT_KEYS_URL", "https://id.example/keys")
    with pytest.raises(SettingsError, match="needs CLUBCTL_JWT_AUDIENCE too"):
        load_settings()
    monkeypatch.setenv("CLUBCTL_JWT_AUDIENCE", "clubctl")
    assert load_settings().jwt_issuer == "https://id.example"


def test_where_clubs_are_woken_is_said_by_variable_or_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert load_settings().wake_to() == {}
    config = tmp_path / "clubctl.toml"
    config.write_text('[wake_addresses]\narena = "10.0.0.255:7"\n')
    monkeypatch.setenv("CLUBCTL_CONFIG", str(config))
    assert load_settings().wake_to() == {"arena": ("10.0.0.255", 7)}
    monkeypatch.setenv("CLUBCTL_WAKE_ADDRESSES", '{"north": "192.168.1.255"}')
    assert load_settings().wake_to()["north"] == ("192.168.1.255", 9)


@pytest.mark.parametrize("given", ['{"arena": "club.example"}', '{"a b": "10.0.0.255"}', "[]"])
def test_a_club_cannot_be_woken_by_name(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("CLUBCTL_WAKE_ADDRESSES", given)
    with pytest.raises(SettingsError, match="CLUBCTL_WAKE_ADDRESSES"):
        load_settings()
