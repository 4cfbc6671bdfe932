"""`diffpose app`: open the app in a browser."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys

from diffpose_core.bundle import bundled
from diffpose_core.cli.options import add_whole
from diffpose_core.structures import InvalidInput

HELP = "Open the app in a browser."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_whole(parser, "--port", 1, 65535, 8501, help="port of the app's address")
    parser.add_argument("--address", default=None, help="address to listen on; by default this machine only")
    parser.add_argument("--allow-host", action="append", default=None, metavar="NAME",
                        help="name by which other machines reach the app; give it again for more")  # fmt: skip
    parser.add_argument("--no-browser", action="store_true", help="open no browser window")


def run(args: argparse.Namespace) -> int:
    """Run Streamlit until it is stopped."""
    if importlib.util.find_spec("streamlit") is None:
        raise InvalidInput('the app needs Streamlit; get it with: pip install "diffpose-studio[app]"')
    return subprocess.call(streamlit_command(args))


def streamlit_command(args: argparse.Namespace) -> list[str]:
    """The command that runs the app; its other settings are in app/.streamlit/config.toml."""
    command = [sys.executable, "-m", "streamlit", "run", str(bundled("app")), f"--server.port={args.port}"]
    if args.address is not None:
        command.append(f"--server.address={args.address}")
    if args.allow_host:
        # The option replaces the configured names, which health checks on this machine need.
        for name in ("localhost", "127.0.0.1", "::1", *args.allow_host):
            command.append(f"--server.allowedHosts={name}")
    if args.no_browser:
        command.append("--server.headless=true")
    return command
