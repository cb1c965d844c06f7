"""``factory host``: the process that carries jobs for a floor. Not for people."""

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def host() -> None:
    """Carry the jobs named on standard input; ends with it."""
    import asyncio
    import signal

    from factory.cli.context import here
    from factory.sessions.host import serve
    from factory.wiring import carrier

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    place = here()
    asyncio.run(serve(lambda orders: carrier(place, orders)))
