"""The stage of the live camera: a picture with its 2D pose, and the 3D scene; the browser fills in every pose."""

from __future__ import annotations

import numpy as np

from app.figures.scenes import EXPECTED, readout
from app.stage.payload import Bounds, StagePayload
from app.stage.specs.layers import Layer, cloud, skeleton
from app.stage.specs.panels import ImagePanel, scene
from diffpose_core.skeleton import NUM_JOINTS

#: The source by which the stage finds the camera's picture.
SOURCE = "live"
#: A standing person, metres, camera frame (right, down, away): the scene has room for it before anybody is seen.
_STANDING = np.array([
    (0, 0, 0), (-0.13, 0, 0), (-0.14, 0.44, 0), (-0.14, 0.88, 0), (0.13, 0, 0), (0.14, 0.44, 0), (0.14, 0.88, 0),
    (0, -0.24, 0), (0, -0.48, 0), (0, -0.58, 0), (0, -0.7, 0), (0.16, -0.45, 0), (0.3, -0.2, 0), (0.6, -0.1, 0),
    (-0.16, -0.45, 0), (-0.3, -0.2, 0), (-0.6, -0.1, 0),
])  # fmt: skip
_FLOOR, _TOP, _RADIUS = -0.93, 0.82, 0.75


def live_stage(hypotheses: int) -> bytes:
    """Packed data of the stage, with places for every number. hypotheses: H."""
    payload = StagePayload(
        id="live",
        title="Live camera",
        source=SOURCE,
        steps=[0],
        bounds=Bounds((-_RADIUS, -_RADIUS, _FLOOR - 0.14), (_RADIUS, _RADIUS, _TOP + 0.14), _FLOOR),
        shows_frame=0,
        line="Start the camera and stand so that it sees all of you. The pictures stay on this machine.",
    )
    payload.pose("pose", _STANDING)
    payload.pose("hypotheses", np.broadcast_to(_STANDING, (hypotheses, NUM_JOINTS, 3)), "sample")
    rate = readout(payload, "rate", np.array([np.nan]), ("number",), label="rate", unit="frames/s", digits=1,
                   help="Poses that were drawn in a second")  # fmt: skip
    latency = readout(payload, "latency", np.array([np.nan]), ("number",), label="latency", unit="ms",
                      help="Time from the camera's picture to its pose on the screen")  # fmt: skip
    error = readout(payload, "error", np.array([np.nan]), ("number",), label=EXPECTED, unit="mm",
                    help="Mean of the joints' expected errors, as measured on other motions")  # fmt: skip
    image: ImagePanel = {
        "id": "camera",
        "kind": "image",
        "title": "Camera",
        "pose": payload.add("points", np.zeros((NUM_JOINTS, 2)), ("joint", "uv")),
        "confidence": payload.add("confidence", np.zeros(NUM_JOINTS), ("joint",)),
        "image_px": [640, 480],
        "centre": payload.add("centre", np.array([320.0, 240.0]), ("uv",)),
        "half_px": 240.0,
        "half_u_px": 320.0,
        "mixture": None,
        "plain": True,
        "readouts": [rate, latency],
    }
    layers: list[Layer] = [
        cloud("hypotheses", "Hypotheses", "sides", opacity=0.8),
        skeleton("pose", "Their mean", "sides"),
    ]
    payload.panels += [image, scene("scene", "3D pose", layers, readouts=[error])]
    return payload.pack()
