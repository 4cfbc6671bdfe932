"""Training tasks: of the context encoder, the denoiser g, and the network that corrects poses by a known tilt."""

from __future__ import annotations

import torch
from torch import Tensor

from diffpose_core.config import DenoiserConfig, EncoderConfig, TrainingConfig
from diffpose_core.datasets.sampling import Batch
from diffpose_core.diffusion.flow import flow_state
from diffpose_core.diffusion.forward import q_sample
from diffpose_core.diffusion.reverse import from_x_start, to_x_start
from diffpose_core.diffusion.schedule import make_schedule
from diffpose_core.models.conditions import TILT_CHANNELS
from diffpose_core.models.denoiser import Conditioning, Denoiser
from diffpose_core.models.encoders import EncoderNetwork, build_encoder, takes_conditions
from diffpose_core.models.graformer import Graformer
from diffpose_core.models.mixste import MixSTE
from diffpose_core.training.base_task import Fields, TrainingTask
from diffpose_core.training.losses import mean_joint_distance, up_loss
from diffpose_core.training.told import tell_batch
from diffpose_core.uncertainty.reconcile import centred_and_scaled

#: Weight of the loss of an encoder's up beside that of its poses, metres.
_UP_WEIGHT = 0.01


def encoder_batch(batch: Batch, receptive_field: int = 1, generator: torch.Generator | None = None) -> Fields:
    """The fields of a batch of views that `EncoderTask` reads.

    Args:
        batch: of windows, one after another.
        receptive_field: frames of a window.
        generator: draws the told values of each window and their errors; None tells everything exactly.
    """
    view = batch.view
    told = tell_batch(batch, receptive_field, generator)
    return {
        "told": told,
        "up": told.new_zeros(len(view), 3) if batch.up is None else batch.up,
        "pose_norm": centred_and_scaled(view.pose_norm, view.size, receptive_field),
        "pose_view": batch.pose_view,
        "hidden": batch.hidden,
        "rotation": view.rotation,
    }


class EncoderTask(TrainingTask):
    """Regression of the 3D pose from the detected 2D pose, for single frames or windows of frames."""

    def __init__(self, network: EncoderConfig, config: TrainingConfig) -> None:
        super().__init__(config)
        self.network: EncoderNetwork = build_encoder(network)

    def training_step(self, batch: Fields, _: int) -> Tensor:
        told, truth = batch["told"], batch["pose_view"]
        features = self.network.features(batch["pose_norm"], told)
        predicted = self.network.pose(features)
        loss = self.loss(predicted, truth)
        self.log_epoch("train_mpjpe_m", mean_joint_distance(predicted.detach(), truth), len(truth))
        if takes_conditions(self.network):
            # Where up was told there is nothing to learn from finding it; where it is unknown to the data neither.
            counts = (told[:, TILT_CHANNELS - 1] == 0) & (batch["up"] != 0).any(-1)
            loss = loss + _UP_WEIGHT * (up_loss(*self.network.up(features), batch["up"]) * counts).mean()
        if self.config.velocity_weight and self.network.receptive_field > 1:
            velocity = self._velocity_error(predicted, truth, batch["rotation"])
            self.log_epoch("train_mpjve_m", velocity.detach(), len(truth))
            loss = loss + self.config.velocity_weight * velocity
        return loss

    def _velocity_error(self, predicted: Tensor, truth: Tensor, rotation: Tensor) -> Tensor:
        """Mean error of the joints' velocities, metres a frame.

        The view frame turns with the detected hip from frame to frame, so velocities are taken in the camera frame.
        """
        error_cam = ((predicted - truth) @ rotation).unflatten(0, (-1, self.network.receptive_field))
        velocity = error_cam.diff(dim=1)
        return mean_joint_distance(velocity, torch.zeros_like(velocity))

    def validation_step(self, batch: Fields, _: int) -> None:
        truth = batch["pose_view"]
        features = self.network.features(batch["pose_norm"])
        predicted = self.network.pose(features)
        error = (predicted - truth).norm(dim=-1)
        self.log_epoch("val_mpjpe_m", error.mean(), error.numel())
        scale = (predicted * truth).sum((1, 2)) / predicted.square().sum((1, 2)).clamp_min(1e-9)
        scaled = (scale[:, None, None] * predicted - truth).norm(dim=-1)
        self.log_epoch("val_n_mpjpe_m", scaled.mean(), error.numel())
        if takes_conditions(self.network):
            self._validate_conditions(self.network, batch, features)
        hidden = batch["hidden"]
        self.log_epoch("val_hidden_m", error[hidden].mean(), int(hidden.sum()))
        if self.network.receptive_field > 1:
            self.log_epoch("val_mpjve_m", self._velocity_error(predicted, truth, batch["rotation"]), len(error))

    def _validate_conditions(self, network: Graformer | MixSTE, batch: Fields, features: Tensor) -> None:
        """Log how well the network finds up, and its errors where it is told the tilt, and the proportions too."""
        cosine = (network.up(features)[0] * batch["up"]).sum(-1).clamp(-1.0, 1.0)
        self.log_epoch("val_up_deg", cosine.acos().rad2deg().mean(), len(cosine))
        told = batch["told"]
        tilt = torch.cat((told[:, :TILT_CHANNELS], torch.zeros_like(told[:, TILT_CHANNELS:])), dim=-1)
        for name, known in (("tilt", tilt), ("tilt_and_body", told)):
            error = (network(batch["pose_norm"], known) - batch["pose_view"]).norm(dim=-1)
            self.log_epoch(f"val_{name}_mpjpe_m", error.mean(), error.numel())


