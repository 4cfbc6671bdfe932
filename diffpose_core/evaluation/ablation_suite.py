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
from diffpose_core.uncertainty.aggregate import Way

#: Ways from many hypotheses to one pose: those of `uncertainty.aggregate.one_pose`, and the best by the truth.
Answer = Literal[Way, "p-best", "j-best"]
#: Baselines that are context encoders, not denoisers.
ENCODERS = ("graformer", "graformer_reconciled")
#: Further encoders, each trained for its row.
OTHER_ENCODERS = ("graformer_long", "graformer_budget", "graformer_published")


@dataclass(frozen=True)
class Setting:
    """Settings of one cell.

    Attributes:
        network: a preset's name, or one of `ENCODERS` or `OTHER_ENCODERS`.
        steps: DDIM steps.
        hypotheses: N.
        components: M.
        samples: N_GMM.
        input_2d: kind of 2D input, see `evaluation.views.INPUTS`.
        encoder: what of the encoder's output is used: everything, everything but f_ST, or nothing (`population`).
        balanced: see `LiftSettings`.
        turned: hypotheses are the network's single answer, turned by fixed angles (`turned`).
    """

    network: str = "diffpose"
    steps: int = 5
    hypotheses: int = 5
    components: int = 5
    samples: int = 1000
    input_2d: Input2D = "detected"
    encoder: Literal["all", "no f_ST", "nothing"] = "all"
    balanced: bool = True
    turned: bool = False


