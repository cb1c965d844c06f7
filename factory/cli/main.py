"""The program: a table of commands, each imported when it is called, and the edge where errors end."""

import importlib
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from factory import __version__
from factory.base.errors import FactoryError
from factory.cli.telling import tell, tell_bug

COMMANDS = {
    "init": ("factory.cli.init", "Set a repository up: settings, the beads branch, nothing else."),
    "doctor": ("factory.cli.doctor", "Say what this machine has, what is missing, and what to do about it."),
    "trust": ("factory.cli.trust", "Trust the commands that the repository's settings would run."),
    "demo": ("factory.cli.demo", "See it all work in a temporary folder, with a scripted model."),
    "spawn": ("factory.cli.spawn", "Describe work and have agents do it, gate it and land it."),
    "run": ("factory.cli.run", "Work on whatever is ready, until nothing is left to do."),
    "status": ("factory.cli.status", "How things stand."),
    "why": ("factory.cli.why", "Why a bead is where it is, and what would move it."),
    "stop": ("factory.cli.stop", "Stop the running floor; work in progress is kept."),
    "bead": ("factory.cli.bead", "Beads: pieces of work and their story."),
    "pr": ("factory.cli.pr", "Changes on agents' branches: list, read, approve."),
    "session": ("factory.cli.session", "What agents did in their sessions."),
    "sync": ("factory.cli.sync", "Give the beads to a remote and take what it has."),
    "verify": ("factory.cli.verify", "Prove from git's history that the record adds up."),
    "compact": ("factory.cli.compact", "Pack what ended long ago into one sealed file a month."),
    "host": ("factory.cli.host", ""),
}
"""Every command: its module, whose ``app`` is the command, and its line in the help (empty: not shown)."""

EXIT_INTERRUPTED = 130

_WRONG_CALL: Any = typer.BadParameter.__mro__[2]
"""click's root of wrong calls; which click that is, typer alone knows: newer versions bring their own."""


class LazyGroup(TyperGroup):
    """A group whose help comes from ``COMMANDS`` and whose commands are imported one at a time."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's own context, whichever it vendors
        """The names, in the table's order."""
        return [name for name, (_, line) in COMMANDS.items() if line]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Import the one command that was named."""
        if cmd_name not in COMMANDS:
            return None
        command = typer.main.get_command(importlib.import_module(COMMANDS[cmd_name][0]).app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """The table as help, without importing a single command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items() if line])


app = typer.Typer(
    name="factory",
    cls=LazyGroup,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        typer.echo(f"factory {__version__}")
        raise typer.Exit


@app.callback()
def root(
    folder: Annotated[
        Path | None, typer.Option("-C", metavar="DIR", help="Work as if called in DIR.", exists=True, file_okay=False)
    ] = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Many coding agents on one git repository, without breaking it."""
    if folder is not None:
        os.chdir(folder)


def main() -> None:
    """Run the program; never returns."""
    arguments = sys.argv[1:]
    name = Path(sys.argv[0]).name.replace("__main__.py", "factory")
    try:
        sys.exit(typer.main.get_command(app)(args=arguments, prog_name=name, standalone_mode=False))
    except _WRONG_CALL as error:
        sys.exit(tell_usage(error, as_json="--json" in arguments))
    except FactoryError as error:
        sys.exit(tell(error.sentence, error.hint, error.exit_code, as_json="--json" in arguments))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - the edge of the process
        sys.exit(tell_bug(error, as_json="--json" in arguments))


def tell_usage(error: Any, *, as_json: bool) -> int:
    """Say how the call was wrong, in the form of every other problem; the answer is the exit code."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return int(error.exit_code)
    context = getattr(error, "ctx", None)
    sentence = " ".join(error.format_message().rstrip(".").split())
    hint = f"{context.command_path if context else 'factory'} -h shows how it is called"
    return tell(sentence, hint, error.exit_code, as_json=as_json)
