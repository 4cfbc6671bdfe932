"""Networks that find painted people, in the very layout of RTMPose's: joints are discs, a colour for each joint.

They stand where YOLOX-m and RTMPose-m stand once they have been downloaded, so that all else is the real thing: frames
of a video, rtmlib's way of cropping and of reading what a network says, onnxruntime.
"""

from __future__ import annotations

import io
import itertools
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

#: Colours (blue, green, red) of COCO's 17 joints: far from each other, and from their own blends with black.
COLOURS = np.array([c for c in itertools.product((0, 128, 255), repeat=3) if max(c) == 255 and min(c) < 255])[:17]
RADIUS = 7
DETECTOR_SIDE, POSE_WIDTH, POSE_HEIGHT = 640, 192, 256
#: How RTMPose's pictures are normalised, by rtmlib.
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def painted(people: list[np.ndarray], width: int, height: int) -> np.ndarray:
    """A picture (height, width, 3), blue, green, red, of people (17, 2) in pixels."""
    image = np.zeros((height, width, 3), dtype=np.uint8)
    rows, columns = np.mgrid[:height, :width]
    for person in people:
        for (u, v), colour in zip(person, COLOURS, strict=True):
            image[np.hypot(columns - u, rows - v) <= RADIUS] = colour
    return image


def standing(u: float, v: float) -> np.ndarray:
    """A person (17, 2) around (u, v), with a large head so that all joints can be painted; 160 x 230 pixels."""
    left = np.array([(20, 22), (42, 34), (40, 78), (66, 112), (80, 150), (28, 150), (34, 204), (38, 250)])
    both = [np.array([(0, 44)])]
    for point in left:
        both += [point[None], (point * (-1, 1))[None]]
    return np.concatenate(both).astype(np.float64) + np.array([u, v - 130])