@dataclass(frozen=True)
class Cell:
    """One figure of a group.

    Attributes:
        label: its name.
        setting: how poses are made.
        answer: the way from its hypotheses to a pose; "p-best" and "j-best" need the truth.
        true_root: reprojection knows the true place of the hip, which is a leak.
        x: its place, where the group is a curve.
        series: name of the curve.
    """

    label: str
    setting: Setting
    answer: Answer = "mean"
    true_root: bool = False
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
        budget: all its networks were trained from random weights for the same short time.
    """

    name: str
    title: str
    note: str
    cells: tuple[Cell, ...]
    reference: str
    axis: str = ""
    budget: bool = False


_STEPS, _HYPOTHESES = (1, 2, 5, 10, 25, 50), (1, 2, 5, 10, 20, 50)
_ANSWERS: Mapping[Answer, str] = {
    "mean": "mean",
    "p-best": "best of N (leak: needs the truth)",
    "by pose": "weighted by likelihood",
    "by joint": "weighted by likelihood, joint by joint",
}
#: Every way from five hypotheses to one pose, and whether it needs the truth itself.
_WAYS: Mapping[Answer, tuple[str, bool]] = {
    "mean": ("mean (P-Agg)", False),
    "p-best": ("P-Best", True),
    "j-best": ("J-Best", True),
    "nearest": ("pose of least reprojection error", False),
    "j-agg": ("J-Agg: least reprojection error, joint by joint", False),
    "rpea": ("RPEA", False),
    "by pose": ("likelihood under the heatmaps, by pose", False),
    "by joint": ("likelihood under the heatmaps, by joint", False),
}
DEFAULT = Setting()
#: How all denoisers and regressions are trained: the preset's epochs, then a few at a low rate.
_EPOCHS, _MORE_EPOCHS = SHORT_DENOISER_TRAINING.epochs, 3
_ENCODER_EPOCHS = SHORT_ENCODER_TRAINING.epochs
#: Epochs of the groups of equal budgets: of denoisers, and of encoders.
_BUDGET_EPOCHS, _BUDGET_ENCODER_EPOCHS = 8, 6
#: Data of these groups: that of the shipped weights.
_BUDGET_DATA = (
    "--data mocap17_train.npz:0.5 --data mocap17_open_train.npz:0.5 "
    "--validation mocap17_val.npz:0.5 --validation mocap17_open_val.npz:0.5"
)
#: Kinds of knowledge of 2D poses outside a laboratory, and exact places.
_INPUTS: tuple[Input2D, ...] = ("detected", "exact", "confidences", "gaps")
_FORMS = {"": "GMM diffusion, f_ST", "_no_context": "GMM diffusion, no f_ST", "_standard": "standard diffusion, f_ST"}


def _curve(values: Iterable[int], make: Callable[[int], Setting]) -> tuple[Cell, ...]:
    return tuple(Cell(str(value), make(value), x=value) for value in values)


def groups() -> tuple[Group, ...]:
    """The whole suite."""
    return (
        *_compared_networks(), *_inference_settings(), *_hypotheses_settings(), *_equal_budgets(), _chain_lengths(),
    )  # fmt: skip


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
            "Weights are how likely a reprojected hypothesis is under the 2D mixtures.",
            tuple(Cell(f"{n}, {title}", Setting(hypotheses=n), answer, x=n, series=title)
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


#: The best of five, and the encoder's parts, in the words of their rows.
_BEST = {
    "DiffPose": DEFAULT,
    "DiffPose without f_ST": Setting("diffpose_no_context"),
    "standard diffusion": Setting("diffpose_standard"),
    "Graformer, turned": Setting("graformer", turned=True),
    "Graformer on reconciled 2D, turned": Setting("graformer_reconciled", turned=True),
    "DiffPose's mean, turned": replace(DEFAULT, turned=True),
}
_ENCODER = {
    "DiffPose": DEFAULT,
    "f_ST alone taken away, not trained so": replace(DEFAULT, encoder="no f_ST"),
    "f_ST alone taken away, trained so": Setting("diffpose_pose"),
    "neither f_ST nor anchor; H_K has the encoder's depth": Setting("diffpose_no_context"),
    "nothing of the encoder, not trained so": Setting("diffpose_no_context", encoder="nothing"),
    "Graformer alone": Setting("graformer"),
}


def _hypotheses_settings() -> tuple[Group, ...]:
    """Groups on the encoder's part in the hypotheses, on how they are drawn, and on what is made of them."""
    ways = [(title, answer, " (leak)" if truth else "", False) for answer, (title, truth) in _WAYS.items()]
    ways += [(title, answer, " (leak: true root)", True)
             for answer, (title, truth) in _WAYS.items() if not truth and answer != "mean"]  # fmt: skip
    return (
        Group(
            "encoder", "What of the encoder reaches g",
            "The encoder helps in three ways: f_ST, the pose that g refines (the anchor), and the depth of H_K. Taken "
            "away, f_ST is its mean over training views. Without the encoder H_K is made of the heatmaps, the mean "
            "depth of training poses and its spread, and g is the one that reads no f_ST.",
            tuple(Cell(label, setting) for label, setting in _ENCODER.items()), "DiffPose",
        ),
        Group(
            "best", "Best of five, beside poses that are turned by fixed angles",
            "All cells are picked by the truth, so all are a leak. Turned: one pose, turned about the camera's x axis "
            "by -10, -5, 0, 5 and 10 degrees. It knows nothing of the picture beyond that pose.",
            tuple(Cell(label, setting, "p-best") for label, setting in _BEST.items()), "DiffPose",
        ),
        Group(
            "ways", "Ways from five hypotheses to one pose",
            "P and J: whole poses and single joints. P-Agg, P-Best, J-Best and J-Agg are D3DP's names; J-Agg chooses "
            "by the distance of the reprojection from the detected joints. RPEA weights the three nearest "
            "(FMPose3D). A leak is told the truth, or the true place of the hip.",
            tuple(Cell(f"{title}{leak}", DEFAULT, answer, root) for title, answer, leak, root in ways), "mean (P-Agg)",
        ),
        Group(
            "noise", "Balanced and independent draws",
            "Error of the mean of the hypotheses. Balanced draws spread over the components evenly, and their noise "
            "has mean 0; independent ones are the paper's.",
            tuple(Cell(f"{n}, {title}", Setting(hypotheses=n, balanced=balanced), x=n, series=title)
                  for balanced, title in ((True, "balanced"), (False, "independent")) for n in (2, 5, 20)),
            "5, balanced", "hypotheses",
        ),
    )  # fmt: skip


