"""`shequn user` as an owner types it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from owner_at_work import Owner
from sqlalchemy import select

from agent import access, audit, bootstrap, config, tickets
from agent.access import user_of_token
from agent.access.tables import users
from agent.database import Database
from agent.directory import Directory, GroupPlan
from agent.errors import ConfigurationError, UsageError
from agent.events import GroupSeen, MemberSeen
from agent.webhooks.tables import webhook_deliveries

PASSWORD = "晚风吹过竹林，三点半下班"


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner(tmp_path / "shop")


def opened(owner: Owner) -> Database:
    return bootstrap.open_database(config.load(owner.folder / "config.yaml"))


def makes(owner: Owner, login: str, *roles: str) -> None:
    options = [word for role in roles or ("admin",) for word in ("--role", role)]
    made = owner.types("user", "add", login, *options, "--password-stdin", answers=PASSWORD + "\n")
    assert made.code == 0


def listed(owner: Owner) -> dict[str, dict[str, object]]:
    return {one["login"] or one["name"]: one for one in owner.types("user", "list", "--json").json}


def test_the_password_is_asked_for_twice_and_never_shown(owner: Owner) -> None:
    typed = f"{PASSWORD}\nanother one entirely\n{PASSWORD}\n{PASSWORD}\n"
    made = owner.types("user", "add", "Lin", "--role", "admin", "--name", "小林", answers=typed)
    assert made.code == 0
    assert PASSWORD not in made.out + made.notes
    assert listed(owner)["lin"]["roles"] == ["admin"]


def test_a_weak_password_and_an_unknown_role_are_refused(owner: Owner) -> None:
    with pytest.raises(UsageError, match="10 to 200"):
        owner.types("user", "add", "lin", "--role", "admin", "--password-stdin", answers="short\n")
    with pytest.raises(UsageError, match="operator, marketer, admin"):
        owner.types("user", "add", "lin", "--role", "boss", "--password-stdin", answers=PASSWORD)
    assert listed(owner) == {}


def test_roles_standing_and_password_change_and_everything_is_audited(owner: Owner) -> None:
    makes(owner, "boss")
    makes(owner, "lin", "operator")
    owner.types("user", "role", "lin", "operator", "marketer")
    owner.types("user", "deactivate", "lin")
    assert listed(owner)["lin"]["active"] is False
    owner.types("user", "activate", "lin")
    owner.types("user", "password", "lin", "--password-stdin", answers="correct horse battery\n")
    assert listed(owner)["lin"]["roles"] == ["marketer", "operator"]
    with pytest.raises(UsageError, match="last admin"):
        owner.types("user", "deactivate", "boss")
    database = opened(owner)
    with database.reading() as connection:
        number = connection.scalar(select(users.c.id).where(users.c.login == "lin"))
        acts = audit.entries(connection, f"user:{number}")
    database.close()
    assert [one["action"] for one in acts] == [
        "user.added",
        "user.roles_changed",
        "user.deactivated",
        "user.activated",
        "user.password_changed",
    ]
    assert all(one["actor"].startswith("cli:") for one in acts)
    assert PASSWORD not in str(acts)


def test_a_token_is_shown_once_and_works_until_it_is_revoked(owner: Owner) -> None:
    makes(owner, "lin", "operator")
    with pytest.raises(UsageError, match="may not use users:admin"):
        owner.types("user", "tokens", "add", "lin", "--name", "crm", "--scope", "users:admin")
    made = owner.types("user", "tokens", "add", "lin", "--name", "crm", "--scope", "tickets:read")
    secret = made.out.strip()
    assert secret.startswith("shq_")
    assert secret not in owner.types("user", "tokens", "list", "--json").out
    database = opened(owner)
    now = datetime.now(UTC)
    with database.reading() as connection:
        found = user_of_token(connection, secret, now)
    assert found is not None
    assert found[0].login == "lin"
    owner.types("user", "tokens", "revoke", str(found[1].id))
    with database.reading() as connection:
        assert user_of_token(connection, secret, now) is None
        stored = str(connection.execute(select(access.tables.api_tokens)).all())
    database.close()
    assert secret not in stored


def seen_in_wechat(owner: Owner, name: str) -> int:
    """Somebody takes a ticket in the operators' group; returns the ticket's number."""
    database = opened(owner)
    now = datetime.now(UTC)
    plans = [
        GroupPlan(channel="web", account="demo", name="会员群"),
        GroupPlan(channel="web", account="demo", name="运营群", kind="operators"),
    ]
    directory = Directory(plans, {("web", "demo"): ("小露",)})
    with database.transaction() as connection:
        places = [
            directory.see_group(
                connection,
                GroupSeen(
                    channel="web", account="demo", group_id=group, name=group, at=now,
                    members=(MemberSeen(external_id=f"wx-{who}", name=who),),
                ),
            )
            for group, who in (("会员群", "小满"), ("运营群", name))
        ]  # fmt: skip
        asker, operator = (_member(connection, group) for group in places)
        opened_now = tickets.open_or_join(
            connection,
            tickets.Asked(
                group=directory.group(connection, places[0]), member=asker, turn_id=None,
                question="冰岛有门店吗？", reason="not_in_knowledge",
            ),
            now,
        )  # fmt: skip
        user = access.operator_in_wechat(connection, operator, now)
        tickets.claim(connection, opened_now.ticket_id, by=user.actor, now=now)
    database.close()
    return opened_now.ticket_id


def _member(connection, group_id):  # type: ignore[no-untyped-def]
    from agent.directory import find_members, members

    number = connection.scalar(select(members.c.id).where(members.c.group_id == group_id))
    return find_members(connection, [number])[number]


def test_who_was_known_from_the_group_only_keeps_their_tickets_under_a_login(owner: Owner) -> None:
    number = seen_in_wechat(owner, "佐藤")
    makes(owner, "sato", "operator")
    linked = owner.types("user", "link", "sato", "佐藤")
    assert "1 tickets are theirs" in linked.out
    people = listed(owner)
    assert people["sato"]["wechat_id"] == "wx-佐藤"
    assert people["佐藤"]["active"] is False
    database = opened(owner)
    with database.reading() as connection:
        ticket = tickets.get(connection, number)
        by = {event.user_id for event in tickets.events(connection, number) if event.user_id}
    database.close()
    assert ticket.assignee_id == people["sato"]["id"]
    assert by == {people["sato"]["id"]}


def test_somebody_not_heard_of_yet_is_linked_by_the_networks_id(owner: Owner) -> None:
    makes(owner, "sato", "operator")
    owner.types("user", "link", "sato", "wxid_7")
    makes(owner, "other", "operator")
    with pytest.raises(UsageError, match="already"):
        owner.types("user", "link", "other", "wxid_7")


HOOK = """
webhooks:
  - {name: crm, url: "https://127.0.0.1:9/x", secret_variable: SHEQUN_WEBHOOK_CRM}
