"""config.yaml: every fault by its path with a remedy."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import yaml

from agent import bootstrap, config
from agent.config import Settings, WechatyAccount
from agent.database import Database
from agent.errors import ConfigurationError, Finding
from agent.events import GroupSeen

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _only_what_a_test_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SHEQUN_WECHATY_TOKEN", "SHEQUN_DATABASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def loaded(folder: Path, text: str) -> Settings:
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    return config.load(folder / "config.yaml")


def refused(folder: Path, text: str) -> list[Finding]:
    with pytest.raises(ConfigurationError) as caught:
        loaded(folder, text)
    return list(caught.value.findings)


def test_the_repositorys_own_configuration_is_valid_and_complete() -> None:
    settings = config.load(ROOT / "config.yaml")
    assert len(settings.groups) == 3
    assert settings.knowledge.documents == ROOT / "knowledge" / "documents"
    written = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    assert set(written) == set(Settings.model_fields)


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "# nothing yet\n")
    assert settings.channels[0].kind == "web"
    assert settings.database_url == f"sqlite:///{tmp_path / 'var' / 'shequn.db'}"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("comunity: {name: x}", "comunity"),
        ("web: {port: 99999}", "web.port"),
        ("web: {port: abc}", "web.port"),
        ("web: {host: 0.0.0.0}", "web"),
        ("community: {time_zone: Mars/Base}", "community.time_zone"),
        ("community: {locale: fr}", "community.locale"),
        ("channels: []", "channels"),
        ("channels: [{kind: web}]", "channels.0.account"),
        ("channels: [{kind: icq, account: a}]", "channels.0"),
        ("channels: [{account: a}]", "channels.0"),
        ("channels: [{kind: web, account: a}, {kind: terminal, account: a}]", "channels.1.account"),
        ("channels: [{kind: web, account: a}, {kind: web, account: b}]", "channels"),
        ("channels: [{kind: web, account: a, token: x}]", "channels.0.token"),
        ("channels: [{kind: wechaty, account: a, endpoint: here}]", "channels.0"),
        ("channels: [{kind: wechaty, account: a, endpoint: 'h:1'}]", "channels.0.token"),
        ("groups: [{name: ''}]", "groups.0.name"),
        ("groups: [{name: a, policy: loud}]", "groups.0.policy"),
        ("groups: [{name: a, account: nobody}]", "groups.0.account"),
        ("groups: [{name: a}, {name: a}]", "groups.1.name"),
        ("groups: [{name: 7}]", "groups.0.name"),
        (
            "channels: [{kind: web, account: w}]\ngroups: [{name: a, account: w}, {name: a}]",
            "groups.1.name",
        ),
        ("groups: [{name: a, id: '1'}, {name: b, id: '1'}]", "groups.1.id"),
        ("operators: {id: '1'}", "operators.group"),
        ("operators: {group: ops, account: nobody}", "operators.account"),
        ("policies: {default: {silence: ['(']}}", "policies.default.silence.0"),
        ("policies: {default: {wake: always}}", "policies.default.wake"),
        ("knowledge: {threshold: 2}", "knowledge.threshold"),
        ("model: {api_key: sk-123}", "model.api_key"),
        ("model: {timeout_seconds: 0}", "model.timeout_seconds"),
        ("pacing: {quiet_hours: {start: '25:00'}}", "pacing.quiet_hours.start"),
        ("pacing: {wechaty: {per_minute: -1}}", "pacing.wechaty.per_minute"),
        ("offers: {horizon_days: 0}", "offers.horizon_days"),
        ("log_level: loud", "log_level"),
        ("8080: x", "8080"),
        ("_env_file: .env", "_env_file"),
        ("storage: {database_url: 'postgresql://u:geheim@db/x'}", "storage.database_url"),
    ],
)
def test_every_fault_is_told_by_its_path_with_a_remedy(
    tmp_path: Path, text: str, path: str
) -> None:
    findings = refused(tmp_path, text)
    assert [finding.path for finding in findings] == [path]
    assert all(finding.message and finding.remedy for finding in findings)


WECHATY = "channels: [{kind: wechaty, account: main, endpoint: '127.0.0.1:1'}]\n"


def test_two_groups_of_one_name_are_refused_since_knowledge_goes_by_it(tmp_path: Path) -> None:
    (fault,) = refused(tmp_path, "groups: [{name: a, id: '1'}, {name: a, id: '2'}]")
    assert (fault.path, "another name" in fault.remedy) == ("groups.1.name", True)
    text = "groups: [{name: a, id: '1'}, {name: a 二店, id: '2'}]"
    assert [group.id for group in loaded(tmp_path, text).groups] == ["1", "2"]


@pytest.mark.parametrize("text", ['identity: "我是{bot}。"', 'welcome: ""', "welcome: 大家好！"])
def test_the_bot_cannot_be_made_to_hide_what_it_is(tmp_path: Path, text: str) -> None:
    (fault,) = refused(tmp_path, f"texts: {{{text}}}")
    assert fault.path == f"texts.{text.partition(':')[0]}"


@pytest.mark.parametrize(
    "text",
    [
        "model: {base_url: 'https://me:hunter2@models.example/v1'}",
        "model: {fallbacks: [{name: b, base_url: 'https://hunter2@models.example/v1'}]}",
        "storage: {chroma_url: 'http://me:hunter2@chroma.example'}",
    ],
)
def test_a_password_in_an_endpoints_address_is_refused_and_not_repeated(
    tmp_path: Path, text: str
) -> None:
    (fault,) = refused(tmp_path, text)
    assert "hunter2" not in str(fault)
    assert "environment" in fault.remedy or "variable" in fault.remedy


def test_the_operators_group_may_be_named_by_its_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHEQUN_WECHATY_TOKEN", "t")
    text = WECHATY + "operators: {group: 运营群, id: '9@chatroom', members: [wxid_a, 佐藤]}"
    settings = loaded(tmp_path, text)
    seen = partial(GroupSeen, channel="wechaty", account="main", at=datetime.now(UTC))
    database = bootstrap.open_database(settings)
    with database.transaction() as connection:
        directory = bootstrap.open_directory(settings)
        stranger = directory.see_group(connection, seen(group_id="1@chatroom", name="运营群"))
        ours = directory.see_group(connection, seen(group_id="9@chatroom", name="改名了"))
        kinds = [directory.group(connection, group).kind for group in (stranger, ours)]
    database.close()
    assert kinds == ["unlisted", "operators"]


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = "web: {port: -1}\nlog_level: loud\ngroups: [{name: ''}]\n"
    paths = {finding.path for finding in refused(tmp_path, text)}
    assert paths == {"web.port", "log_level", "groups.0.name"}


@pytest.mark.parametrize(
    "text",
    [
        "storage: {database_url: 'postgresql://u:geheim@db/x'}",
        "channels: [{kind: web, account: a, token: geheim}]",
        "model: {api_key: geheim}",
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    (finding,) = refused(tmp_path, text)
    assert "environment" in finding.remedy
    assert "geheim" not in str(finding)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("web:\n  port: 80\n bad: x\n", "config.yaml:3:2"),
        ("groups: [a, b\n", "config.yaml:2:1"),
        ("a: 1\nb: 'x\n", "config.yaml:3:1"),
        ("a: !!python/object:os.system x", "config.yaml:1:4"),
        ("when: 2027-02-30", "config.yaml"),
        ("- a list", "config.yaml"),
    ],
)
def test_broken_yaml_is_told_with_its_line(tmp_path: Path, text: str, place: str) -> None:
    (finding,) = refused(tmp_path, text)
    assert finding.path == str(tmp_path / place)
    assert finding.remedy


def test_a_missing_unreadable_or_foreign_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no such file"):
        config.load(tmp_path / "config.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        config.load(tmp_path)
    (tmp_path / "gbk.yaml").write_bytes("community: {name: 中文社区}".encode("gbk"))
    with pytest.raises(ConfigurationError, match="UTF-8"):
        config.load(tmp_path / "gbk.yaml")


def test_environment_variables_go_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHEQUN_WEB__PORT", "9000")
    monkeypatch.setenv("SHEQUN_LOG_LEVEL", "debug")
    monkeypatch.setenv("SHEQUN_DATABASE_URL", "postgresql+psycopg://u:p@db/x")
    settings = loaded(tmp_path, "web: {port: 80, host: localhost}\nlog_level: error\n")
    assert (settings.web.port, settings.web.host, settings.log_level) == (
        9000,
        "localhost",
        "debug",
    )
    assert settings.database_url == "postgresql+psycopg://u:p@db/x"


@pytest.mark.parametrize(
    ("name", "value", "path"),
    [
        ("SHEQUN_WEB__PORT", "many", "web.port"),
        ("SHEQUN_GROUPS", "not json", "groups"),
        ("SHEQUN_CHANNELS", "{", "channels"),
    ],
)
def test_a_faulty_variable_is_told_like_a_faulty_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, path: str
) -> None:
    monkeypatch.setenv(name, value)
    (finding,) = refused(tmp_path, "")
    assert finding.path == path
    assert finding.remedy


def test_the_gateways_token_comes_from_the_named_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "geheim")
    account = "kind: wechaty, account: a, endpoint: 'h:1', token_variable: MY_TOKEN"
    settings = loaded(tmp_path, f"channels: [{{{account}, tls: {{authority: ca.pem}}}}]")
    (found,) = settings.channels
    assert isinstance(found, WechatyAccount)
    assert settings.wechaty_token(found) == "geheim"
    assert found.tls.authority == tmp_path / "ca.pem"
    assert "geheim" not in repr(settings)


def test_a_clock_time_may_stand_without_quotes(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "pacing: {quiet_hours: {start: 22:00, end: 08:30}}")
    hours = settings.pacing.quiet_hours
    assert hours is not None
    assert (hours.start.hour, hours.end.isoformat()) == (22, "08:30:00")
    assert loaded(tmp_path, "pacing: {quiet_hours: null}").pacing.quiet_hours is None


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://h/x", "sqlite://", "sqlite:///:memory:", "x://"]
)
def test_a_url_of_no_usable_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"storage\.database_url"):
        Database(url)


@pytest.mark.parametrize(
    ("text", "path", "told"),
    [
        ("egress: {allow: api.example.com}", "egress.allow", "must be a list: [a, b]"),
        ("groups: [{name: 一, tags: vip}]", "groups.0.tags", "must be a list: [a, b]"),
        ("web: {port: abc}", "web.port", "must be a whole number, such as 5"),
        ("web: {port: 80.5}", "web.port", "must be a whole number, such as 5"),
        ("model: {timeout_seconds: fast}", "model.timeout_seconds", "must be a number, such"),
        ("egress: {mask: perhaps}", "egress.mask", "must be true or false"),
        ("web: here", "web", "must be a section of `name: value` lines"),
        ("groups: [{tags: []}]", "groups.0.name", "is missing"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_in_words_of_the_file(
    tmp_path: Path, text: str, path: str, told: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        loaded(tmp_path, text)
    (finding,) = refused.value.findings
    assert finding.path == path
    assert finding.message.startswith(told)