class _Graph:
    """Nodes and constants of a network, put in one after the other."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: object, kind: type = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype=kind), name))
        return name

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: object) -> str:
        name = name or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def model(self, shape: tuple[int, ...], outputs: dict[str, tuple[int, ...]]) -> bytes:
        first = helper.make_tensor_value_info("input", TensorProto.FLOAT, ("batch", *shape))
        last = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ("batch", *s)) for n, s in outputs.items()]
        graph = helper.make_graph(self.nodes, "painted", [first], last, self.constants)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(made)
        return made.SerializeToString()


def detector() -> bytes:
    """As YOLOX with its non-maximum suppression inside: a picture -> boxes (1, 2, 5) of left, top, right, bottom and
    score.

    One box for what is coloured in the left half of the picture, one for the right half.
    """
    graph = _Graph()
    most = graph.add("ReduceMax", "input", axes=[1], keepdims=0)
    least = graph.add("ReduceMin", "input", axes=[1], keepdims=0)
    coloured = graph.add("Greater", graph.add("Sub", most, least), graph.constant(90.0))
    mask = graph.add("Cast", coloured, to=TensorProto.FLOAT)
    boxes = []
    for half in (np.arange(DETECTOR_SIDE) < DETECTOR_SIDE // 2, np.arange(DETECTOR_SIDE) >= DETECTOR_SIDE // 2):
        part = graph.add("Mul", mask, graph.constant(half[None, None]))
        ends: dict[str, str] = {}
        for axis, low, high in ((1, "left", "right"), (2, "top", "bottom")):
            there = graph.add("ReduceMax", part, axes=[axis], keepdims=0)
            place = graph.constant(np.arange(DETECTOR_SIDE)[None])
            ends[high] = graph.add("ReduceMax", graph.add("Mul", there, place), axes=[1], keepdims=1)
            # The largest of (side - place) is the smallest place.
            back = graph.add("Mul", there, graph.constant(DETECTOR_SIDE - np.arange(DETECTOR_SIDE)[None]))
            furthest = graph.add("ReduceMax", back, axes=[1], keepdims=1)
            ends[low] = graph.add("Sub", graph.constant(float(DETECTOR_SIDE)), furthest)
        seen = graph.add("ReduceMax", part, axes=[1, 2], keepdims=0)
        score = graph.add("Mul", graph.add("Unsqueeze", seen, graph.constant([1], np.int64)), graph.constant(0.9))
        box = graph.add("Concat", ends["left"], ends["top"], ends["right"], ends["bottom"], score, axis=1)
        boxes.append(graph.add("Unsqueeze", box, graph.constant([1], np.int64)))
    graph.add("Concat", *boxes, axis=1, name="dets")
    return graph.model((3, DETECTOR_SIDE, DETECTOR_SIDE), {"dets": (2, 5)})


def pose_network() -> bytes:
    """As RTMPose: a crop -> simcc_x (1, 17, 384) and simcc_y (1, 17, 512), rows of responses twice as fine as pixels.

    What it says of a picture of nobody is not nothing: as the real one, it is a little sure of anything.
    """
    graph = _Graph()
    std, mean = (graph.constant(np.array(v)[None, :, None, None]) for v in (STD, MEAN))
    image = graph.add("Add", graph.add("Mul", "input", std), mean)
    simcc: dict[str, list[str]] = {"simcc_x": [], "simcc_y": []}
    for colour in COLOURS:
        away = graph.add("Sub", image, graph.constant(np.array(colour, float)[None, :, None, None]))
        distance = graph.add("ReduceL2", away, axes=[1], keepdims=0)
        near = graph.add(
            "Relu", graph.add("Sub", graph.constant(1.0), graph.add("Mul", distance, graph.constant(1 / 70)))
        )
        for name, axis in (("simcc_x", 1), ("simcc_y", 2)):
            # How much of the disc is in a column or row: most in its middle.
            profile = graph.add("ReduceSum", near, graph.constant([axis], np.int64), keepdims=0)
            simcc[name].append(graph.add("Unsqueeze", profile, graph.constant([1], np.int64)))
    for name, rows in simcc.items():
        size = 2 * (POSE_WIDTH if name == "simcc_x" else POSE_HEIGHT)
        joined = graph.add("Concat", *rows, axis=1)
        kernel = graph.constant(np.broadcast_to(np.eye(17)[..., None] / 9, (17, 17, 9)))
        smooth = graph.add("Conv", joined, kernel, pads=[4, 4])
        fine = graph.add("Resize", smooth, "", "", graph.constant([1, 17, size], np.int64), mode="linear")
        sure = graph.add("Min", graph.add("Mul", fine, graph.constant(0.2)), graph.constant(0.95))
        # Ties of what is cut at 0.95 would go to the first of them.
        peak = graph.add("Add", sure, graph.add("Mul", fine, graph.constant(1e-3)))
        hum = 0.3 * np.exp(-0.5 * ((np.arange(size) - size / 2) / 8) ** 2)
        graph.add("Max", peak, graph.constant(hum[None, None]), name=name)
    return graph.model(
        (3, POSE_HEIGHT, POSE_WIDTH), {"simcc_x": (17, 2 * POSE_WIDTH), "simcc_y": (17, 2 * POSE_HEIGHT)}
    )


def networks() -> dict[str, bytes]:
    """Both, by what rtmlib calls them."""
    return {"det": detector(), "pose": pose_network()}


def archive(network: bytes) -> bytes:
    """A network as OpenMMLab hands it out."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("20230831/rtmpose/end2end.onnx", network)
        made.writestr("20230831/rtmpose/detail.json", "{}")
    return file.getvalue()


def put_into(folder: Path) -> None:
    """Both networks where they are once they have been downloaded."""
    from rtmlib import Body

    folder.mkdir(parents=True, exist_ok=True)
    for key, network in networks().items():
        url = Body.MODE["balanced"][key]
        (folder / Path(url.rsplit("/", 1)[-1]).with_suffix(".onnx").name).write_bytes(network)
