"""The command line of a step: options made from its signature, our errors in four parts."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

import typer

from components.lib.digests import RISK, take_unverified
from components.lib.faults import explained
from components.lib.places import Place, place
from components.lib.visible import visible

FIRST = ("phantom", "ingest")
"""Steps that read nothing that another step wrote."""


def run(command: Callable[..., Any] | None = None, **commands: Callable[..., Any]) -> None:
    """Run a function as a command line program; or several, each under its name.

    A `MedpipeError`, and a failure of the machine (`lib.faults`), end it with four parts and exit status 1; any other
    exception is a fault of the program and keeps its traceback.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    if command:
        app.command()(command)
    for name, each in commands.items():
        app.command(name.replace("_", "-"))(each)
    try:
        with redirect_stdout(_Shown(sys.stdout)):
            app()
    except Exception as error:
        told = explained(error)
        if told is None:
            sys.excepthook = _fault
            raise
        print(f"\n{type(told).__name__}: {told}", file=sys.stderr)
        sys.exit(1)


class _Shown:
    """A stream on which what a terminal would obey stands as its number: names of files and classes are data."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(visible(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _fault(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A fault of the program, with its traceback."""
    print(visible("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


def run_step(step: Callable[..., None]) -> None:
    """Run a step: each of its paths is an option of the same name, and its `spec` is read from `--task`.

    A parameter that the step takes as a `Place` may also be a URL. With `--no-verify` what it reads isn't compared with
    the SHA256SUMS beside it.
    """
    run(step_command(step))


def step_command(step: Callable[..., None]) -> Callable[..., None]:
    """The step as a function of `task` (a path) in place of `spec`, with the signature typer reads."""
    from components.lib.spec import load_spec

    def command(*, task: Path, no_verify: bool = False, **paths: Place) -> None:
        if no_verify:
            take_unverified()
        step(spec=load_spec(task), **paths)

    options: dict[str, Any] = {"task": Annotated[Path, typer.Option(help="The task file.")]}
    for name, parameter in inspect.signature(step, eval_str=True).parameters.items():
        if parameter.annotation == Place:
            options[name] = Annotated[Any, typer.Option(parser=place, metavar="PATH|URL")]
        elif name != "spec":
            options[name] = Annotated[Path, typer.Option()]
    if step.__name__ not in FIRST:
        options["no_verify"] = Annotated[bool, typer.Option("--no-verify", help=f"At your own risk: {RISK}.")]
    keyword, defaults = inspect.Parameter.KEYWORD_ONLY, {"no_verify": False}
    parameters = [
        inspect.Parameter(name, keyword, annotation=option, default=defaults.get(name, inspect.Parameter.empty))
        for name, option in options.items()
    ]
    command.__name__, command.__doc__ = step.__name__, step.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = options
    return command
