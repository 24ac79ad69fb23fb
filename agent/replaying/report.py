"""The report of a replay for people: one HTML file without scripts or anything from outside."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape, unescape
from pathlib import Path
from typing import Any

from agent.gate import Outcome
from agent.replaying.costs import Prices
from agent.replaying.tally import Tally
from agent.replaying.turns import Json, ReplayedTurn

_MOST_DAYS = 62

OUTCOMES = {
    "answered": "Answered",
    "escalated": "Handed over",
    "silent": "Silent",
    "refused": "Refused",
}
REASONS = {
    "from_knowledge": "the answer stands in the knowledge base",
    "greeting": "greeted the bot",
    "identity": "asked who the bot is",
    "same_question": "answered together with another turn",
    "words_please": "asked for words instead of voice or picture",
    "not_addressed": "said to others",
    "chatter": "small talk",
    "no_words": "nothing written (picture, voice, sticker)",
    "too_old": "too old",
    "muted": "the group is muted",
    "silenced": "matches a silence rule",
    "member_ignored": "this member is ignored",
    "unlisted_group": "the group is not listed",
    "direct_message": "a direct message",
    "unsure_unaddressed": "nobody asked the bot, and it is not sure",
    "left_to_peers": "nobody asked the bot, and other members may answer first",
    "peer_answered": "answers another member's question",
    "came_back": "answers what an operator asked back",
    "with_person": "goes to the person that was asked for",
    "feedback": "thanks or doubts about an answer",
    "own_account": "another account of ours",
    "too_many_in_a_row": "many answers to one sender, and nobody else speaks",
    "already_answered": "the same words were answered a moment ago",
    "operators_talk": "operators among themselves",
    "operator_command": "an operator's command",
    "asked_for_person": "wanted a person",
    "not_in_knowledge": "not in the knowledge base",
    "low_confidence": "not sure enough",
    "model_failed": "the model failed",
    "failed_check": "the model's answer did not pass the checks",
    "model_budget": "the model's budget was used up",
    "disputed": "a member says that the answer is wrong",
    "partly_answered": "only a part of it is known",
    "too_long": "too long to judge",
    "repeated_failure": "could not be judged",
}


def write_report(
    path: Path,
    tally: Tally,
    summary: Json,
    *,
    prices: Prices | None,
    with_text: bool,
    community: str,
) -> None:
    """Write the page. `summary`: the numbers with what was read; without text the turns are not
    shown at all, as they would say nothing."""
    sections = [
        _tiles(tally, summary),
        _notes(summary),
        _reasons(tally),
        _hours(tally),
        _groups(tally),
        _turns("What the agent would have said", tally.spoken, tally) if with_text else "",
        _turns("Questions it would have left alone", tally.left_alone, tally) if with_text else "",
        _left_out(tally, with_text=with_text),
        _broken(summary),
    ]
    title = f"Replay of {summary['file']}"
    period = f"{_when(summary['from'])} – {_when(summary['to'])}"
    page = _PAGE.format(
        title=escape(title),
        style=_STYLE,
        head=f"<h1>{escape(title)}</h1><p class=dim>{escape(community)} · {escape(period)} "
        f"({escape(str(tally.zone))})</p>",
        body="".join(sections),
    )
    path.write_text(page, encoding="utf-8", newline="\n")


def replayed(path: Path) -> str:
    """The chat's file name on a page that `write_report` wrote; empty if there is none."""
    try:
        with path.open(encoding="utf-8", errors="replace") as page:
            found = re.search("<title>Replay of (.*?)</title>", page.read(2_000))
    except OSError:
        return ""
    return unescape(found[1]) if found else ""


