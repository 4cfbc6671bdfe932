"""Reverse diffusion without and with f_ST."""

from __future__ import annotations

from app.compute import lifting, networks, stages
from app.compute.kept import kept
from app.session import Session
from app.views.blocks import stage_by_blocks
from app.views.equations import EQ_REVERSE
from app.views.layout import explanation


def reverse(session: Session) -> None:
    """Reverse diffusion: without f_ST above, with it below."""
    explanation(
        "Reverse diffusion: from many poses to one",
        "The network $g$ starts from uncertain poses and removes the noise step by step. Both scenes start from the "
        "same samples and use the same noise and the same mixture. Only the second one also gets $f_{ST}$, the feature "
        "that the context encoder makes from the whole 2D pose, and refines the encoder's own pose. In both, the "
        "mixture's depths come from the encoder, so neither is without it. *Results* has a row without $f_{ST}$, and "
        "one without the encoder.",
        EQ_REVERSE[networks.predicts(session.settings)],
        "$f_D^k$ tells the network which step it is at; $\\hat\\epsilon$ is the noise that is left (DDIM). The slider "
        "runs from $k = 50$ down to 0.",
    )
    clip, source, settings = session.clip, session.source, session.settings.of_reverse()
    stage_by_blocks(
        "reverse",
        session,
        [kept(lifting.spaced, session, settings, context) for context in (True, False)],
        lambda frame, blocks: stages.reverse_stage(source, clip, frame, settings, *blocks),
    )
