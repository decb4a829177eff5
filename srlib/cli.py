"""The command `srlib`. One sentence and exit code 2 for every error."""

import argparse
import sys
from collections.abc import Sequence

from srlib.commands import compare, data, enlarge, ship, train, upscale
from srlib.commands.options import Parser, close_bars

SIGNAL_EXIT = 130  # what a shell reports after Ctrl-C


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    args = _parser().parse_args(argv)
    from srlib.download import DownloadError
    from srlib.hooks import Stopped

    try:
        return args.run(args) or 0
    except (Stopped, KeyboardInterrupt) as stop:
        close_bars()
        print(f"srlib: {str(stop) or 'interrupted'}", file=sys.stderr)
        return SIGNAL_EXIT
    except BrokenPipeError:
        return 0
    except (ValueError, FloatingPointError, DownloadError, OSError, MemoryError) as error:
        close_bars()
        print(f"srlib: {_sentence(error)}", file=sys.stderr)
        return 2


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="srlib", description="Image super-resolution: enlarge, measure, train.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for add in (
        upscale.add_upscale,
        compare.add_compare,
        enlarge.add_evaluate,
        train.add_train,
        train.add_curves,
        ship.add_models,
        ship.add_plane,
        ship.add_publish,
        ship.add_fit_niqe,
        data.add_data,
        data.add_bench,
    ):
        add(commands)
    return parser