"""


def test_a_webhook_needs_its_secret_in_the_environment(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = owner.folder / "config.yaml"
    path.write_text(path.read_text("utf-8") + HOOK, "utf-8")
    with pytest.raises(ConfigurationError, match="SHEQUN_WEBHOOK_CRM is not set"):
        owner.types("webhooks", "list")
    monkeypatch.setenv("SHEQUN_WEBHOOK_CRM", "correct-horse-battery-staple")
    assert "everything was taken" in owner.types("webhooks", "list").out
    path.write_text(path.read_text("utf-8").replace("https://127", "http://127"), "utf-8")
    with pytest.raises(ConfigurationError, match="use https"):
        owner.types("webhooks", "list")


def test_what_was_not_taken_is_listed_and_tried_again(owner: Owner) -> None:
    number = seen_in_wechat(owner, "佐藤")
    database = opened(owner)
    now = datetime.now(UTC)
    with database.transaction() as connection:
        event = connection.scalar(select(tickets.ticket_events.c.id))
        connection.execute(
            webhook_deliveries.insert().values(
                webhook="crm", event_id=event, ticket_id=number, payload={"type": "ticket.opened"},
                state="failed", attempts=9, due_at=now, queued_at=now, done_at=now,
                error="answered 503",
            )
        )  # fmt: skip
    database.close()
    [told] = owner.types("webhooks", "list", "--json").json
    assert (told["event"], told["state"], told["error"]) == (
        "ticket.opened", "failed", "answered 503",
    )  # fmt: skip
    assert "1 to be tried again" in owner.types("webhooks", "retry", "--all").out
    assert owner.types("webhooks", "list", "--json").json[0]["state"] == "pending"
    with pytest.raises(UsageError, match="no delivery 77"):
        owner.types("webhooks", "retry", "77")


def test_without_an_admin_the_page_is_served_to_this_machine_alone(owner: Owner) -> None:
    path = owner.folder / "config.yaml"
    elsewhere = 'web: {host: 0.0.0.0, port: 0, public_url: "http://desk.example.com"}\n'
    path.write_text(path.read_text("utf-8") + elsewhere, "utf-8")
    with pytest.raises(UsageError, match="shequn user add"):
        owner.types("run")
    checked = owner.types("check", "--json")
    assert checked.code == 1
    told = {one["path"]: one["severity"] for one in checked.json}
    assert (told["web.host"], told["web.public_url"]) == ("error", "warning")
    makes(owner, "boss")
    assert "web.host" not in {one["path"] for one in owner.types("check", "--json").json}


def test_check_warns_of_a_simulator_beside_a_public_address(owner: Owner) -> None:
    makes(owner, "boss")
    path = owner.folder / "config.yaml"
    plain = path.read_text("utf-8")
    public = 'web: {public_url: "https://desk.example.com", trusted_proxies: [127.0.0.1]'
    path.write_text(plain + public + "}\n", "utf-8")
    [told] = [one for one in owner.types("check", "--json").json if one["path"] == "web"]
    assert "without the simulator" in told["message"]
    path.write_text(plain + public + ", simulator: true}\n", "utf-8")
    warned = {one["path"]: one["severity"] for one in owner.types("check", "--json").json}
    assert warned["web.simulator"] == "warning"


@pytest.mark.parametrize(
    "web",
    [
        "{public_url: desk.example.com}",
        "{public_url: https://desk.example.com/path}",
        "{public_url: https://me:secret@desk.example.com}",
        "{trusted_proxies: [proxy.example.com]}",
        "{host: 0.0.0.0}",
    ],
)
def test_how_the_page_is_reached_is_given_plainly(owner: Owner, web: str) -> None:
    path = owner.folder / "config.yaml"
    path.write_text(path.read_text("utf-8") + f"web: {web}\n", "utf-8")
    with pytest.raises(ConfigurationError, match="web") as refusal:
        owner.types("user", "list")
    assert "secret" not in str(refusal.value)
