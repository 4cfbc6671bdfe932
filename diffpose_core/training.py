"""One training path for the context encoder (which is also the baseline) and for every denoiser.

Lightning runs the loop: Adam, learning-rate decay, a moving average of the weights, mixed precision, several processes,
checkpoints after every epoch and resuming from the last one. Batches of an epoch are decided by (seed, epoch) alone,
so that a run that was killed goes on as it would have, and several processes learn from what one would.
"""

from __future__ import annotations

import copy
import hashlib
import logging
import multiprocessing
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from diffpose_core.config import (
    DenoiserConfig,
    EncoderConfig,
    MixSTEConfig,
    TrainingConfig,
    UncertaintyConfig,
    UprightConfig,
    to_dict,
)
from diffpose_core.datasets.conditions import (
    BLOCK_VIEWS,
    ConditionBank,
    build_bank,
    frames_of_sequence,
    merge_banks,
)
from diffpose_core.datasets.detector import TRAINING_DETECTOR
from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.datasets.sampling import Batch, PoseSampler
from diffpose_core.datasets.views import H36mViews, ViewSampler
from diffpose_core.diffusion.forward import q_sample
from diffpose_core.diffusion.reverse import from_x_start, to_x_start
from diffpose_core.diffusion.schedule import make_schedule
from diffpose_core.io.cards import write_card
from diffpose_core.io.checkpoints import (
    Record,
    encoder_tensors,
    fingerprint,
    load_denoiser,
    load_encoder,
    network_tensors,
    save_checkpoint,
)
from diffpose_core.models.context import ContextEncoder
from diffpose_core.models.denoiser import Conditioning, Denoiser, gmm_features, has_fast_bfloat16
from diffpose_core.models.graformer import Graformer
from diffpose_core.models.layers import GraphAttentionBlock
from diffpose_core.models.mixste import MixSTE, TemporalBlock
from diffpose_core.models.upright import Upright
from diffpose_core.models.windows import VIDEO_FPS
from diffpose_core.rng import seeded
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.indeterminate import fit_depth_residual, metric_scale
from diffpose_core.uncertainty.reconcile import centred_and_scaled
from diffpose_core.uncertainty.view import MEAN_STD, WIDEST_STD

_VALIDATION_SEED = 20_000
_CALIBRATION_SEED = 30_000
_BANK_SEED = 40_000
#: How wrong the directions are that `Upright` learns with, at most (standard deviation along each axis): about as wrong
#: as those that a clip's frames together say.
_UP_ERROR = 0.04


def mean_joint_distance(predicted: Tensor, target: Tensor) -> Tensor:
    """The loss, and MPJPE: mean over everything of the joints' Euclidean distance, (..., J, 3), metres."""
    # The hip is exact on both sides; a plain norm would have no gradient there.
    return (predicted - target).square().sum(-1).clamp_min(1e-12).sqrt().mean()


def inner_matrices(module: nn.Module, temporal_only: bool = False) -> list[Tensor]:
    """Weights of the linear layers inside a network's blocks: those that lead from features to features."""
    kinds = (TemporalBlock,) if temporal_only else (GraphAttentionBlock, TemporalBlock)
    blocks = (block for block in module.modules() if isinstance(block, kinds))
    return [layer.weight for block in blocks for layer in block.modules() if isinstance(layer, nn.Linear)]


