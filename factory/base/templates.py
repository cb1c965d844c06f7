"""Where the shipped templates are: prompts, prices, roles and blueprints are data, not code."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def template(name: str) -> Path:
    """The shipped template ``name``, e.g. ``prompts/builder.md``.

    In an installed wheel they are ``factory/_templates``; in a checkout, an editable install or an
    unpacked sdist they are ``templates`` beside the package.
    """
    shipped = _PACKAGE / "_templates"
    return (shipped if shipped.is_dir() else _PACKAGE.parent / "templates") / name
