"""Lifts beside other programs, with threads that spin while they wait, that sleep, and that spin briefly.

`python -m benchmarks.neighbours` lifts a clip alone, beside one program that keeps a core busy, and three times at
once. Threads wait as they do by default, sleep (`OMP_WAIT_POLICY=passive`), or spin briefly first, as the command line
and the app have it. The three take turns, so that their ratios hold on a machine that does other work; the seconds
themselves do not.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack

from diffpose_core.environment import SPIN_COUNT

#: Name -> lifts at once, and programs that keep a core busy.
SITUATIONS = {"alone": (1, 0), "beside one busy program": (1, 1), "three lifts at once": (3, 0)}
#: Name -> environment. The first is what libgomp does by itself, the last that of `diffpose_core.environment`.
POLICIES = {
    "spinning": {"GOMP_SPINCOUNT": "300000"},
    "sleeping": {"OMP_WAIT_POLICY": "passive"},
    "brief": {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": SPIN_COUNT},
}
BUSY = "while True: pass"


def lift_here(frames: int) -> None:
    """Lift a bundled clip in this process once a line comes in, and print the seconds that it took."""
    from diffpose_core.bundle import bundled
    from diffpose_core.io.clips import load_clip
    from diffpose_core.lifting.lift import lift
    from diffpose_core.lifting.models import load_models

    clip, models = load_clip(bundled("assets/clips") / "wave.npz"), load_models()
    order = [number % len(clip) for number in range(frames)]
    lift(clip, models, frames=order[:16])
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.monotonic()
    for first in range(0, frames, 64):
        lift(clip, models, frames=sorted(set(order[first : first + 64])))
    print(time.monotonic() - start, flush=True)


def seconds(policy: str, lifts: int, busy: int, frames: int) -> float:
    """Seconds until all of several lifts are done that begin at once.

    Args:
        policy: of POLICIES.
        lifts: at once, each in a process of its own.
        busy: programs that keep a core busy meanwhile.
        frames: of a lift.
    """
    ours = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {name: value for name, value in os.environ.items() if name not in ours} | POLICIES[policy]
    words = [sys.executable, "-m", "benchmarks.neighbours", "--child", "--frames", str(frames)]
    pipe = subprocess.PIPE
    with ExitStack() as stack:
        children = [
            stack.enter_context(subprocess.Popen(words, env=environment, stdin=pipe, stdout=pipe, text=True))
            for _ in range(lifts)
        ]
        for child in children:
            assert child.stdout is not None and child.stdout.readline() == "ready\n"
        for _ in range(busy):
            stack.callback(subprocess.Popen([sys.executable, "-c", BUSY]).kill)
        for child in children:
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()
        return max(float(child.stdout.readline()) for child in children if child.stdout is not None)


def main() -> None:
    """Print medians and ratios as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=320, help="of a lift")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median is taken")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        lift_here(args.frames)
        return
    taken: dict[str, dict[str, list[float]]] = {name: {policy: [] for policy in POLICIES} for name in SITUATIONS}
    for _ in range(args.rounds):
        for name, (lifts, busy) in SITUATIONS.items():
            for policy in POLICIES:
                taken[name][policy].append(seconds(policy, lifts, busy, args.frames))
    for name, of in taken.items():
        found = {policy: round(statistics.median(values), 2) for policy, values in of.items()}
        for policy in ("sleeping", "brief"):
            ratios = [other / spinning for spinning, other in zip(of["spinning"], of[policy], strict=True)]
            found[f"{policy}_to_spinning"] = round(statistics.median(ratios), 2)
        print(json.dumps({"situation": name, **found}))


if __name__ == "__main__":
    main()