class MuonAndAdam(torch.optim.Optimizer):
    """torch's Muon for some parameters and its Adam for the others, as the one optimiser that a run has.

    matrices: (out, in) each. rate: Muon's; its steps are made as long as Adam's would be (`match_rms_adamw`).
    adam: of all other parameters.
    """

    def __init__(self, matrices: list[Tensor], rate: float, adam: torch.optim.Optimizer) -> None:
        muon = torch.optim.Muon(matrices, lr=rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
        self._parts = (muon, adam)
        super().__init__([*muon.param_groups, *adam.param_groups], {})

    def step(self, closure: Any = None) -> Any:
        loss = None if closure is None else torch.enable_grad()(closure)()
        for part, group in zip(self._parts, self.param_groups, strict=True):
            # Loading a state puts other groups and another state in the old ones' place.
            part.param_groups, part.state = [group], self.state
            part.step()
        return loss


class _Stream(IterableDataset[Any]):
    """Batches of one epoch from a draw function (size, generator) -> batch; of several processes each takes its part.

    Raises InvalidInput where the batch can't be shared evenly.
    """

    def __init__(self, draw: Any, config: TrainingConfig, epoch: int, rank: int, world_size: int) -> None:
        if config.batch_size % world_size:
            raise InvalidInput(f"a batch of {config.batch_size} can't be shared evenly by {world_size} processes")
        self.draw, self.config, self.epoch, self.rank, self.world_size = draw, config, epoch, rank, world_size

    def __len__(self) -> int:
        return max(1, self.config.samples_per_epoch // self.config.batch_size)

    def __iter__(self) -> Iterator[Any]:
        generator = seeded("cpu", self.config.seed, self.epoch, 0)
        for _ in range(len(self)):
            # Drawing is cheap beside training, so that every process draws it all: the same poses, however many share.
            batch = self.draw(self.config.batch_size, generator)
            yield {name: tensor.chunk(self.world_size)[self.rank] for name, tensor in batch.items()}


class _Task(pl.LightningModule):
    """What both kinds of training share: optimiser, schedule, streams of batches."""

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self.config = config
        # How batches are drawn is not part of the model: a plain attribute inside a list stays out of copies of its
        # state.
        self._draw: list[Any] = []
        self._validation: list[Any] = []

    @property
    def settings(self) -> dict[str, Any]:
        """What a run's state belongs to: it can be resumed by a task of the same settings, with more epochs or less."""
        network: Graformer | MixSTE | Denoiser | Upright = self.get_submodule("network")  # type: ignore[assignment]
        return {**to_dict(network.config), **to_dict(replace(self.config, epochs=0))}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["settings"] = self.settings

    def attach(self, draw: Any, validation: list[Any]) -> None:
        """Give the task its data: draw(size, generator) makes a training batch; validation holds fixed batches."""
        self._draw, self._validation = [draw], validation

    def __deepcopy__(self, memo: dict[int, Any]) -> _Task:
        # The moving average copies the module; the data must not be copied with it.
        draw, validation = self._draw, self._validation
        self._draw, self._validation = [], []
        try:
            copied = self.__class__.__new__(self.__class__)
            memo[id(self)] = copied
            copied.__dict__.update(
                {k: copy.deepcopy(v, memo) for k, v in self.__dict__.items() if k not in ("_trainer", "_fabric")}
            )
            copied._trainer, copied._fabric = None, None
            return copied
        finally:
            self._draw, self._validation = draw, validation

    def train_dataloader(self) -> DataLoader[Any]:
        stream = _Stream(self._draw[0], self.config, self.current_epoch, self.global_rank, self.trainer.world_size)
        return DataLoader(stream, batch_size=None, num_workers=0)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self._validation, batch_size=None, num_workers=0)  # type: ignore[arg-type]

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}

    def configure_optimizers(self) -> Any:
        c = self.config
        matrices = inner_matrices(self, c.muon_blocks == "temporal") if c.muon_factor else []
        of_muon = {id(matrix) for matrix in matrices}
        others = [p for p in self.parameters() if id(p) not in of_muon]
        optimizer: torch.optim.Optimizer = torch.optim.Adam(others, lr=c.learning_rate, weight_decay=c.weight_decay)
        if matrices:
            optimizer = MuonAndAdam(matrices, c.muon_factor * c.learning_rate, optimizer)
        steps_per_epoch = max(1, c.samples_per_epoch // c.batch_size)

        def factor(step: int) -> float:
            warm = min(1.0, (step + 1) / max(1, c.warmup_steps))
            return warm * c.learning_rate_decay ** (step // (steps_per_epoch * c.decay_every_epochs))

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _log_epoch(self, name: str, value: Tensor, size: int) -> None:
        self.log(name, value, prog_bar=True, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)


class EncoderTask(_Task):
    """Regress the 3D pose from the detected 2D pose: of single frames, or of windows of frames."""

    def __init__(self, network: EncoderConfig, config: TrainingConfig) -> None:
        super().__init__(config)
        self.network = MixSTE(network) if isinstance(network, MixSTEConfig) else Graformer(network)

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        predicted, truth = self.network(batch["pose_norm"]), batch["pose_view"]
        loss = mean_joint_distance(predicted, truth)
        self._log_epoch("train_mpjpe_m", loss.detach(), len(truth))
        if self.config.velocity_weight and self.network.receptive_field > 1:
            velocity = self._velocity_error(predicted, truth, batch["rotation"])
            self._log_epoch("train_mpjve_m", velocity.detach(), len(truth))
            loss = loss + self.config.velocity_weight * velocity
        return loss

    def _velocity_error(self, predicted: Tensor, truth: Tensor, rotation: Tensor) -> Tensor:
        """Mean error of the joints' velocities, metres a frame.

        The view frame turns with the detected hip from frame to frame, so that velocities are those of the camera's.
        """
        error_cam = ((predicted - truth) @ rotation).unflatten(0, (-1, self.network.receptive_field))
        velocity = error_cam.diff(dim=1)
        return mean_joint_distance(velocity, torch.zeros_like(velocity))

    def validation_step(self, batch: dict[str, Tensor], _: int) -> None:
        error = (self.network(batch["pose_norm"]) - batch["pose_view"]).norm(dim=-1)
        self._log_epoch("val_mpjpe_m", error.mean(), error.numel())
        hidden = batch["hidden"]
        self._log_epoch("val_hidden_m", error[hidden].mean(), int(hidden.sum()))
        if self.network.receptive_field > 1:
            velocity = self._velocity_error(self.network(batch["pose_norm"]), batch["pose_view"], batch["rotation"])
            self._log_epoch("val_mpjve_m", velocity, len(error))


def encoder_batch(batch: Batch, receptive_field: int = 1) -> dict[str, Tensor]:
    """The fields of a batch of views that the encoder's training reads."""
    view = batch.view
    return {
        "pose_norm": centred_and_scaled(view.pose_norm, view.size, receptive_field),
        "pose_view": batch.pose_view,
        "hidden": batch.hidden,
        "rotation": view.rotation,
    }


class DenoiserTask(_Task):
    """Train g on forward diffusion: Eq. 1 makes h_k, g predicts h_0 (or the noise, or h_{k-1}) from it.

    A network without diffusion regresses h_0 from the encoder's pose.
    """

    def __init__(self, network: DenoiserConfig, config: TrainingConfig) -> None:
        super().__init__(config)
        self.network = Denoiser(network)
        self.schedule = make_schedule(network.schedule, network.num_steps)

    @staticmethod
    def conditioning(batch: dict[str, Tensor]) -> Conditioning:
        """What g is given beside h_k and k."""
        gmm = gmm_features(batch["component_mean"], batch["component_std"], batch["mixture_mean"], batch["mixture_std"])
        return Conditioning(batch.get("context"), batch["encoder_pose"], gmm, batch["heatmaps"])

    def predict(self, batch: dict[str, Tensor], k: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Noise the batch to step k (B,) and run g. Returns g's output, its target, and the predicted h_0."""
        kind = self.network.config.prediction_type
        x_start, mean = batch["x_start"], batch["component_mean"]
        conditioning = self.conditioning(batch)
        if self.network.config.diffusion == "none":
            output = self.network(batch["encoder_pose"], torch.full_like(k, self.schedule.num_steps), conditioning)
            return output, x_start, output
        seen = self._own_prediction(batch, conditioning) if self.training and "own" in batch else x_start
        x_k = q_sample(seen, k, self.schedule, batch["noise"], mean)
        output = self.network(x_k, k, conditioning)
        target = from_x_start(x_start, kind, x_k, k, self.schedule, mean)
        return output, target, to_x_start(output, kind, x_k, k, self.schedule, mean)

    @torch.no_grad()
    def _own_prediction(self, batch: dict[str, Tensor], conditioning: Conditioning) -> Tensor:
        """The h_0 that states are made from: what g predicts from a draw of H_K where `own` says so, else the truth."""
        start = batch["component_mean"] + batch["noise"]
        last = torch.full((len(start),), self.schedule.num_steps, device=start.device)
        return torch.where(batch["own"][:, None, None], self.network(start, last, conditioning), batch["x_start"])

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        output, target, _predicted = self.predict(batch, batch["k"])
        loss = mean_joint_distance(output, target)
        self._log_epoch("train_loss", loss.detach(), len(output))
        return loss

    def validation_step(self, batch: dict[str, Tensor], _: int) -> None:
        for k in (1, self.schedule.num_steps):
            steps = torch.full((len(batch["x_start"]),), k, device=self.device)
            error = (self.predict(batch, steps)[2] - batch["x_start"]).norm(dim=-1)
            self._log_epoch(f"val_mpjpe_k{k}_m", error.mean(), error.numel())
            self._log_epoch(f"val_hidden_k{k}_m", error[batch["hidden"]].mean(), int(batch["hidden"].sum()))


class UprightTask(_Task):
    """Train `Upright`: what a pose says of the camera's tilt, and what a roughly known tilt says of the pose."""

    def __init__(self, network: UprightConfig, config: TrainingConfig) -> None:
        super().__init__(config)
        self.network = Upright(network)

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        corrected = mean_joint_distance(self.network(batch["encoder_pose"], batch["known_up"]), batch["pose_view"])
        said = (self.network.up(batch["encoder_pose"]) - batch["up"]).norm(dim=-1).mean()
        self._log_epoch("train_mpjpe_m", corrected.detach(), len(batch["up"]))
        # The two perceptrons have nothing in common: this only keeps their gradients alike.
        return corrected + 0.1 * said

    def validation_step(self, batch: dict[str, Tensor], _: int) -> None:
        pose, up = batch["encoder_pose"], batch["up"]
        error = (self.network(pose, up) - batch["pose_view"]).norm(dim=-1)
        self._log_epoch("val_mpjpe_m", error.mean(), error.numel())
        self._log_epoch("val_encoder_mpjpe_m", (pose - batch["pose_view"]).norm(dim=-1).mean(), error.numel())
        cosine = (self.network.up(pose) * up).sum(-1).clamp(-1.0, 1.0)
        self._log_epoch("val_up_deg", cosine.acos().rad2deg().mean(), len(up))


@torch.no_grad()
def upright_rows(
    encoder: ContextEncoder, sampler: PoseSampler | ViewSampler, views: int, seed: int
) -> dict[str, Tensor]:
    """What `UprightTask` learns from: each view's pose as the encoder says it, of the detected and of the reconciled 2D
    pose, the truth, and which way is up.
    """
    rows: dict[str, list[Tensor]] = {"encoder_pose": [], "pose_view": [], "up": []}
    for block in range(-(-views // BLOCK_VIEWS)):
        batch = sampler.draw(BLOCK_VIEWS, seeded(sampler.device, seed, block))
        if batch.up is None:
            raise InvalidInput("views that say which way is up are needed: motions in Mocap-17 layout")
        detected = encoder.encode(batch.view)
        for context in (detected, encoder.encode_reconciled(batch.view, detected)):
            for name, tensor in (("encoder_pose", context.pose_view), ("pose_view", batch.pose_view), ("up", batch.up)):
                rows[name].append(tensor.cpu())
    return {name: torch.cat(tensors) for name, tensors in rows.items()}


class BankDraw:
    """Draws training batches for a denoiser from a prepared bank."""

    def __init__(
        self, bank: ConditionBank, network: DenoiserConfig, last_step_share: float = 0.0, own_state_share: float = 0.0
    ) -> None:
        if own_state_share > 0 and network.prediction_type != "x_start":
            raise InvalidInput(
                f"states of its own need a network that predicts x_start, found {network.prediction_type!r}"
            )
        if own_state_share > 0 and network.diffusion == "none":
            raise InvalidInput("a regression network has no states of its own")
        self.bank, self.network = bank, network
        self.last_step_share, self.own_state_share = last_step_share, own_state_share

    def __call__(self, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        bank = self.bank
        row = torch.randint(len(bank), (size,), generator=generator)
        draw = torch.randint(bank.noise.shape[1], (size,), generator=generator)
        k = torch.randint(1, self.network.num_steps + 1, (size,), generator=generator)
        last = torch.rand(size, generator=generator) < self.last_step_share
        k = torch.where(last, self.network.num_steps, k)
        fields = self.batch(row, draw, k, generator)
        if self.own_state_share > 0:
            fields["own"] = torch.rand(size, generator=generator) < self.own_state_share
        return fields

    def batch(self, row: Tensor, draw: Tensor, k: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """The batch of the given bank rows and draws; standard diffusion draws its own noise, regression none."""
        bank, reconciled = self.bank, self.network.context_input == "reconciled"
        fields = {
            "x_start": bank.x_start[row].float(),
            "hidden": bank.hidden[row],
            "heatmaps": bank.heatmaps[row].float(),
            "encoder_pose": (bank.reconciled_pose if reconciled else bank.encoder_pose)[row].float(),
            "k": k,
        }
        if self.network.use_context:
            fields["context"] = (bank.reconciled if reconciled else bank.context)[row]
        if self.network.diffusion == "gmm":
            fields["component_mean"] = bank.component_mean[row, draw].float()
            fields["component_std"] = bank.component_std[row, draw].float()
            fields["noise"] = bank.noise[row, draw].float()
            fields["mixture_mean"] = bank.mixture_mean[row].float()
            fields["mixture_std"] = bank.mixture_std[row].float()
        elif self.network.diffusion == "none":
            mean, std = bank.mixture_mean[row].float(), bank.mixture_std[row].float()
            # No component is drawn: the whole mixture stands for it.
            fields.update(component_mean=mean, component_std=std, mixture_mean=mean, mixture_std=std)
        else:
            zero, one = torch.zeros_like(fields["x_start"]), torch.ones_like(fields["x_start"])
            noise = torch.randn(fields["x_start"].shape, generator=generator)
            fields.update(component_mean=zero, component_std=one, noise=noise, mixture_mean=zero, mixture_std=one)
        return fields

    def in_order(self, size: int, batch_size: int) -> Iterator[dict[str, Tensor]]:
        """The first `size` rows of the bank in order, the first draw of each."""
        generator = seeded("cpu", _VALIDATION_SEED)
        for rows in torch.arange(min(size, len(self.bank))).split(batch_size):
            yield self.batch(rows, torch.zeros_like(rows), torch.ones_like(rows), generator)


@dataclass(frozen=True)
class RunOptions:
    """Where and how a run executes; nothing here changes what is learnt. directory: of its checkpoints and loss curves.
    accelerator, devices: Lightning's. threads: of torch on the CPU, None leaves it alone. mixed_precision: None
    decides by what the hardware is fast at. progress: whether to draw a bar.
    """

    directory: Path
    accelerator: str = "auto"
    devices: int = 1
    threads: int | None = None
    mixed_precision: bool | None = None
    progress: bool = True

    @property
    def device(self) -> str:
        """Where a denoiser's bank is prepared: on a GPU, where training takes one."""
        return "cuda" if self.accelerator != "cpu" and torch.cuda.is_available() else "cpu"


def _check_same_run(task: _Task, last: Path) -> None:
    if not last.is_file():
        return
    # The run's own state, written by this program to a place of the user's choosing: not a file from outside.
    found = torch.load(last, map_location="cpu", weights_only=False, mmap=True).get("settings", {})
    for name, value in task.settings.items():
        if name in found and found[name] != value:
            raise InvalidInput(
                f"{last.parent} holds a run with {name} {found[name]}, this one has {value}: take another folder for "
                "it (--runs), or remove that one"
            )


def run_task(task: _Task, config: TrainingConfig, options: RunOptions) -> dict[str, float]:
    """Train a task to the end of its epochs, resuming from the directory's last checkpoint if there is one.

    The task's network holds the averaged weights afterwards. Returns the last validation figures, metres. Raises
    InvalidInput if the directory holds a run with other settings.
    """
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    mixed = has_fast_bfloat16(options.accelerator) if options.mixed_precision is None else options.mixed_precision
    options.directory.mkdir(parents=True, exist_ok=True)
    last = options.directory / "last.ckpt"
    _check_same_run(task, last)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # One process that draws its own batches is what is wanted here; Lightning advises data-loading workers.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*IterableDataset.*__len__.*")
        where: dict[str, Any] = {
            "accelerator": options.accelerator,
            "devices": options.devices,
            "strategy": "ddp" if options.devices > 1 else "auto",
            "precision": "bf16-mixed" if mixed else "32-true",
            "enable_progress_bar": options.progress,
            "enable_model_summary": False,
            "default_root_dir": options.directory,
        }
        trainer = pl.Trainer(
            **where,
            max_epochs=config.epochs,
            gradient_clip_val=config.gradient_clip,
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
            # One log folder a start: resuming must not delete the curves so far.
            logger=CSVLogger(options.directory, name="log"),
            log_every_n_steps=1_000_000,
            callbacks=[
                EMAWeightAveraging(decay=config.ema_decay),
                ModelCheckpoint(
                    options.directory, filename="last", save_top_k=1, every_n_epochs=1, enable_version_counter=False
                ),
            ],
        )
        trainer.fit(task, ckpt_path=str(last) if last.is_file() else None, weights_only=False)
        metrics = trainer.callback_metrics
        if not metrics:
            # The run had ended before: there was nothing left to train, and what was loaded to go on from are the raw
            # weights. The averaged ones are what the file holds as the model's state.
            task.load_state_dict(torch.load(last, map_location="cpu", weights_only=False)["state_dict"])
            checker = pl.Trainer(**where, logger=False, enable_checkpointing=False)
            checker.validate(task, verbose=False)
            metrics = checker.callback_metrics
    task.eval()
    return {name: float(value) for name, value in metrics.items()}


def calibrate_encoder(
    network: Graformer | MixSTE, sampler: PoseSampler | ViewSampler, num_poses: int = 20_000
) -> ContextEncoder:
    """Measure how the trained network's depth errs on training views, which is what H_K's depth is drawn from."""
    network.eval().requires_grad_(False)
    residuals, spreads = [], []
    windows = max(1, 1000 // network.receptive_field)
    for block in range(num_poses // 1000):
        batch = sampler.draw(windows, seeded(sampler.device, _CALIBRATION_SEED, block))
        pose = network(encoder_batch(batch, network.receptive_field)["pose_norm"])
        scale, _ = metric_scale(batch.view, pose)
        residuals.append((batch.pose_view - pose)[..., 2].cpu())
        spreads.append((batch.view.joint_std_norm * scale[:, None]).cpu())
    return ContextEncoder(network, fit_depth_residual(torch.cat(residuals), torch.cat(spreads)))


#: What to train on: a motion file, or given views.
TrainingData = Path | H36mViews


def _sampler(
    data: TrainingData, config: TrainingConfig, varied: bool = True, frames: int = 1
) -> PoseSampler | ViewSampler:
    if isinstance(data, H36mViews):
        return data.sampler(varied, frames)
    motions = load_mocap17(data)
    if frames > 1 and (motions.fps != VIDEO_FPS).any():
        found = sorted(set(motions.fps.tolist()))
        raise InvalidInput(f"windows are trained at {VIDEO_FPS:g} frames a second, found motions at {found}")
    if not varied:
        return PoseSampler(motions, 0.0, frames=frames)
    return PoseSampler(motions, config.bone_variation, detector=TRAINING_DETECTOR, frames=frames)


def _names(data: TrainingData, validation: TrainingData) -> str:
    return f"{data.name} (validation: {validation.name})"


def _publish(out: Path, tensors: dict[str, Tensor], record: Record) -> None:
    """Write a checkpoint and its card, from the first process only."""
    if getattr(rank_zero_only, "rank", 0) == 0:
        out.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint(out, tensors, record)
        write_card(out, record)


def _publish_on_encoder(
    kind: str,
    name: str,
    task: DenoiserTask | UprightTask,
    encoder: ContextEncoder,
    data: str,
    command: str,
    metrics: dict[str, float],
    licence: str,
    out: Path,
) -> Record:
    """Write the checkpoint and the card of what was trained on an encoder."""
    record = Record(
        kind=kind, name=name, config=to_dict(task.network.config), training=to_dict(task.config),
        data=data, command=command, seed=task.config.seed, metrics=metrics, licence=licence,
        encoder_sha256=fingerprint(encoder_tensors(encoder)),
    )  # fmt: skip
    _publish(out, network_tensors(task.network), record)
    return record


def train_encoder(
    name: str,
    data: TrainingData,
    validation: TrainingData,
    network: EncoderConfig,
    config: TrainingConfig,
    options: RunOptions,
    out: Path,
    command: str,
    licence: str,
    start_from: Path | None = None,
) -> Record:
    """Train the Graformer or MixSTE and write its checkpoint to `out`.

    start_from: a checkpoint to go on from instead of random weights: of the same network, or for MixSTE of a Graformer
    that becomes its spatial half.
    """
    pl.seed_everything(config.seed, verbose=False)
    task = EncoderTask(network, config)
    if start_from is not None:
        start = load_encoder(start_from)[0].network
        part = (
            task.network.spatial if isinstance(task.network, MixSTE) and isinstance(start, Graformer) else task.network
        )
        if start.config != part.config:
            raise InvalidInput(f"{start_from}: its network doesn't fit {name}, found {start.config}")
        part.load_state_dict(start.state_dict())
    frames = task.network.receptive_field
    sampler = _sampler(data, config, frames=frames)
    held_out = _sampler(validation, config, varied=False, frames=frames)
    windows = max(1, 1000 // frames)
    fixed = [encoder_batch(held_out.draw(windows, seeded("cpu", _VALIDATION_SEED, i)), frames) for i in range(4)]
    task.attach(lambda size, generator: encoder_batch(sampler.draw(size, generator), frames), fixed)
    metrics = run_task(task, config, options)
    encoder = calibrate_encoder(task.network, sampler)
    record = Record(
        kind=encoder.name, name=name, config=to_dict(network), training=to_dict(config),
        data=_names(data, validation), command=command, seed=config.seed, metrics=metrics, licence=licence,
    )  # fmt: skip
    _publish(out, encoder_tensors(encoder), record)
    return record


def _bank_part(
    encoder_path: Path,
    data: TrainingData,
    size: int,
    draws: int,
    varied: bool,
    config: TrainingConfig,
    part: tuple[int, int],
    out: Path,
    device: str,
) -> None:
    """Prepare one share of a bank and write it to `out`; runs in a process of its own."""
    torch.set_num_threads(1)
    encoder = load_encoder(encoder_path)[0].to(device)
    sampler = _sampler(data, config, varied, frames_of_sequence(encoder.receptive_field))

    def show(done: int) -> None:
        if done % (BLOCK_VIEWS * 40) == 0:
            print(f"  share {part[0] + 1} of {part[1]}: prepared {done} of {size // part[1]} views", flush=True)

    seed = _BANK_SEED + (not varied)
    bank = build_bank(encoder, sampler.draw, size, UncertaintyConfig(), draws, seed, part=part, progress=show)
    bank.save(out)


def conditions(
    encoder_path: Path,
    data: TrainingData,
    size: int,
    draws: int,
    directory: Path,
    varied: bool,
    config: TrainingConfig,
    workers: int = 1,
    device: str = "cpu",
) -> ConditionBank:
    """The bank of an encoder and a motion file, from `directory` if it was prepared before.

    size: views, rounded up to whole blocks. draws: of a component and a noise a view. workers: processes that
    share the work; the bank does not depend on their number. device: where mixtures are fitted, to which views are
    brought that are drawn on the CPU: but for rounding the bank doesn't depend on it either.
    """
    encoder, _ = load_encoder(encoder_path)
    mark = fingerprint(encoder_tensors(encoder))[:12]
    # Views of another detector or of other bodies are another bank.
    recipe = repr((TRAINING_DETECTOR, config.bone_variation, UncertaintyConfig(), MEAN_STD, WIDEST_STD))
    stem = f"bank-{data.stem}-{mark}-{hashlib.sha256(recipe.encode()).hexdigest()[:8]}-{size}x{draws}"
    path = directory / f"{stem}.safetensors"
    if path.is_file():
        return ConditionBank.load(path)
    directory.mkdir(parents=True, exist_ok=True)
    shares = [directory / f"{stem}.share{number}.safetensors" for number in range(workers)]
    arguments = [
        (encoder_path, data, size, draws, varied, config, (number, workers), share, device)
        for number, share in enumerate(shares)
    ]
    if workers == 1:
        _bank_part(*arguments[0])
    else:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            for future in [pool.submit(_bank_part, *argument) for argument in arguments]:
                future.result()
    bank = merge_banks([ConditionBank.load(share) for share in shares])
    bank.save(path)
    for share in shares:
        share.unlink()
    return bank


def train_denoiser(
    name: str,
    encoder_path: Path,
    data: TrainingData,
    validation: TrainingData,
    network: DenoiserConfig,
    config: TrainingConfig,
    options: RunOptions,
    out: Path,
    command: str,
    licence: str,
    bank_size: int = 262_144,
    bank_draws: int = 4,
    bank_workers: int = 1,
    start_from: Path | None = None,
) -> Record:
    """Train a diffusion network g on a frozen encoder and write its checkpoint to `out`.

    start_from: a checkpoint of the same network to go on from, instead of new weights.
    """
    encoder, _ = load_encoder(encoder_path)
    if encoder.network.config.channels != network.context_channels:
        raise InvalidInput(
            f"the encoder's f_ST is {encoder.network.config.channels} wide, "
            f"the denoiser expects {network.context_channels}"
        )
    directory = options.directory.parent
    how = (config, bank_workers, options.device)
    bank = conditions(encoder_path, data, bank_size, bank_draws, directory, True, *how)
    held_out = conditions(encoder_path, validation, 4096, 1, directory, False, *how)
    pl.seed_everything(config.seed, verbose=False)
    task = DenoiserTask(network, config)
    draw = BankDraw(bank, network, config.last_step_share, config.own_state_share)
    if start_from is not None:
        start, _ = load_denoiser(start_from, encoder)
        if start.config != network:
            raise InvalidInput(f"{start_from}: its network is not the preset's, found {start.config}")
        task.network.load_state_dict(start.state_dict())
    task.attach(draw, list(BankDraw(held_out, network).in_order(4096, 1024)))
    metrics = run_task(task, config, options)
    error = (held_out.encoder_pose.float() - held_out.x_start.float()).norm(dim=-1)
    metrics["val_encoder_mpjpe_m"] = float(error.mean())
    metrics["val_encoder_hidden_m"] = float(error[held_out.hidden].mean())
    return _publish_on_encoder(
        "denoiser", name, task, encoder, _names(data, validation), command, metrics, licence, out
    )


def train_upright(
    name: str,
    encoder_path: Path,
    data: TrainingData,
    validation: TrainingData,
    network: UprightConfig,
    config: TrainingConfig,
    options: RunOptions,
    out: Path,
    command: str,
    licence: str,
) -> Record:
    """Train what makes the poses of an encoder of single frames upright, and write its checkpoint to `out`.

    Raises InvalidInput for an encoder of video, whose windows tell it the camera's tilt already, and for data that
    doesn't say which way is up.
    """
    encoder, _ = load_encoder(encoder_path)
    if encoder.receptive_field > 1:
        raise InvalidInput(f"{encoder_path}: an encoder of single frames is expected, found {encoder.title}")
    # As many different poses an epoch as it has samples, two of each view.
    rows = upright_rows(encoder, _sampler(data, config), config.samples_per_epoch // 2, _BANK_SEED)
    held_out = upright_rows(encoder, _sampler(validation, config, varied=False), 2048, _BANK_SEED + 1)
    pl.seed_everything(config.seed, verbose=False)
    task = UprightTask(network, config)

    def draw(size: int, generator: torch.Generator) -> dict[str, Tensor]:
        index = torch.randint(len(rows["up"]), (size,), generator=generator)
        batch = {field: tensor[index] for field, tensor in rows.items()}
        off = _UP_ERROR * torch.rand(size, 1, generator=generator) * torch.randn(size, 3, generator=generator)
        batch["known_up"] = nn.functional.normalize(batch["up"] + off, dim=-1)
        return batch

    task.attach(draw, [held_out])
    metrics = run_task(task, config, options)
    return _publish_on_encoder("upright", name, task, encoder, _names(data, validation), command, metrics, licence, out)


def shortened(config: TrainingConfig, **changes: Any) -> TrainingConfig:
    """The configuration with every given value that is not None put in."""
    return replace(config, **{key: value for key, value in changes.items() if value is not None})
