"""`shequn user`: who works with Shequn, and the tokens of their programs."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli import opening
from agent.cli.opening import AsJson

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from agent.access import Role
    from agent.actors import Actor

app = typer.Typer(help="Who works with Shequn.", no_args_is_help=True)
tokens = typer.Typer(help="Tokens of programs that use the HTTP API.", no_args_is_help=True)
app.add_typer(tokens, name="tokens")

Login = Annotated[str, typer.Argument(help="What they sign in by.")]
Roles = Annotated[
    list[str], typer.Option("--role", help="operator | marketer | admin; may be given again.")
]
FromInput = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


@app.command()
def add(
    context: typer.Context,
    login: Login,
    role: Roles,
    name: Annotated[str, typer.Option(help="As colleagues read it; default: the login.")] = "",
    language: Annotated[str, typer.Option(help="zh-CN | ja | en; default: the community's.")] = "",
    wechat_id: Annotated[
        str | None, typer.Option(help="Who they are in the operators' group, by the network's id.")
    ] = None,
    password_stdin: FromInput = False,
) -> None:
    """Make a user who can sign in. The password is asked for, and never an argument."""
    from agent.access import administering, passwords

    login = administering.normal_login(login)
    roles = _roles(role)
    hashed = passwords.hashed(_new_password(login, password_stdin))
    with _changing(context) as (connection, by, now):
        user = administering.add(
            connection,
            login,
            name=name,
            roles=roles,
            password_hash=hashed,
            language=language,
            wechat_id=wechat_id,
            by=by,
            now=now,
        )
    typer.echo(f"{user.login} ({user.name}) may sign in as {', '.join(sorted(user.roles))}")


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """Everybody, also who is known from the operators' group only."""
    from rich.table import Table
    from rich.text import Text

    from agent import access

    with opening.opened(context) as (_, database), database.reading() as connection:
        found = access.listed(connection)
    if as_json:
        opening.print_json(
            [
                {
                    "id": user.id,
                    "login": user.login,
                    "name": user.name,
                    "roles": sorted(user.roles),
                    "language": user.language,
                    "active": user.active,
                    "on_duty": user.on_duty,
                    "wechat_id": user.wechat_id,
                }
                for user in found
            ]
        )
        return
    table = Table("#", "login", "name", "roles", "WeChat", "", box=None)
    for user in found:
        state = "" if user.active else "inactive"
        table.add_row(
            str(user.id),
            Text(user.login or "–"),
            Text(user.name),
            ", ".join(sorted(user.roles)),
            Text(user.wechat_id or ""),
            state or ("on duty" if user.on_duty else ""),
        )
    opening.console().print(table if found else "nobody yet: `shequn user add NAME --role admin`")


@app.command()
def password(context: typer.Context, login: Login, password_stdin: FromInput = False) -> None:
    """Give a user a new password; their sessions end."""
    from agent.access import administering, passwords

    hashed = passwords.hashed(_new_password(login.strip().lower(), password_stdin))
    with _changing(context) as (connection, by, now):
        user = administering.by_login(connection, login)
        administering.set_password(connection, user.id, hashed, by=by, now=now)
    typer.echo(f"{user.login} has a new password; every session of theirs has ended")


@app.command()
def role(
    context: typer.Context,
    login: Login,
    roles: Annotated[list[str], typer.Argument(help="operator, marketer, admin: all of them.")],
) -> None:
    """Set what a user may do; their sessions end."""
    from agent.access import administering

    wanted = _roles(roles)
    with _changing(context) as (connection, by, now):
        user = administering.by_login(connection, login)
        changed = administering.set_roles(connection, user.id, wanted, by=by, now=now)
    typer.echo(f"{changed.login}: {', '.join(sorted(changed.roles))}")


@app.command()
def deactivate(context: typer.Context, login: Login) -> None:
    """Let a user do nothing any more; what they did stays on record."""
    from agent.access import administering

    with _changing(context) as (connection, by, now):
        user = administering.by_login(connection, login)
        administering.deactivate(connection, user.id, by=by, now=now)
    typer.echo(f"{user.login} may do nothing any more")


@app.command()
def activate(context: typer.Context, login: Login) -> None:
    """Let a deactivated user work again."""
    from agent.access import administering

    with _changing(context) as (connection, by, now):
        user = administering.by_login(connection, login)
        administering.activate(connection, user.id, by=by, now=now)
    typer.echo(f"{user.login} may sign in again")