def _tiles(tally: Tally, summary: Json) -> str:
    rate, waited, cost = summary["replies_per_hour"], summary["waited_seconds"], summary["cost"]
    answered, handed = tally.outcome(Outcome.answered), tally.outcome(Outcome.escalated)
    silent, turns = tally.outcome(Outcome.silent), tally.turns
    money = f"{cost['money']:.2f} {cost['currency']}" if cost["money"] is not None else ""
    spent = f"{cost['input_tokens']:,} + {cost['output_tokens']:,} tokens"
    tiles = [
        ("messages", f"{summary['messages']:,}", f"in {turns:,} turns"),
        ("answered", f"{answered:,}", _share(answered, turns)),
        ("handed over", f"{handed:,}", f"{tally.tickets} tickets, {tally.joined} joined one"),
        ("silent", f"{silent:,}", _share(silent, turns)),
        (
            "replies an hour with messages",
            f"{rate['mean']:.2f}",
            f"{rate['busiest']} in the busiest ({rate['busiest_hour']})"
            if rate["busiest_hour"]
            else "none",
        ),
        (
            "seconds to a reply",
            "–" if waited["median"] is None else f"{waited['median']:.1f}",
            "" if waited["p95"] is None else f"95 % within {waited['p95']:.1f}",
        ),
        (
            "answered by people",
            f"{tally.persons_answers:,}",
            f"the agent would have been first {tally.beaten} times",
        ),
        (
            "a model would cost, about" if cost["estimated"] else "the model cost",
            money or f"{cost['model_calls']:,} calls",
            f"{cost['model_calls']:,} calls, {spent}" if money else spent,
        ),
    ]
    return "<div class=tiles>" + "".join(
        f"<div class=tile><span>{escape(name)}</span><b>{escape(value)}</b>"
        f"<small>{escape(more)}</small></div>"
        for name, value, more in tiles
    ) + "</div>"  # fmt: skip


def _notes(summary: Json) -> str:
    notes = list(summary["notes"])
    if summary["duplicates"]:
        notes.append(f"{summary['duplicates']} messages stood there twice.")
    return "<ul class=notes>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>"


def _reasons(tally: Tally) -> str:
    rows = [
        (
            OUTCOMES.get(outcome, outcome),
            REASONS.get(reason, reason),
            f"{count:,}",
            _share(count, tally.turns),
        )
        for (outcome, reason), count in sorted(
            tally.reasons.items(), key=lambda each: (list(OUTCOMES).index(each[0][0]), -each[1])
        )
    ]
    return "<h2>Why</h2>" + _table(("decision", "why", "turns", ""), rows, numbers=(2, 3))


def _hours(tally: Tally) -> str:
    """Replies by day and hour, as shades."""
    if not tally.by_hour:
        return ""
    days = sorted({hour[:10] for hour in tally.by_hour})
    most = max(tally.by_hour.values())
    head = "<tr><th></th>" + "".join(f"<th>{hour:02}</th>" for hour in range(24)) + "</tr>"
    rows = []
    for day in days[-_MOST_DAYS:]:
        cells = [_shade(tally.by_hour.get(f"{day} {hour:02}", 0), most) for hour in range(24)]
        rows.append(f"<tr><th>{day}</th>{''.join(cells)}</tr>")
    earlier = len(days) - _MOST_DAYS
    more = f"<p class=dim>{earlier} earlier days are left out.</p>" if earlier > 0 else ""
    return (
        "<h2>Replies by hour</h2><div class=wide><table class=heat>"
        f"{head}{''.join(rows)}</table></div>{more}"
    )


def _shade(count: int, most: int) -> str:
    if not count:
        return "<td></td>"
    return f'<td style="--shade:{20 + 80 * count // most}%">{count}</td>'


def _groups(tally: Tally) -> str:
    rows = []
    for name, group in sorted(tally.groups.items(), key=lambda each: -each[1].messages):
        busiest = group.by_hour.most_common(1)
        rows.append(
            (
                name,
                f"{group.messages:,}",
                f"{group.turns:,}",
                *(
                    f"{group.outcomes[outcome]:,}"
                    for outcome in ("answered", "escalated", "silent")
                ),
                f"{group.replies:,}",
                _share(group.replies, group.messages + group.replies),
                f"{busiest[0][1]} ({busiest[0][0][5:]}:00)" if busiest else "–",
            )
        )
    head = (
        "group", "messages", "turns", "answered", "handed over", "silent", "replies",
        "share of the group's messages", "busiest hour",
    )  # fmt: skip
    return "<h2>Groups</h2>" + _table(head, rows, numbers=range(1, 9))


def _turns(title: str, turns: Sequence[ReplayedTurn], tally: Tally) -> str:
    if not turns:
        return ""
    cards = "".join(_card(turn, tally) for turn in turns)
    return f"<h2>{escape(title)}</h2>{cards}"


