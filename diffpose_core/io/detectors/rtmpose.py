"""RTMPose by rtmlib, an optional extra (`video`), and its weights, which are downloaded on demand.

Source: Jiang et al., RTMPose, arXiv 2303.07399.
"""

from __future__ import annotations

import http.client
import importlib.util
import io
import os
import zipfile
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np

from diffpose_core.io.detectors.detector import (
    Detector,
    Found,
    Progress,
    check_hash,
    how_to_install,
    keep_weights,
    weights_folder,
)
from diffpose_core.io.detectors.simcc import simcc_mixtures
from diffpose_core.io.formats.layouts import COCO17
from diffpose_core.io.untrusted.archive import Archive
from diffpose_core.io.untrusted.files import check_size
from diffpose_core.structures import Cancelled, InvalidInput
from diffpose_core.words import short

# ONNX Runtime would ask for an event host of its maker and write a device id into the home folder. It reads this when
# it is loaded: the call that turns it off comes too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

#: rtmlib's name for the pair of a person detector (YOLOX-m) and a pose network (RTMPose-m).
MODE = "balanced"
#: The networks by rtmlib's keys, with the SHA-256 of their .onnx files. OpenMMLab publishes none: these are those of
#: yolox_m_8xb8-300e_humanart-c2c7a14a and rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504, as several
#: public projects that use them name them alike.
NETWORKS = {
    "det": "3dea6513388889f0fff4b77bf7a26013600321b9eb9ceb0e9a400a82572f5f23",
    "pose": "5c0a4bf67953e6d2ac43ce15e77dc9d5d354ae18430a47d2c5963a7bc5683e3c",
}
_PART = 1 << 18


def is_installed() -> bool:
    """True if the extra `video` is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("av", "rtmlib", "onnxruntime"))


def has_weights() -> bool:
    """True if both networks are on this machine.

    Raises:
        InvalidInput: the extra is not installed.
    """
    return all(_path(url).is_file() for url in _urls())


def get_weights(progress: Progress | None = None) -> None:
    """Download the networks that are not on this machine yet. A network has its name only when it is whole.

    Args:
        progress: called with bytes done and in all (0: unknown); False cancels.

    Raises:
        InvalidInput: they can't be downloaded or kept, or the extra is not installed.
        Cancelled: `progress` returned False.
    """
    for url, expected in zip(_urls(), NETWORKS.values(), strict=True):
        path = _path(url)
        if path.is_file():
            continue
        name = url.rsplit("/", 1)[-1]
        archive = Archive(_fetched(url, name, progress), name)
        inside = [entry for entry in archive.names if entry.endswith(".onnx")]
        if len(inside) != 1:
            raise InvalidInput(f"{name}: holds {len(inside)} .onnx files; expected one network")
        network = archive.read(inside[0])
        check_hash(inside[0], network, expected, f"nothing of {name} was kept")
        keep_weights(path, network)


def rtmpose() -> Detector:
    """RTMPose with 17 joints, on the processor. Downloads nothing.

    Raises InvalidInput where the extra or the weights are not on this machine, or where these are damaged.
    """
    urls = _urls()
    if not has_weights():
        raise InvalidInput(f"RTMPose's weights are not on this machine; they would be in {weights_folder('rtmpose')}")
    from rtmlib import YOLOX, Body, RTMPose

    mode = Body.MODE[MODE]
    try:
        people: Any
        pose: Any
        people, pose = (
            network(str(_path(url)), mode[f"{key}_input_size"], backend="onnxruntime", device="cpu")
            for network, url, key in zip((YOLOX, RTMPose), urls, NETWORKS, strict=True)
        )
    except Exception as error:  # the runtime's own, of many kinds
        folder = weights_folder("rtmpose")
        raise InvalidInput(
            f"RTMPose's weights can't be loaded ({short(error, 200)}); delete {folder} to get them anew"
        ) from None

    def detect(image: np.ndarray) -> Found:
        boxes = people(image)
        if not len(boxes):
            # rtmlib would take the whole picture for a person.
            return Found(np.zeros((0, 17, 2)), np.zeros((0, 17)))
        rows = [_person(pose, image, box) for box in boxes]
        keypoints, confidence, mixtures = (np.stack(part) for part in zip(*rows, strict=True))
        return Found(keypoints, confidence, mixtures)

    return Detector("RTMPose", COCO17, detect)


def _person(pose: Any, image: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joints (17, 2), confidences (17,) and mixtures (17, K, 5) of the person in a box.

    Args:
        pose: rtmlib's RTMPose. What it does when it is called is done here step by step, to keep the distributions
            whose maxima are its joints.
        image: the picture.
        box: left, top, right, bottom.
    """
    crop, centre, scale = pose.preprocess(image, box)
    responses = pose.inference(crop)
    joints, scores = pose.postprocess(responses, centre, scale)
    weights, means, variances = simcc_mixtures(*(part[0] for part in responses))
    # Bins are as fine as the crop's pixels, or finer.
    bin_px = scale / np.array([part.shape[-1] for part in responses])
    places = means * bin_px + centre - scale / 2
    mixtures = np.concatenate((weights[..., None], places, variances * np.square(bin_px)), axis=-1)
    return joints[0], scores[0], mixtures.astype(np.float32)


def _urls() -> list[str]:
    try:
        from rtmlib import Body
    except ImportError:
        raise InvalidInput(f"RTMPose is not installed; {how_to_install('rtmpose')}") from None
    return [Body.MODE[MODE][key] for key in NETWORKS]


def _path(url: str) -> Path:
    return weights_folder("rtmpose") / Path(url.rsplit("/", 1)[-1]).with_suffix(".onnx").name


def _fetched(url: str, name: str, progress: Progress | None) -> bytes:
    """Content of an address, or of rtmlib's mirror of it."""
    from rtmlib.tools.file import get_mirror_url

    reasons = []
    for address in filter(None, (url, get_mirror_url(url))):
        try:
            with urlopen(Request(address, headers={"User-Agent": "diffpose-studio"}), timeout=30) as answer:
                total = int(answer.headers.get("Content-Length") or 0)
                content = io.BytesIO()
                while part := answer.read(_PART):
                    content.write(part)
                    check_size(content.tell(), name)
                    if progress is not None and progress(content.tell(), total) is False:
                        raise Cancelled(f"stopped after {content.tell():,} bytes")
            if content.tell() < total:
                raise OSError(f"the connection ended after {content.tell():,} of {total:,} bytes")
            if zipfile.is_zipfile(content):
                return content.getvalue()
            raise OSError("what came is no archive")
        except (OSError, http.client.HTTPException, ValueError) as error:
            reasons.append(f"{address.split('/')[2]}: {short(error, 100)}")
    raise InvalidInput(f"RTMPose's weights can't be downloaded; the network is needed once ({'; '.join(reasons)})")
