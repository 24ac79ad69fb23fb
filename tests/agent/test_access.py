"""Signing in: passwords, locks, sessions and what ends them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from agent import access, audit
from agent.access import Access, Refusal, Role, Rules, SignedIn, User, administering, passwords
from agent.access.tables import sessions, users
from agent.actors import Actor
from agent.database import Database
from agent.errors import UsageError
from agent.signals import Feed

MORNING = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
OWNER = Actor(name="cli")
PASSWORD = "晚风吹过竹林，三点半下班"
HASH = passwords.hashed(PASSWORD)
OFFICE = "203.0.113.7"


class Watch:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at = MORNING

    def now(self) -> datetime:
        return self.at

    def passes(self, **by: float) -> None:
        self.at += timedelta(**by)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def door(database: Database, watch: Watch) -> Access:
    return Access(database=database, now=watch.now, feed=Feed())


def somebody(database: Database, login: str = "lin", *roles: Role) -> User:
    with database.transaction() as connection:
        return administering.add(
            connection,
            login,
            name="小林",
            roles=roles or (Role.operator,),
            password_hash=HASH,
            by=OWNER,
            now=MORNING,
        )


async def signed_in(door: Access, login: str = "lin", password: str = PASSWORD) -> SignedIn:
    done = await door.sign_in(login, password, address=OFFICE, browser="Firefox")
    assert isinstance(done, SignedIn)
    return done


async def refused(door: Access, login: str, password: str, address: str = OFFICE) -> Refusal:
    done = await door.sign_in(login, password, address=address)
    assert isinstance(done, Refusal)
    return done


async def test_the_right_password_opens_a_session(database: Database, door: Access) -> None:
    user = somebody(database)
    session = await signed_in(door, " Lin ")
    found = await door.who(session.token)
    assert found is not None
    assert (found.user.id, found.user.name, found.browser) == (user.id, "小林", "Firefox")
    with database.reading() as connection:
        kept = connection.scalar(select(sessions.c.token_hash))
        actions = [one["action"] for one in audit.entries(connection, f"user:{user.id}")]
    assert session.token not in str(kept)
    assert actions == ["user.added", "user.signed_in"]


async def test_unknown_inactive_and_passwordless_users_are_refused_alike(
    database: Database, door: Access
) -> None:
    gone = somebody(database, "gone")
    somebody(database, "admin", Role.admin)
    with database.transaction() as connection:
        administering.deactivate(connection, gone.id, by=OWNER, now=MORNING)
        connection.execute(
            users.insert().values(
                login="empty", name="x", roles=["operator"], active=True, created_at=MORNING
            )
        )
    answers = [
        await refused(door, login, password)
        for login, password in [
            ("nobody", PASSWORD),
            ("gone", PASSWORD),
            ("empty", ""),
            ("admin", "wrong"),
        ]
    ]
    assert answers == [Refusal()] * 4


async def test_five_wrong_passwords_lock_a_login_for_growing_minutes(
    database: Database, door: Access, watch: Watch
) -> None:
    somebody(database)
    for _ in range(5):
        assert (await refused(door, "lin", "wrong")).locked_until is None
    minutes = []
    for _ in range(3):
        locked = await refused(door, "lin", PASSWORD)  # the right one does not help
        assert locked.locked_until is not None
        minutes.append(locked.locked_until - watch.at)
        watch.at = locked.locked_until
        assert (await refused(door, "lin", "wrong")).locked_until is None
    assert minutes == [timedelta(minutes=m) for m in (1, 2, 4)]
    watch.passes(minutes=31)
    await signed_in(door)
    assert (await refused(door, "lin", "wrong")).locked_until is None  # counted from the beginning


async def test_a_login_that_nobody_has_is_locked_as_well(door: Access) -> None:
    for _ in range(5):
        await refused(door, "nobody", "wrong")
    assert (await refused(door, "nobody", "wrong")).locked_until is not None


async def test_many_guesses_at_once_are_no_more_than_one_after_the_other(
    database: Database, door: Access
) -> None:
    somebody(database)
    guesses = [door.sign_in("lin", f"guess {n}", address=OFFICE) for n in range(20)]
    done = await asyncio.gather(*guesses)
    judged = [one for one in done if isinstance(one, Refusal) and one.locked_until is None]
    assert len(judged) == 5


async def test_an_address_that_guesses_many_logins_is_locked(
    database: Database, watch: Watch
) -> None:
    door = Access(database=database, now=watch.now, feed=Feed(), rules=Rules(of_address=6))
    somebody(database)
    for n in range(6):
        await refused(door, f"guess{n}", "wrong")
    assert isinstance(await door.sign_in("lin", PASSWORD, address=OFFICE), Refusal)
    assert isinstance(await door.sign_in("lin", PASSWORD, address="198.51.100.1"), SignedIn)


async def test_colleagues_behind_one_address_do_not_lock_each_other_out(
    database: Database, watch: Watch
) -> None:
    door = Access(database=database, now=watch.now, feed=Feed(), rules=Rules(of_address=3))
    somebody(database)
    for _ in range(6):
        await signed_in(door)


async def test_a_locked_login_can_be_unlocked_by_hand(database: Database, door: Access) -> None:
    somebody(database)
    for _ in range(5):
        await refused(door, "lin", "wrong")
    with database.transaction() as connection:
        assert administering.unlock(connection, "lin", by=OWNER, now=MORNING)
    await signed_in(door)


async def test_a_session_ends_when_nobody_uses_it(
    database: Database, door: Access, watch: Watch
) -> None:
    somebody(database)
    session = await signed_in(door)
    for _ in range(3):
        watch.passes(hours=11)
        assert await door.who(session.token)
    watch.passes(hours=12)
    assert await door.who(session.token) is None


async def test_a_page_that_nobody_sits_before_keeps_no_session_alive(
    database: Database, door: Access, watch: Watch
) -> None:
    somebody(database)
    session = await signed_in(door)
    for _ in range(11):
        watch.passes(hours=1)
        assert await door.who(session.token, in_use=False)
    watch.passes(hours=1)
    assert await door.who(session.token, in_use=False) is None


async def test_a_session_ends_after_a_week_however_much_it_is_used(
    database: Database, door: Access, watch: Watch
) -> None:
    somebody(database)
    session = await signed_in(door)
    for _ in range(27):
        watch.passes(hours=6)
        assert await door.who(session.token)
    watch.passes(hours=6)
    assert await door.who(session.token) is None


async def test_signing_out_ends_this_session_or_all_of_them(
    database: Database, door: Access
) -> None:
    user = somebody(database)
    first, second, third = [await signed_in(door) for _ in range(3)]
    await door.sign_out(first.token)
    assert await door.who(first.token) is None
    assert len(await door.sessions_of(user)) == 2
    await door.sign_out_everywhere(user, besides=third.token)
    assert await door.who(second.token) is None
    assert await door.who(third.token)


@pytest.mark.parametrize("change", ["deactivated", "roles", "password"])
async def test_sessions_end_with_what_they_were_given_for(
    database: Database, door: Access, change: str
) -> None:
    somebody(database, "boss", Role.admin)
    user = somebody(database)
    session = await signed_in(door)
    with database.transaction() as connection:
        match change:
            case "deactivated":
                administering.deactivate(connection, user.id, by=OWNER, now=MORNING)
            case "roles":
                administering.set_roles(connection, user.id, [Role.marketer], by=OWNER, now=MORNING)
            case _:
                administering.set_password(connection, user.id, HASH, by=OWNER, now=MORNING)
    assert await door.who(session.token) is None
    with database.reading() as connection:
        assert connection.scalar(select(sessions.c.ended_why)) == change


async def test_a_new_password_needs_the_old_one_and_ends_other_sessions(
    database: Database, door: Access
) -> None:
    user = somebody(database)
    here, elsewhere = await signed_in(door), await signed_in(door)
    new = "correct horse battery staple"
    with pytest.raises(UsageError) as wrong:
        await door.change_password(user, "wrong", new, token=here.token, address=OFFICE)
    assert wrong.value.code == "wrong_password"
    await door.change_password(user, PASSWORD, new, token=here.token, address=OFFICE)
    assert await door.who(here.token)
    assert await door.who(elsewhere.token) is None
    await refused(door, "lin", PASSWORD)
    await signed_in(door, password=new)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "password_length"),
        ("x" * 201, "password_length"),
        ("aaaaaaaaaaaa", "password_easy"),
        ("hello-world", "password_easy"),
        ("dlrow-olleh", "password_easy"),
    ],
)
def test_what_is_easily_guessed_is_no_password(password: str, code: str) -> None:
    with pytest.raises(UsageError) as refusal:
        passwords.check(password, "hello-world")
    assert refusal.value.code == code


def test_a_password_is_the_same_however_a_keyboard_composes_it() -> None:
    assert passwords.matches(
        passwords.hashed("パスワードはカフェで"), "ハ\u309aスワート\u3099はカフェで"
    )


def test_an_old_hash_is_known_as_such() -> None:
    from argon2 import PasswordHasher

    assert passwords.is_outdated(PasswordHasher(time_cost=1, memory_cost=8192).hash("x"))
    assert not passwords.is_outdated(HASH)


async def test_a_hash_of_old_parameters_is_renewed_on_signing_in(
    database: Database, door: Access
) -> None:
    from argon2 import PasswordHasher

    user, plain = somebody(database), "correct horse battery staple"
    old = PasswordHasher(time_cost=1, memory_cost=8192).hash(plain)
    with database.transaction() as connection:
        connection.execute(users.update().values(password_hash=old))
    await signed_in(door, password=plain)
    with database.reading() as connection:
        kept = connection.scalar(select(users.c.password_hash).where(users.c.id == user.id))
    assert kept is not None
    assert not passwords.is_outdated(kept)
    await signed_in(door, password=plain)


def test_the_last_admin_stays_one(database: Database) -> None:
    boss = somebody(database, "boss", Role.admin)
    with database.transaction() as connection, pytest.raises(UsageError) as refusal:
        administering.set_roles(connection, boss.id, [Role.operator], by=OWNER, now=MORNING)
    assert refusal.value.code == "last_admin"
    with database.transaction() as connection, pytest.raises(UsageError):
        administering.deactivate(connection, boss.id, by=OWNER, now=MORNING)
    somebody(database, "other", Role.admin)
    with database.transaction() as connection:
        administering.deactivate(connection, boss.id, by=OWNER, now=MORNING)


async def test_language_and_preferences_are_kept(database: Database, door: Access) -> None:
    user = somebody(database)
    assert (await door.set_language(user, "ja")).language == "ja"
    with pytest.raises(UsageError):
        await door.set_language(user, "tlh")
    await door.set_preferences(user, {"dark": True, "sound": "off"})
    await door.set_preferences(user, {"sound": None})
    with database.reading() as connection:
        found = access.get(connection, user.id)
    assert found is not None
    assert found.preferences == {"dark": True}


@pytest.mark.parametrize("token", ["", "x", "é" * 40, "x" * 43, "x" * 5000])
async def test_what_is_no_token_is_nobodys(door: Access, token: str) -> None:
    assert await door.who(token) is None
