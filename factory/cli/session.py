"""``factory session``: what agents did, session by session."""

import typer

from factory.beads.events import Event
from factory.cli import output
from factory.cli.context import here
from factory.cli.options import Json
from factory.wiring import Office

app = typer.Typer(
    add_completion=False, help="What agents did in their sessions.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _group() -> None:
    """What agents did in their sessions."""  # with one command and no callback, typer would drop the word "list"


@app.command("list")
def list_(json: Json = False) -> None:
    """List sessions, the latest last: agent, bead, how it ended, tokens and cost."""
    place = here()
    rows = [_session(place, event) for bead in place.store.beads() for event in place.store.events(bead)
            if event.type == "session_started"]  # fmt: skip
    rows.sort(key=lambda row: str(row["started_at"]))
    if json:
        output.document("sessions", rows)
        return
    output.table(
        ("SESSION", "BEAD", "AGENT", "STARTED", "TOKENS", "USD", "ENDED"),
        [
            [
                str(row["session"]),
                str(row["bead"]),
                str(row["agent"]),
                str(row["started_at"])[:19],
                str(row["tokens"] or ""),
                _cost(row),
                str(row["ended"]),
            ]
            for row in rows
        ],
        empty="no sessions yet",
    )


def _session(place: Office, started: Event) -> dict[str, object]:
    bead = started.on
    ledger = [event for event in place.store.ledger(bead) if event.session == started.session]
    calls = [event.data for event in ledger if event.type == "model_called"]
    ends = [
        event
        for event in place.store.events(bead)
        if event.session == started.session and event.type != "session_started"
    ]
    names = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
    usd = [call.get("usd") for call in calls]
    return {
        "session": started.session,
        "bead": bead,
        "agent": started.data.get("agent"),
        "attempt": started.data.get("attempt"),
        "started_at": started.at,
        "ended": ends[-1].type.replace("_", " ") if ends else "",
        "model_calls": len(calls),
        "tokens": sum(_number(call.get(name)) for call in calls for name in names),
        "usd": None if None in usd else round(sum(_number(value) for value in usd), 6),
    }


def _cost(row: dict[str, object]) -> str:
    """US dollars; nothing for a session whose model calls, if any, were not seen."""
    if not row["model_calls"]:
        return ""
    return "unpriced" if row["usd"] is None else f"{row['usd']:.4f}"


def _number(value: object) -> float:
    return value if isinstance(value, int | float) else 0