@app.command()
def unlock(context: typer.Context, login: Login) -> None:
    """Lift the lock that wrong passwords put on a login."""
    from agent.access import administering

    with _changing(context) as (connection, by, now):
        unlocked = administering.unlock(connection, login, by=by, now=now)
    typer.echo(f"{login} may be tried again" if unlocked else f"{login} was not locked")


@app.command()
def link(
    context: typer.Context,
    login: Login,
    who: Annotated[
        str, typer.Argument(help="In the operators' group: number, name, or the network's id.")
    ],
) -> None:
    """Say who a user is in the operators' group; tickets they took there become theirs."""
    from agent.access import administering
    from agent.service_desk import linking

    with _changing(context) as (connection, by, now):
        user = administering.by_login(connection, login)
        seen = linking.in_wechat(connection, who)
        given = 0
        if seen is not None:
            user, given = linking.link(connection, user.id, seen, by=by, now=now)
        else:  # not heard of yet: an id of the network, taken as it is
            administering.set_wechat(connection, user.id, who, by=by, now=now)
    if seen is not None:
        typer.echo(
            f"{user.login} is {seen.name} in the operators' group; {given} tickets are theirs"
        )
    else:
        typer.echo(f"{user.login} will be known by the id {who}; nobody of that id has written yet")


# -- tokens -------------------------------------------------------------------------


@tokens.command("add")
def add_token(
    context: typer.Context,
    login: Login,
    scope: Annotated[list[str], typer.Option(help="Such as tickets:read; may be given again.")],
    name: Annotated[str, typer.Option(help="What it is for.")],
    days: Annotated[int, typer.Option(help="Until it expires; 0: never.", min=0)] = 90,
) -> None:
    """Make a token and show it, once."""
    from agent.access import administering
    from agent.access import tokens as kept

    scopes = kept.scopes_of(scope)
    with _changing(context) as (connection, by, now):
        user = administering.by_login(connection, login)
        token, secret = kept.add(
            connection,
            user.id,
            name=name,
            scopes=scopes,
            expires_at=now + timedelta(days=days) if days else None,
            by=by,
            now=now,
        )
    typer.echo(secret)
    typer.echo(
        f"token {token.id} of {user.login}; nobody can see it again. "
        "Send it as `Authorization: Bearer …`",
        err=True,
    )


@tokens.command("list")
def list_tokens(context: typer.Context, as_json: AsJson = False) -> None:
    """Every token, newest first; the tokens themselves are kept nowhere."""
    from rich.table import Table
    from rich.text import Text

    from agent.access import tokens as kept

    with opening.opened(context) as (settings, database), database.reading() as connection:
        found = kept.listed(connection)
    if as_json:
        opening.print_json([asdict(token) | {"scopes": sorted(token.scopes)} for token in found])
        return
    table = Table("#", "token", "of", "for", "scopes", "last used", "until", box=None)
    for token in found:
        until = opening.local(token.expires_at, settings) or "–"
        table.add_row(
            str(token.id),
            f"{token.beginning}…",
            Text(token.user),
            Text(token.name),
            " ".join(sorted(token.scopes)),
            opening.local(token.last_used_at, settings) or "never",
            "revoked" if token.revoked_at else until,
        )
    opening.console().print(table if found else "no tokens")


@tokens.command("revoke")
def revoke_token(
    context: typer.Context,
    number: Annotated[int, typer.Argument(help="The token's number.", min=1)],
) -> None:
    """End a token at once."""
    from agent.access import tokens as kept

    with _changing(context) as (connection, by, now):
        kept.revoke(connection, number, by=by, now=now)
    typer.echo(f"token {number} is revoked")


# -- what all of them need ----------------------------------------------------------


@contextmanager
def _changing(context: typer.Context) -> Iterator[tuple[Connection, Actor, datetime]]:
    """A transaction, whoever sits at this machine as its actor, and the machine's time."""
    from agent.actors import Actor
    from agent.timekeeping import SystemClock

    with opening.opened(context) as (_, database), database.transaction() as connection:
        yield connection, Actor(name=f"cli:{_account()}"), SystemClock().now()


def _account() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an id without a name, as in containers
        return "?"


def _roles(words: list[str]) -> list[Role]:
    from agent.access import Role
    from agent.errors import UsageError

    try:
        return [Role(word) for word in words]
    except ValueError as error:
        raise UsageError(f"the roles are {', '.join(Role)}") from error


def _new_password(login: str, from_input: bool) -> str:
    from agent.access import passwords

    if from_input:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt="Once more")
    passwords.check(password, login)
    return password
