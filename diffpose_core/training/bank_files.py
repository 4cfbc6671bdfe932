"""Banks on disk: each is prepared once and shared by all denoisers of an encoder."""

from __future__ import annotations

import hashlib
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from diffpose_core.camera import CameraRanges
from diffpose_core.config import TrainingConfig, UncertaintyConfig
from diffpose_core.datasets.detector import TRAINING_DETECTOR
from diffpose_core.datasets.sampling import Variation
from diffpose_core.datasets.training_set import TrainingData, data_sha256, make_sampler
from diffpose_core.io.checkpoints import encoder_tensors, fingerprint, load_encoder
from diffpose_core.structures import InvalidInput
from diffpose_core.training.bank import BLOCK_VIEWS, ConditionBank, build_bank, frames_of_sequence, merge_banks
from diffpose_core.uncertainty.mixtures import MEAN_STD
from diffpose_core.uncertainty.view import WIDEST_STD

BANK_SEED = 40_000


@dataclass(frozen=True)
class BankSource:
    """Everything that decides the content of a bank, and the device that it is prepared on.

    Attributes:
        encoder: checkpoint of the encoder.
        data: views to draw from.
        size: views, rounded up to whole blocks.
        draws: of a component and a noise a view.
        varied: draw for training, with varied bodies; False for validation.
        config: the recipe that the bodies follow.
        device: on which mixtures are fitted. The bank depends on it by rounding only.
    """

    encoder: Path
    data: TrainingData
    size: int
    draws: int
    varied: bool
    config: TrainingConfig
    device: str = "cpu"

    def stem(self) -> str:
        """The name of the bank's file: its size, and a hash of the content that it is made of."""
        encoder = fingerprint(encoder_tensors(load_encoder(self.encoder)[0]))
        # A change of the detector or of the bodies makes another bank.
        variation = Variation.of(self.config)
        recipe = repr((TRAINING_DETECTOR, variation, CameraRanges(), UncertaintyConfig(), MEAN_STD, WIDEST_STD))
        content = "\n".join((data_sha256(self.data), encoder, recipe, str(self.varied)))
        return f"bank-{hashlib.sha256(content.encode()).hexdigest()[:24]}-{self.size}x{self.draws}"


def _build_part(source: BankSource, part: tuple[int, int], out: Path) -> None:
    """Prepare one part of a bank and write it; runs in a process of its own."""
    torch.set_num_threads(1)
    encoder = load_encoder(source.encoder)[0].to(source.device)
    sampler = make_sampler(source.data, source.config, source.varied, frames_of_sequence(encoder.receptive_field))

    def show(done: int) -> None:
        if done % (BLOCK_VIEWS * 40) == 0:
            print(f"  part {part[0] + 1} of {part[1]}: {done} of {source.size // part[1]} views prepared", flush=True)

    seed = BANK_SEED + (not source.varied)
    uncertainty = UncertaintyConfig()
    build_bank(encoder, sampler.draw, source.size, uncertainty, source.draws, seed, part=part, progress=show).save(out)


def load_or_build_bank(source: BankSource, directory: Path, workers: int = 1) -> ConditionBank:
    """The bank of a source, from a folder if it was prepared before. A damaged one is prepared again.

    Args:
        source: the data that the bank is made from.
        directory: folder of banks.
        workers: processes that share the work. The bank does not depend on their number.
    """
    stem = source.stem()
    path = directory / f"{stem}.safetensors"
    if path.is_file():
        try:
            bank = ConditionBank.load(path)
        except InvalidInput as error:
            print(f"diffpose: {error}; it is prepared again", file=sys.stderr)
        else:
            _remove_parts(directory, stem)
            return bank
    directory.mkdir(parents=True, exist_ok=True)
    files = [directory / f"{stem}.part{number}.safetensors" for number in range(workers)]
    try:
        if workers == 1:
            _build_part(source, (0, 1), files[0])
        else:
            _build_parts(source, files)
        bank = merge_banks([ConditionBank.load(file) for file in files])
        bank.save(path)
    finally:
        _remove_parts(directory, stem)
    return bank


def _remove_parts(directory: Path, stem: str) -> None:
    """Remove the parts of a bank, also those that a killed process left beside the whole one."""
    for file in directory.glob(f"{stem}.part*.safetensors"):
        file.unlink(missing_ok=True)


def _build_parts(source: BankSource, files: list[Path]) -> None:
    """Prepare the parts of a bank in as many processes."""
    pool = ProcessPoolExecutor(len(files), mp_context=multiprocessing.get_context("spawn"))
    try:
        parts = [pool.submit(_build_part, source, (number, len(files)), file) for number, file in enumerate(files)]
        for part in parts:
            part.result()
    except BaseException:
        # Stopped, or a part failed: the others would go on for minutes.
        for process in list(pool._processes.values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
