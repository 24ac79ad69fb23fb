"""What the API says of itself, in its reader's language: by code, in English, Chinese, Japanese."""

from __future__ import annotations

from collections.abc import Mapping

from agent.desk.languages import LANGUAGES

WORDS: Mapping[str, tuple[str, str, str]] = {
    "no_token": (
        "Send a token: `Authorization: Bearer shq_…`.",
        "请带上令牌：Authorization: Bearer shq_…",
        "トークンを付けてください：Authorization: Bearer shq_…",
    ),
    "bad_token": (
        "This token is unknown, expired or revoked.",
        "令牌无效、已过期或已撤销。",
        "このトークンは無効か、期限切れか、取り消されています。",
    ),
    "scope": (
        "This token lacks the scope {scope}.",
        "此令牌没有权限 {scope}。",
        "このトークンには権限 {scope} がありません。",
    ),
    "no_right": (
        "The token's user may not do this.",
        "令牌所属的用户无权这样做。",
        "このトークンのユーザーにはその権限がありません。",
    ),
    "too_many": (
        "Too many requests: try again in {seconds} s.",
        "请求太频繁，请在 {seconds} 秒后重试。",
        "リクエストが多すぎます。{seconds} 秒後にやり直してください。",
    ),
    "too_large": (
        "The body is larger than {longest} bytes.",
        "请求内容超过 {longest} 字节。",
        "リクエストが {longest} バイトを超えています。",
    ),
    "bad_json": (
        "The body is not valid JSON.",
        "请求内容不是有效的 JSON。",
        "リクエストが正しい JSON ではありません。",
    ),
    "invalid": (
        "The request does not fit: {where}.",
        "请求不符合要求：{where}。",
        "リクエストが正しくありません：{where}。",
    ),
    "bad_key": (
        "An Idempotency-Key has 1 to 200 printable ASCII characters.",
        "Idempotency-Key 应为 1 到 200 个可打印的 ASCII 字符。",
        "Idempotency-Key は印字可能な ASCII 1〜200 文字です。",
    ),
    "key_reused": (
        "This Idempotency-Key was used for another request.",
        "这个 Idempotency-Key 已用于另一个请求。",
        "この Idempotency-Key は別のリクエストで使われています。",
    ),
    "under_way": (
        "The same request is being carried out: ask again shortly.",
        "相同的请求正在处理，请稍后再试。",
        "同じリクエストを処理中です。しばらくしてからやり直してください。",
    ),
    "shown_once": (
        "This was done; what it made was shown once and is kept nowhere.",
        "已经完成；结果只显示一次，没有保存。",
        "処理済みです。結果は一度だけ表示され、保存されていません。",
    ),
    "bad_version": (
        'If-Match holds a ticket\'s version, such as "7".',
        'If-Match 应为工单的版本号，例如 "7"。',
        'If-Match にはチケットの版を指定します（例："7"）。',
    ),
    "bad_period": (
        "`until` has to be after `since`, by at most 400 days.",
        "until 必须晚于 since，最多相差 400 天。",
        "until は since より後で、400 日以内にしてください。",
    ),
    "nothing_here": (
        "There is nothing at this address.",
        "这个地址没有内容。",
        "このアドレスには何もありません。",
    ),
    "wrong_method": (
        "This address does not take {method}.",
        "这个地址不接受 {method}。",
        "このアドレスでは {method} は使えません。",
    ),
    "broken": (
        "Something went wrong here; it is in the log under {reference}.",
        "服务出错了，日志编号 {reference}。",
        "エラーが発生しました。ログ番号：{reference}",
    ),
    "no_such_user": ("There is no such user.", "没有这个用户。", "そのユーザーはいません。"),
    "no_such_token": ("There is no such token.", "没有这个令牌。", "そのトークンはありません。"),
    "login_taken": (
        "There is a user {login} already.",
        "已经有用户 {login}。",
        "ユーザー {login} は既にいます。",
    ),
    "bad_login": (
        "A login has 2 to 64 letters, digits and . _ - + @.",
        "登录名为 2 到 64 个字母、数字或 . _ - + @。",
        "ログイン名は英数字と . _ - + @ の 2〜64 文字です。",
    ),
    "bad_name": (
        "A name has 1 to {longest} characters.",
        "名称为 1 到 {longest} 个字。",
        "名前は 1〜{longest} 文字です。",
    ),
    "no_role": (
        "A user has at least one role: {roles}.",
        "用户至少要有一个角色：{roles}。",
        "ユーザーには少なくとも一つの役割が必要です：{roles}",
    ),
    "bad_language": (
        "The languages are {languages}.",
        "可用的语言：{languages}。",
        "使える言語：{languages}",
    ),
    "password_length": (
        "A password has {shortest} to {longest} characters.",
        "密码为 {shortest} 到 {longest} 个字符。",
        "パスワードは {shortest}〜{longest} 文字です。",
    ),
    "password_easy": (
        "This password is too easily guessed.",
        "这个密码太容易猜到。",
        "このパスワードは推測されやすすぎます。",
    ),
    "wechat_taken": (
        "Somebody else goes by this WeChat id.",
        "这个微信 ID 已属于另一个用户。",
        "この WeChat ID は別のユーザーのものです。",
    ),
    "last_admin": (
        "This is the last admin: make somebody else one first.",
        "这是最后一位管理员，请先指定另一位。",
        "最後の管理者です。先に別の人を管理者にしてください。",
    ),
    "no_login": (
        "This user has no login.",
        "这个用户没有登录名。",
        "このユーザーにはログイン名がありません。",
    ),
    "beyond_rights": (
        "{name} may not use {scopes}.",
        "{name} 无权使用 {scopes}。",
        "{name} は {scopes} を使えません。",
    ),
    "bad_scope": ("The scopes are {scopes}.", "可用的权限：{scopes}。", "使える権限：{scopes}"),
    "past": ("This end lies in the past.", "结束时间已经过去。", "終了時刻が過去です。"),
}
_POSITION = {"en": 0, "zh-CN": 1, "ja": 2}


def said(code: str, language: str, **values: object) -> str:
    words = WORDS[code][_POSITION.get(language, 0)]
    for name, value in values.items():
        words = words.replace(f"{{{name}}}", str(value))
    return words


def language_of(accepted: str, otherwise: str) -> str:
    """The first of our languages that `Accept-Language` (RFC 9110, 12.5.4) names, by weight."""
    weighted = []
    for position, part in enumerate(accepted.split(",")[:20]):
        tag, _, weight = part.strip().partition(";")
        try:
            q = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            q = 0.0
        weighted.append((-q, position, tag.strip().lower()))
    for q, _, tag in sorted(weighted):
        for language in LANGUAGES:
            if q < 0 and tag.split("-")[0] == language.lower().split("-")[0]:
                return language
    return otherwise if otherwise in LANGUAGES else "en"
