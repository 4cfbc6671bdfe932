"""Speed of the live camera: `python -m benchmarks.live --video walk.mp4 --json benchmarks/results/live.json`.

The video plays as a fake camera, 640 x 480, of a headless Chromium on the same machine as the app. It draws without a
graphics card. Then the pictures go through the same code without a browser, stage by stage. Times are medians and 90th
percentiles. `--docs docs/video.md` writes the table.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from app.jobs.live import decoded
from benchmarks.browser import browser, serve, wait_for
from benchmarks.report_files import write_report
from diffpose_core.io.demo_video import demo_video
from diffpose_core.io.video_file import Source, opened, pictures
from diffpose_core.lifting.encode import encode_frames
from diffpose_core.lifting.live import LiveLift
from diffpose_core.lifting.models import load_models
from diffpose_core.lifting.sampling import sample_hypotheses

#: Without the emulated graphics card of the other measurements: through it a picture of the camera takes 50 to 120 ms.
CAMERA_FLAGS = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--disable-gpu")
#: Width and height of the camera, and of the pictures that the page makes of it.
CAMERA, SENT = (640, 480), (480, 360)
STAGES = {
    "decode": "decode the JPEG",
    "detect": "detect: BlazePose, heatmaps to mixtures",
    "encode": "encode: Graformer, H_K, its GMM",
    "g": "g: 5 reverse steps, 5 hypotheses",
    "whole": "whole step in the app, expected error included",
}


def camera_pictures(video: Source) -> Iterator[Image.Image]:
    """Pictures of a video as a camera of 640 x 480 would give them, with black bars."""
    with opened(video, "the video") as container:
        for picture in pictures(container, "the video"):
            image = Image.fromarray(np.ascontiguousarray(picture.image[..., ::-1]))
            image.thumbnail(CAMERA)
            whole = Image.new("RGB", CAMERA)
            whole.paste(image, ((CAMERA[0] - image.width) // 2, (CAMERA[1] - image.height) // 2))
            yield whole


def jpeg_of(picture: Image.Image, quality: int = 85) -> bytes:
    """A picture as JPEG."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


def fake_camera(video: Source, path: Path) -> tuple[str, ...]:
    """Flags of a Chromium whose camera plays a video, over and over. path: where its pictures are written to."""
    path.write_bytes(b"".join(jpeg_of(picture) for picture in camera_pictures(video)))
    return (*CAMERA_FLAGS, f"--use-file-for-fake-video-capture={path}")


def stages(video: Source) -> dict[str, list[float]]:
    """Milliseconds of every stage of every picture in which somebody is found."""
    models = load_models()
    _, network = models.pick()
    live, found = LiveLift(models), {name: [] for name in STAGES}
    for picture in camera_pictures(video):
        jpeg = jpeg_of(picture.resize(SENT), 80)
        begin = time.perf_counter()
        image = decoded(jpeg)
        done = time.perf_counter()
        pose = live.step(image)
        end = time.perf_counter()
        if pose is None:
            continue
        clip, settings = live.clip_of(pose.found, SENT), live.settings
        at = time.perf_counter()
        encoded = encode_frames(clip, models, np.zeros(1, dtype=np.int64), settings)
        middle = time.perf_counter()
        sample_hypotheses(encoded, network, settings)
        took = (done - begin, pose.detect_s, middle - at, time.perf_counter() - middle, end - begin)
        for name, seconds in zip(STAGES, took, strict=True):
            found[name].append(1e3 * seconds)
    return {name: values[5:] for name, values in found.items()}  # the first ones load libraries


def in_browser(video: Source, folder: Path, seconds: float) -> dict[str, list[float]]:
    """Frames a second and latencies that the page shows, read four times a second."""
    rows: list[dict[str, Any]] = []
    with serve() as url, browser(1440, 757, flags=fake_camera(video, folder / "camera.mjpeg")) as driver:
        start_camera(driver, url)
        wait_for(lambda: poses_shown(driver) > 30, 60, "30 poses")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.25)
            rows.append(
                json.loads(driver.execute_script("return document.querySelector('.dps-live').dataset.measured"))
            )
    return {
        "rate": [row["rate"] for row in rows],
        "latency": [row["latency_ms"] for row in rows],
        "app": [row["whole_ms"] for row in rows],
    }


def start_camera(driver: Any, url: str) -> None:
    """Open the live view and start the camera."""
    driver.get(f"{url}/?view=Live")
    wait_for(lambda: driver.find_elements("css selector", ".dps-live-start"), 60, "the live view")[0].click()


def poses_shown(driver: Any) -> int:
    """Number of poses that were drawn so far."""
    return int(driver.execute_script("return document.querySelector('.dps-live')?.dataset.poses ?? 0"))


def _summary(values: Sequence[float], share: float = 0.9) -> list[float]:
    """Median, and the value that a share lies below."""
    return [round(statistics.median(values), 1), round(float(np.quantile(values, share)), 1)]


def table(report: dict[str, Any]) -> str:
    """The report as a table of Markdown."""
    shown = report["browser"]
    lines = [
        "| milliseconds | median | 90th percentile |",
        "| --- | ---: | ---: |",
        *(f"| {words} | {report['stages'][name][0]} | {report['stages'][name][1]} |" for name, words in STAGES.items()),
        f"| from the camera's picture to its pose on the screen | {shown['latency'][0]} | {shown['latency'][1]} |",
        "",
        f"In the browser {shown['rate'][0]} frames a second were drawn (median; a tenth of the time fewer than "
        f"{shown['rate'][1]}).",
        f"Load of the machine before: {report['load']}; {report['cores']} cores.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path, help="video of one person; by default the demo video, which is fetched")
    parser.add_argument("--seconds", type=float, default=20.0, help="of measurement in the browser")
    parser.add_argument("--folder", type=Path, default=Path("/tmp"), help="where the camera's pictures are written to")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--docs", type=Path, help="page whose table is written")
    args = parser.parse_args()
    video: Source = args.video or demo_video()
    report: dict[str, Any] = {"load": round(os.getloadavg()[0], 1), "cores": os.cpu_count()}
    shown = in_browser(video, args.folder, args.seconds)
    report["browser"] = {name: _summary(values, 0.1 if name == "rate" else 0.9) for name, values in shown.items()}
    torch.set_num_threads(1)  # as in the app on two cores
    report["stages"] = {name: _summary(values) for name, values in stages(video).items()}
    print(table(report))
    write_report(report, table(report), "live", args.json, args.docs)


if __name__ == "__main__":
    main()
