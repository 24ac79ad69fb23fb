"""Users and tokens over HTTP, for admins; and who one is, for everybody."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import AwareDatetime, Field

from agent.access import Role, Scope, Token, User
from agent.access.tokens import scopes_of
from agent.desk.api.calling import Caller, anybody, needs
from agent.desk.api.ports import ApiPorts
from agent.desk.api.shapes import Given, Name, Out

Admin = Annotated[Caller, needs(Scope.users_admin)]
UserNumber = Annotated[int, Path(ge=1, lt=2**31)]
Password = Annotated[str, Field(max_length=1000)]
RoleName = Annotated[Role, Field(strict=False)]


class ShownUser(Out):
    id: int
    login: str | None
    name: str
    roles: list[Role]
    language: str
    active: bool
    on_duty: bool
    wechat_id: str | None


class ShownToken(Out):
    id: int
    user_id: int
    name: str
    beginning: str = Field(description="Its first characters.")
    scopes: list[Scope]
    created_at: AwareDatetime
    created_by: str
    expires_at: AwareDatetime | None
    last_used_at: AwareDatetime | None
    revoked_at: AwareDatetime | None


class Me(Out):
    user: ShownUser
    scopes: list[Scope]
    expires_at: AwareDatetime | None


class NewUser(Given):
    login: Name
    name: Name
    roles: list[RoleName]
    password: Password
    language: str = ""
    wechat_id: str | None = Field(None, max_length=200)


class UserChange(Given):
    name: Name | None = None
    roles: list[RoleName] | None = None
    language: str | None = None
    active: bool | None = None


class NewPassword(Given):
    password: Password


class NewToken(Given):
    name: Name
    scopes: list[str] = Field(min_length=1, max_length=20)
    days: int = Field(90, ge=0, le=3650, description="Until it expires; 0: never.")


class MadeToken(ShownToken):
    secret: str = Field(description="The token; nobody can see it again.")


class Unlocked(Given):
    was_locked: bool


def router(ports: ApiPorts) -> APIRouter:
    api = APIRouter(tags=["users"])
    people = ports.people

    @api.get("/me", summary="Whose token this is, and what it may do")
    async def me(caller: Annotated[Caller, anybody()]) -> Me:
        return Me(
            user=_user(caller.user),
            scopes=sorted(caller.token.scopes),
            expires_at=caller.token.expires_at,
        )

    @api.get("/users", summary="Everybody, also who may no longer work")
    async def listed(caller: Admin) -> list[ShownUser]:
        return [_user(user) for user in await people.listed(caller.user)]

    @api.post("/users", status_code=201, summary="Make a user who can sign in")
    async def add(caller: Admin, given: NewUser) -> ShownUser:
        made = await people.add(
            caller.user,
            given.login,
            name=given.name,
            roles=given.roles,
            password=given.password,
            language=given.language,
            wechat_id=given.wechat_id,
        )
        return _user(made)

    @api.patch("/users/{number}", summary="Change a user; their sessions may end")
    async def change(caller: Admin, number: UserNumber, given: UserChange) -> ShownUser:
        changed = await people.change(
            caller.user,
            number,
            name=given.name,
            roles=given.roles,
            language=given.language,
            active=given.active,
        )
        return _user(changed)

    @api.put("/users/{number}/password", status_code=204, summary="Their sessions end")
    async def set_password(caller: Admin, number: UserNumber, given: NewPassword) -> None:
        await people.set_password(caller.user, number, given.password)

    @api.post("/users/{number}/unlock", summary="Lift the lock of wrong passwords")
    async def unlock(caller: Admin, number: UserNumber) -> Unlocked:
        return Unlocked(was_locked=await people.unlock(caller.user, number))

    @api.get("/users/{number}/tokens", summary="A user's tokens, newest first")
    async def tokens(caller: Admin, number: UserNumber) -> list[ShownToken]:
        return [_token(one) for one in await people.tokens(caller.user, number)]

    @api.post("/users/{number}/tokens", status_code=201, summary="Make a token, shown once")
    async def add_token(
        caller: Admin, number: UserNumber, given: NewToken, request: Request
    ) -> MadeToken:
        ends = ports.machine_now() + timedelta(days=given.days) if given.days else None
        token, secret = await people.add_token(
            caller.user,
            number,
            name=given.name,
            scopes=scopes_of(given.scopes),
            expires_at=ends,
        )
        request.state.once = True  # a repetition is not told the secret again
        return MadeToken(**_token(token).model_dump(), secret=secret)

    @api.delete("/tokens/{number}", status_code=204, summary="End a token at once")
    async def revoke(caller: Admin, number: UserNumber) -> None:
        await people.revoke_token(caller.user, number)

    return api


def _user(user: User) -> ShownUser:
    return ShownUser(
        id=user.id,
        login=user.login,
        name=user.name,
        roles=sorted(user.roles),
        language=user.language,
        active=user.active,
        on_duty=user.on_duty,
        wechat_id=user.wechat_id,
    )


def _token(token: Token) -> ShownToken:
    return ShownToken(
        id=token.id,
        user_id=token.user_id,
        name=token.name,
        beginning=token.beginning,
        scopes=sorted(token.scopes),
        created_at=token.created_at,
        created_by=token.created_by,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
        revoked_at=token.revoked_at,
    )