def _card(turn: ReplayedTurn, tally: Tally) -> str:
    at = turn.opened_at.astimezone(tally.zone)
    facts = [OUTCOMES.get(turn.outcome, turn.outcome), REASONS.get(turn.reason, turn.reason)]
    if turn.confidence is not None:
        facts.append(f"confidence {turn.confidence:.2f}")
    if turn.waited_seconds is not None:
        facts.append(f"after {turn.waited_seconds:.1f} s")
    if (ticket := turn.details.get("ticket")) is not None:
        facts.append(f"ticket #{ticket}" + (", joined" if turn.details.get("joined") else ""))
    entry = next(iter(turn.entries), None)
    if entry is not None:
        facts.append(f"{entry['source']}: {entry['entry']}")
    said = "\n".join(turn.said)
    agent = f"<p class=agent>{_text(said)}</p>" if said else "<p class='agent dim'>(nothing)</p>"
    person = ""
    if (answer := turn.persons_answer) is not None:
        minutes = (answer.at - turn.opened_at).total_seconds() / 60
        person = (
            f"<p class=person><small>{escape(answer.sender)} in the chat, after {minutes:.1f} min"
            f"</small>{_text(answer.text)}</p>"
        )
    return (
        f"<article class={turn.outcome}><header>{at:%m-%d %H:%M:%S} · {escape(turn.group)} · "
        f"<b>{escape(turn.sender)}</b></header>"
        f"<p class=asked>{_text(chr(10).join(turn.texts))}</p>"
        f"<div class=sides>{agent}{person}</div>"
        f"<footer>{escape(' · '.join(facts))}</footer></article>"
    )


def _left_out(tally: Tally, *, with_text: bool) -> str:
    if not with_text:
        return "<p class=dim>Messages are left out (--no-text).</p>"
    if not tally.unshown:
        return ""
    return f"<p class=dim>{tally.unshown:,} more turns stand in turns.jsonl.</p>"


def _broken(summary: Json) -> str:
    faults = summary["broken_lines"]
    if not faults:
        return ""
    rows = [(str(fault["line"]), fault["why"]) for fault in faults]
    more = summary["broken"] - len(faults)
    rest = f"<p class=dim>and {more:,} more</p>" if more else ""
    return (
        f"<h2>{summary['broken']:,} lines that cannot be read</h2>"
        + _table(("line", "why"), rows, numbers=(0,))
        + rest
    )


def _table(head: Iterable[str], rows: Iterable[Sequence[Any]], *, numbers: Iterable[int]) -> str:
    right = set(numbers)

    def cells(row: Iterable[Any], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=n' if place in right else ''}>{escape(str(cell))}</{tag}>"
            for place, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f"<div class=wide><table><tr>{cells(head, 'th')}</tr>{body}</table></div>"


def _text(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""


def _when(moment: str | None) -> str:
    return (moment or "")[:16].replace("T", " ")


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="robots" content="noindex"><title>{title}</title><style>{style}</style></head>
<body>{head}{body}</body></html>
"""

_STYLE = """
:root{color-scheme:light dark;--back:#f6f7f6;--card:#fff;--ink:#1c2421;--dim:#5d6964;--line:#dde3e0;
--green:#2e7d5b;--amber:#b26a00;--grey:#8a958f}
@media(prefers-color-scheme:dark){:root{--back:#131715;--card:#1c211f;--ink:#e4e9e6;--dim:#9aa6a0;
--line:#313936;--green:#62c195;--amber:#e2a64a;--grey:#77827d}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1rem;background:var(--back);color:var(--ink);
font:16px/1.5 system-ui,"PingFang SC","Hiragino Sans",
"Noto Sans CJK SC","Microsoft YaHei",sans-serif}
h1{font-size:1.4rem;margin:.5rem 0 0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
.dim,small,footer,header{color:var(--dim)}p{margin:.3rem 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.6rem;
margin:1rem 0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.6rem .8rem}
.tile span,.tile small{display:block}.tile b{font-size:1.5rem}.tile span{color:var(--dim)}
.notes{color:var(--dim);padding-left:1.2rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;min-width:100%}
th,td{text-align:left;padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--line);
vertical-align:top}
th{color:var(--dim);font-weight:normal}.n{text-align:right}
.heat td,.heat th{padding:.2rem;text-align:center;border:0;font-size:.75rem;min-width:1.5rem;
white-space:nowrap}
.heat td[style]{background:color-mix(in srgb,var(--green) var(--shade),transparent);
border-radius:.2rem}
article{background:var(--card);border:1px solid var(--line);border-left:.3rem solid var(--grey);
border-radius:.4rem;padding:.6rem .8rem;margin:.6rem 0;overflow-wrap:anywhere}
article.answered{border-left-color:var(--green)}article.escalated{border-left-color:var(--amber)}
article header,article footer{font-size:.85rem}.asked{font-weight:600}
.sides{display:grid;grid-template-columns:repeat(auto-fit,minmax(16rem,1fr));gap:.6rem}
.sides p{border-top:1px dashed var(--line);padding-top:.3rem}.person small{display:block}
"""
