"""`shequn evaluate`: labelled questions, how they are answered, and the threshold they propose."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli import opening
from agent.cli.evaluate import examining, telling
from agent.cli.opening import AsJson

if TYPE_CHECKING:
    from knowledge.evaluation import Report
    from knowledge.evaluation_report import Account


def add_to(app: typer.Typer) -> None:
    app.command()(evaluate)


def evaluate(
    context: typer.Context,
    questions: Annotated[
        Path | None, typer.Argument(help="CSV: question, expected, source (or none).")
    ] = None,
    most_wrong: Annotated[
        float, typer.Option(min=0.0001, max=0.99, help="The rate of wrong answers to stay under.")
    ] = 0.02,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the threshold and what the labels teach.")
    ] = False,
    as_counted: Annotated[
        bool,
        typer.Option("--as-counted", help="Apply what these labels count, shown or not."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="With --apply: write it whatever it costs.")
    ] = False,
    reset: Annotated[
        bool, typer.Option("--reset", help="Forget what labels taught; needs no QUESTIONS.")
    ] = False,
    learn: Annotated[
        bool | None,
        typer.Option("--learn/--no-learn", help="Learn from the labels; --apply does by itself."),
    ] = None,
    learn_from: Annotated[
        Path | None, typer.Option(help="Learn from these labels instead, and test on QUESTIONS.")
    ] = None,
    jsonl: Annotated[
        Path | None, typer.Option(help="One JSON line a question into this file; - for output.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Folder for report.html and PNGs; else NAME-report here.")
    ] = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.")] = False,
    learned: Annotated[
        bool,
        typer.Option("--learned", help="Instead of QUESTIONS: those that operators answered."),
    ] = False,
    export: Annotated[
        Path | None, typer.Option(help="With --learned: write them as a CSV, ask nothing.")
    ] = None,
    knowledge: Annotated[
        Path | None,
        typer.Option(help="Ask this documents folder, in a temporary database and index."),
    ] = None,
    group: Annotated[str | None, typer.Option(help="As members of this group.")] = None,
    at: Annotated[str | None, typer.Option(help="As if it were then.")] = None,
    with_model: Annotated[
        bool, typer.Option("--with-model", help="Ask the model, too; costs what it costs.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="Instead of the one before evaluate.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure answers on labelled questions, and propose the confidence threshold."""
    from agent.errors import UsageError

    if config is not None:
        context.obj = config
    if reset:
        if questions is not None or apply or knowledge is not None:
            raise UsageError("--reset stands alone: it forgets, and asks no questions")
        _reset(context, as_json=as_json)
        return
    if learned and (questions is not None or knowledge is not None):
        raise UsageError("--learned stands for QUESTIONS, and asks the knowledge in use")
    if export is not None:
        if not learned:
            raise UsageError("--export goes with --learned")
        _export(context, export, group)
        return
    if questions is None and not learned:
        raise UsageError(
            "name a CSV of labelled questions: shequn evaluate questions.csv; or take those that "
            "operators answered: --learned"
        )
    questions = questions or Path("learned")
    if force and not apply:
        raise UsageError("--force goes with --apply: without it nothing is written")
    if apply and knowledge is not None:
        raise UsageError(
            "--apply writes into the configured database, and --knowledge uses none: set "
            "knowledge.documents in the configuration"
        )
    if with_model and (apply or learn or learn_from):
        raise UsageError("labels teach without a model: leave --with-model away")
    with examining.opened(context, knowledge, group, at, with_model=with_model) as examination:
        labelled, notes = examination.learned() if learned else examination.labels(questions)
        lessons = examination.labels(learn_from)[0] if learn_from else None
        if with_model:
            examined = examination.with_model(labelled)
        else:
            learning = apply if learn is None else learn
            examined = examination.without_model(labelled, lessons, learning, most_wrong)
        account = examination.account(examined, labelled, most_wrong, questions, notes)
        chosen = account.counted if as_counted else account.proposal
        if apply and not account.checked:
            raise UsageError(
                "nothing was written: no label names an entry that is in the knowledge base; "
                f"{'; '.join(notes[:1]) or 'correct expected and source'}"
            )
        objection = ""
        if apply and not force:
            objection = examination.objection(examined, account, as_counted=as_counted)
        written = apply and not objection
        if written:
            examination.apply(examined, chosen)
        taught = examined.taught is not None
        configured = examination.settings.knowledge.threshold
        files = [] if no_report else _written(report or Path(f"{questions.stem}-report"), account)
    if jsonl is not None:
        _write_lines(jsonl, examined.report)
    if as_json:
        opening.print_json(telling.as_json(account, files, learned=taught, applied=written))
    elif str(jsonl) != "-":
        telling.print_account(account, files)
        if written:
            telling.print_applied(chosen, learned=taught, configured=configured)
    if objection:
        raise UsageError(objection)


def _export(context: typer.Context, file: Path, group: str | None) -> None:
    from agent.errors import UsageError
    from agent.learning import questions

    with opening.opened(context) as (_, database), database.reading() as connection:
        found = questions.listed(connection, group=group)
    try:
        # With a mark at its beginning, so that spreadsheets read it as UTF-8.
        file.write_text(questions.as_csv(found), encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error
    opening.say(f"{len(found)} questions in {file}")


def _reset(context: typer.Context, *, as_json: bool) -> None:
    forgotten = examining.reset(context)
    if as_json:
        opening.print_json({"reset": bool(forgotten), "labels": forgotten})
    elif forgotten:
        opening.say(
            f"forgotten: the threshold and the scale learned from {forgotten} labels; the built-in "
            "ones count again, and a running process follows within seconds"
        )
    else:
        opening.say("nothing was learned for the present embedding; nothing was changed")


def _written(folder: Path, account: Account) -> list[Path]:
    from agent.errors import UsageError
    from knowledge import evaluation_report

    try:
        return evaluation_report.write(folder, account)
    except OSError as error:
        raise UsageError(f"the report cannot be written: {error}") from error


def _write_lines(file: Path, report: Report) -> None:
    from agent.errors import UsageError

    if str(file) == "-":
        for line in report.lines():
            sys.stdout.write(f"{line}\n")
        return
    try:
        with file.open("w", encoding="utf-8") as out:
            out.writelines(f"{line}\n" for line in report.lines())
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error