#: Kinds of noise, each with the networks that are told everything and f_ST alone.
_NOISES = {
    "GMM noise": ("diffpose", "diffpose_told_f_st"),
    "standard noise": ("diffpose_standard_told_all", "diffpose_standard"),
    "no noise (regression)": ("regression_mixture", "regression"),
}


def _equal_budgets() -> tuple[Group, ...]:
    """Groups of networks that were all trained from random weights for the same short time."""
    return (
        Group(
            "told", "Noise and information",
            "Told all: g is given heatmaps, the GMM, and f_ST of the reconciled 2D pose. Told f_ST: that of the "
            "detected pose alone. With GMM noise the start h_K holds the heatmaps even so. Every network was trained "
            f"from random weights for the same {_BUDGET_EPOCHS} epochs.",
            (*(Cell(f"{noise}, told {what}", Setting(network))
               for noise, both in _NOISES.items() for what, network in zip(("all", "f_ST"), both, strict=True)),
             Cell("GMM noise, told all but f_ST", Setting("diffpose_pose"))),
            "GMM noise, told all", budget=True,
        ),
        Group(
            "flow", "Rectified flow beside diffusion",
            "The same network, data and budget: Euler steps on straight lines from draws of H_K to the pose.",
            (*(Cell(f"DiffPose, {_steps(n)}", Setting(steps=n)) for n in (1, 2, 5)),
             *(Cell(f"flow, {_steps(n)}", Setting("diffpose_flow", n)) for n in (1, 2, 3, 5))),
            "DiffPose, 5 steps", budget=True,
        ),
        Group(
            "published", "The Graformer as published",
            "All but the first were trained from random weights on the same "
            f"{_BUDGET_ENCODER_EPOCHS * 65_536:,} views. Nobody is told tilt or body.",
            (Cell("Graformer, shipped weights, trained far longer", Setting("graformer")),
             Cell("Graformer as built and trained here", Setting("graformer_budget")),
             Cell("Graformer as published, by its authors' recipe", Setting("graformer_published"))),
            "Graformer, shipped weights, trained far longer", budget=True,
        ),
    )  # fmt: skip


def _steps(count: int) -> str:
    return f"{count} step{'s' * (count > 1)}"


def _chain_lengths() -> Group:
    """The group of chain lengths K."""
    alphas = {k: float(make_schedule("converging", k).alphas_cumprod[-1]) for k in (10, 25, 50, 100)}
    return Group(
            "chain", "Length K of the diffusion chain",
            f"Each trained for {_EPOCHS} and {_MORE_EPOCHS} epochs, five DDIM steps. The betas stay, so that a short "
            "chain ends early: alpha_K is " + ", ".join(f"{alpha:.2g} at {k}" for k, alpha in alphas.items()) + ".",
            tuple(Cell(str(k), DEFAULT if k == 50 else Setting(f"diffpose_k{k}"), x=k) for k in alphas), "50", "K",
        )  # fmt: skip


def _budget_command(network: str) -> str:
    """The command that trains a network of a group of equal budgets."""
    out = f"--out runs/budget/{network}.safetensors"
    if network in OTHER_ENCODERS:
        preset, recipe = "graformer", "--batch-size 128 --set learning_rate_decay=0.6 --set ema_decay=0.995"
        if network == "graformer_published":
            preset, recipe = network, "--recipe paper --samples-per-epoch 65536 --set ema_decay=0.999"
        return f"diffpose train {preset} {_BUDGET_DATA} --epochs {_BUDGET_ENCODER_EPOCHS} {recipe} {out}"
    return (
        f"diffpose train {network} {_BUDGET_DATA} --encoder checkpoints/graformer.safetensors --bank-size 98304 "
        f"--epochs {_BUDGET_EPOCHS} --set learning_rate_decay=0.65 {out}"
    )


def training_commands(network: str, budget: bool = False) -> list[str]:
    """The commands that train a network of the suite, all networks of a group on the same budget.

    Args:
        network: its name.
        budget: the group is one of equal budgets.
    """
    if budget:
        return [_budget_command(network)]
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
