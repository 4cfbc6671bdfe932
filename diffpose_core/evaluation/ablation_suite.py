"""The ablation suite: groups of settings that are compared, one setting changed at a time.

Most settings need the shipped weights only. Others need a training of their own, by the commands given here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from diffpose_core.diffusion.schedule import make_schedule
from diffpose_core.evaluation.views import Input2D
from diffpose_core.presets import PRESETS, SHORT_DENOISER_TRAINING, SHORT_ENCODER_TRAINING

#: Ways from many hypotheses to one pose.
Answer = Literal["mean", "best", "by pose", "by joint"]
#: Baselines that are context encoders, not denoisers.
ENCODERS = ("graformer", "graformer_reconciled", "graformer_long")


@dataclass(frozen=True)
class Setting:
    """Settings of one cell.

    Attributes:
        network: a preset's name, or one of `ENCODERS`.
        steps: DDIM steps.
        hypotheses: N.
        components: M.
        samples: N_GMM.
        input_2d: kind of 2D input, see `evaluation.views.INPUTS`.
    """

    network: str = "diffpose"
    steps: int = 5
    hypotheses: int = 5
    components: int = 5
    samples: int = 1000
    input_2d: Input2D = "detected"


@dataclass(frozen=True)
class Cell:
    """One figure of a group.

    Attributes:
        label: its name.
        setting: how poses are made.
        answer: the way from its hypotheses to a pose; "best" needs the truth.
        x: its place, where the group is a curve.
        series: name of the curve.
    """

    label: str
    setting: Setting
    answer: Answer = "mean"
    x: float | None = None
    series: str = ""


@dataclass(frozen=True)
class Group:
    """Cells that are compared with each other.

    Attributes:
        name: of the group, for `--only`.
        title: heading of its table.
        note: text below the heading.
        cells: its figures.
        reference: label of the cell that gains are measured against; its weights are shipped.
        axis: label of the x axis, where the group is a curve.
    """

    name: str
    title: str
    note: str
    cells: tuple[Cell, ...]
    reference: str
    axis: str = ""


_STEPS, _HYPOTHESES = (1, 2, 5, 10, 25, 50), (1, 2, 5, 10, 20, 50)
_ANSWERS: Mapping[Answer, str] = {
    "mean": "mean",
    "best": "best of N (needs the truth)",
    "by pose": "weighted by reprojection",
    "by joint": "weighted by reprojection, joint by joint",
}
DEFAULT = Setting()
#: How all denoisers and regressions are trained: the preset's epochs, then a few at a low rate.
_EPOCHS, _MORE_EPOCHS = SHORT_DENOISER_TRAINING.epochs, 3
_ENCODER_EPOCHS = SHORT_ENCODER_TRAINING.epochs
#: Kinds of knowledge of 2D poses outside a laboratory, and exact places.
_INPUTS: tuple[Input2D, ...] = ("detected", "exact", "confidences", "gaps")
_FORMS = {"": "GMM diffusion, f_ST", "_no_context": "GMM diffusion, no f_ST", "_standard": "standard diffusion, f_ST"}


def _curve(values: Iterable[int], make: Callable[[int], Setting]) -> tuple[Cell, ...]:
    return tuple(Cell(str(value), make(value), x=value) for value in values)


def groups() -> tuple[Group, ...]:
    """The whole suite."""
    return (*_compared_networks(), *_inference_settings(), _chain_lengths())


def _compared_networks() -> tuple[Group, ...]:
    """Groups of networks that were each trained for their own row, and of kinds of 2D input."""
    schedules = tuple(
        Cell(f"{title}, {schedule}", Setting(f"diffpose{form}{suffix}"))
        for suffix, schedule in (("", "converging"), ("_supplement", "supplement"))
        for form, title in _FORMS.items()
    )
    baselines = (
        ("DiffPose", DEFAULT), ("DiffPose, one step", replace(DEFAULT, steps=1)),
        ("regression with the mixtures", Setting("regression_mixture")),
        ("regression, the size of g (A)", Setting("regression")),
        ("regression, as deep as five steps (B)", Setting("regression_deep")),
        ("Graformer", Setting("graformer")),
        ("Graformer on reconciled 2D", Setting("graformer_reconciled")),
        ("Graformer, trained twice as long", Setting("graformer_long")),
    )  # fmt: skip
    compared = (
        ("DiffPose", "diffpose"), ("no f_ST", "diffpose_no_context"), ("standard diffusion", "diffpose_standard"),
        ("Graformer", "graformer"),
    )  # fmt: skip
    return (
        Group(
            "diffusion", "Kind of diffusion, f_ST and schedule",
            f"Every network was trained for its own row: the same {_EPOCHS} epochs, and where the schedule converges "
            f"{_MORE_EPOCHS} more on its own states. The paper's form says the next state, not h_0: with fewer steps "
            "than K an h_0 has to be made of it, which multiplies its errors.",
            (*schedules, Cell("the paper's form, supplement, 50 steps", Setting("diffpose_paper", steps=50))),
            f"{_FORMS['']}, converging",
        ),
        Group(
            "baselines", "What diffusion brings beside more information and more training",
            f"Denoisers and regressions are trained for {_EPOCHS} and {_MORE_EPOCHS} epochs on the same views, the "
            f"Graformer for {_ENCODER_EPOCHS}, or for twice that where its row says so. Of heatmaps and mixtures know "
            "DiffPose, the regression with the mixtures and what reads reconciled 2D.",
            tuple(Cell(label, setting) for label, setting in baselines), "DiffPose",
        ),
        Group(
            "input", "What is known of the 2D poses",
            "Heatmaps, exact places, confidences alone, and these with a tenth of the joints missing. The networks "
            "were trained on heatmaps and some confidences and gaps, never on exact places.",
            tuple(Cell(f"{label}, {kind}", Setting(network, input_2d=kind))
                  for kind in _INPUTS for label, network in compared),
            "DiffPose, detected",
        ),
    )  # fmt: skip


def _inference_settings() -> tuple[Group, ...]:
    """Groups that change a setting of inference."""
    return (
        Group(
            "steps", "DDIM steps", "Of K = 50.", _curve(_STEPS, lambda n: Setting(steps=n)), "5", "steps",
        ),
        Group(
            "hypotheses", "Hypotheses N, and how they become one pose",
            "Weights by reprojection are how likely a hypothesis is under the 2D mixtures.",
            tuple(Cell(f"{n}, {title}", Setting(hypotheses=n), answer, n, title)
                  for answer, title in _ANSWERS.items() for n in _HYPOTHESES),
            f"5, {_ANSWERS['mean']}", "hypotheses",
        ),
        Group(
            "components", "Components M of the GMM", "At inference; the weights were trained with M = 5.",
            _curve((1, 2, 5, 9), lambda n: Setting(components=n)), "5", "components",
        ),
        Group(
            "samples", "Poses N_GMM that the GMM is fitted to", "At inference; the weights were trained with 1000.",
            _curve((100, 300, 1000, 3000), lambda n: Setting(samples=n)), "1000", "poses",
        ),
    )  # fmt: skip


def _chain_lengths() -> Group:
    """The group of chain lengths K."""
    alphas = {k: float(make_schedule("converging", k).alphas_cumprod[-1]) for k in (10, 25, 50, 100)}
    return Group(
            "chain", "Length K of the diffusion chain",
            f"Each trained for {_EPOCHS} and {_MORE_EPOCHS} epochs, five DDIM steps. The betas stay, so that a short "
            "chain ends early: alpha_K is " + ", ".join(f"{alpha:.2g} at {k}" for k, alpha in alphas.items()) + ".",
            tuple(Cell(str(k), DEFAULT if k == 50 else Setting(f"diffpose_k{k}"), x=k) for k in alphas), "50", "K",
        )  # fmt: skip


def training_commands(network: str) -> list[str]:
    """The commands that train a network of the suite, all on the same budget."""
    data = "--data mocap17_train.npz --validation mocap17_val.npz"
    train = f"diffpose train {network} {data}"
    if network == "graformer_long":
        return [
            f"diffpose train graformer {data} --start-from checkpoints/graformer.safetensors "
            "--learning-rate 3e-4 --out runs/graformer_long.safetensors"
        ]
    preset = PRESETS[network]
    if preset.network != replace(preset.network, schedule="converging"):  # type: ignore[arg-type]
        return [train]
    own = "" if preset.network.diffusion == "none" else " --own-states 0.75"  # type: ignore[union-attr]
    again = f"{train} --start-from runs/{network}.safetensors --epochs {_MORE_EPOCHS} --learning-rate 2e-4{own}"
    return [
        f"{train} --bank-size 131072",
        f"{again} --bank-size 131072 --out runs/tuned/{network}.safetensors",
    ]