class DenoiserTask(TrainingTask):
    """Training of g on forward diffusion: Eq. 1 makes h_k, and g predicts h_0, the noise or h_{k-1} from it.

    A network without diffusion regresses h_0 from the encoder's pose; one of flow predicts h_0 from the line between it
    and a draw of H_K.
    """

    def __init__(self, network: DenoiserConfig, config: TrainingConfig) -> None:
        super().__init__(config)
        self.network = Denoiser(network)
        self.schedule = make_schedule(network.schedule, network.num_steps)

    @staticmethod
    def conditioning(batch: Fields) -> Conditioning:
        """The inputs of g beside h_k and k."""
        return Conditioning(batch.get("context"), batch["encoder_pose"], batch["gmm"], batch["heatmaps"], batch["told"])

    def predict(self, batch: Fields, k: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Noise a batch and run g on it.

        Args:
            batch: as `BankSampler` makes it.
            k: (B,), the step of each pose.

        Returns:
            The output of g, its target, and the predicted h_0; (B, J, 3) each.
        """
        kind = self.network.config.prediction_type
        x_start, conditioning = batch["x_start"], self.conditioning(batch)
        if self.network.config.diffusion == "none":
            output = self.network(batch["encoder_pose"], torch.full_like(k, self.schedule.num_steps), conditioning)
            return output, x_start, output
        mean = batch["component_mean"]
        noised = self._own_prediction(batch, conditioning) if self.training and "own" in batch else x_start
        if self.network.config.diffusion == "flow":
            x_k = flow_state(noised, mean + batch["noise"], k, self.schedule.num_steps)
        else:
            x_k = q_sample(noised, k, self.schedule, batch["noise"], mean)
        output = self.network(x_k, k, conditioning)
        target = from_x_start(x_start, kind, x_k, k, self.schedule, mean)
        return output, target, to_x_start(output, kind, x_k, k, self.schedule, mean)

    @torch.no_grad()
    def _own_prediction(self, batch: Fields, conditioning: Conditioning) -> Tensor:
        """The h_0 that is noised: g's prediction from a draw of H_K where `own` is true, else the truth."""
        start = batch["component_mean"] + batch["noise"]
        last = torch.full((len(start),), self.schedule.num_steps, device=start.device)
        return torch.where(batch["own"][:, None, None], self.network(start, last, conditioning), batch["x_start"])

    def training_step(self, batch: Fields, _: int) -> Tensor:
        output, target, _predicted = self.predict(batch, batch["k"])
        loss = self.loss(output, target)
        self.log_epoch("train_loss", loss.detach(), len(output))
        return loss

    def validation_step(self, batch: Fields, _: int) -> None:
        for k in (1, self.schedule.num_steps):
            steps = torch.full((len(batch["x_start"]),), k, device=self.device)
            error = (self.predict(batch, steps)[2] - batch["x_start"]).norm(dim=-1)
            self.log_epoch(f"val_mpjpe_k{k}_m", error.mean(), error.numel())
            self.log_epoch(f"val_hidden_k{k}_m", error[batch["hidden"]].mean(), int(batch["hidden"].sum()))
