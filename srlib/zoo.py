"""Weights: those this project trained, and files that a user brings."""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from srlib.files import atomically
from srlib.models import a2n, compact, rrdbnet, srcnn, srresnet

FOLDER = Path(__file__).with_name("weights")
# Each paper's file tells whether a state dict is its own network's.
_LAYOUTS = (srcnn.from_state, srresnet.from_state, a2n.from_state, rrdbnet.from_state, compact.from_state)
# The keys under which training scripts, srlib's too, wrap the weights, most telling first.
_WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict", "average", "generator", "model", "net")


class WeightsError(ValueError):
    """A model that is not known, or a weights file that cannot be used; the message says why."""


def names() -> list[str]:
    """The models that come with the library, such as "srcnn"."""
    return sorted({name for name, _ in _all_shipped()})


def scales(name: str) -> list[int]:
    """The scales for which a shipped model has weights."""
    return sorted(scale for other, scale in _all_shipped() if other == name)


def card(name: str, scale: int) -> dict[str, Any]:
    """How shipped weights were made: recipe, data, seed, steps, minutes, device, log, measured table."""
    return json.loads(_shipped(name, scale).with_suffix(".json").read_text(encoding="utf-8"))


def table() -> str:
    """The shipped models as a Markdown table: parameters, and PSNR (dB) / SSIM as their cards measured them.

    By the papers' conventions, and without the networks of games: PSNR is not their merit, see `srlib plane`.
    """
    rows = [card(name, scale) | {"scale": scale} for name in names() for scale in scales(name)]
    for row in rows:
        row["measured"].pop("degraded", None)
    return tabulated([row for row in rows if "game" not in row])


def is_game(name: str, scale: int) -> bool:
    """Whether a shipped model was trained in a game: then PSNR is not its merit."""
    return "game" in card(name, scale)


def perceived(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Ways to enlarge as a Markdown table: how natural they look, and how faithful they are.

    rows: name -> "niqe", "sharpness" (times the truth's), "vgg" where it is known, "psnr" in dB, "ssim".
    """
    lines = [["network", "NIQE (lower)", "sharpness (1 is the truth's)", "VGG distance (lower)", "PSNR / SSIM"]]
    lines.append(["---"] * len(lines[0]))
    for name, row in rows.items():
        vgg = f"{row['vgg']:.3f}" if "vgg" in row else "not run"
        faithful = f"{row['psnr']:.2f} / {row['ssim']:.4f}"
        lines.append([name, f"{row['niqe']:.2f}", f"{row['sharpness']:.2f}", vgg, faithful])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tabulated(rows: Sequence[Mapping[str, Any]]) -> str:
    """Models as a Markdown table, a column for each set and convention that any of them was measured by.

    rows: each with "model", "scale", "parameters" and "measured" (convention -> set -> {"psnr", "ssim"}), as in a
    card; "seconds" (a picture of the first set) makes one more column.
    """
    columns = [
        (name, convention)
        for name in dict.fromkeys(n for row in rows for m in row["measured"].values() for n in m)
        for convention in dict.fromkeys(k for row in rows for k in row["measured"])
    ]
    timed = all("seconds" in row for row in rows)
    head = ["model", "scale", "parameters", *(f"{name} {convention}" for name, convention in columns)]
    head += ["seconds"] * timed
    lines = [head, ["---"] * len(head)]
    for row in rows:
        scores = [row["measured"].get(convention, {}).get(set_name) for set_name, convention in columns]
        figures = [f"{score['psnr']:.2f} / {score['ssim']:.4f}" if score else "not run" for score in scores]
        seconds = [f"{row['seconds']:.2g}"] if timed else []
        lines.append([row["model"], f"x{row['scale']}", f"{row['parameters']:,}", *figures, *seconds])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def load(model: str | Path, *, scale: int | None = None) -> nn.Module:
    """A network with its weights: a shipped name and a scale, or a weights file.

    Files: .safetensors, .pth, .pt or .ckpt; bare or wrapped state dicts; the architecture is recognised from the
    shapes. scale: needed where the file does not tell. The network is in evaluation mode, on the CPU, float32.
    Raises WeightsError: unknown name or scale, file that is missing, damaged, not plain tensors, or of no network
    that is known here.
    """
    if str(model) in names():
        if scale is None:
            raise WeightsError(f"{model} is shipped for scales {_listed(scales(str(model)))}: name one with --scale")
        path = _shipped(str(model), scale)
    else:
        path = Path(model).expanduser()
        if not path.is_file():
            known = ", ".join(names())
            raise WeightsError(f"{model} is neither a shipped model ({known}) nor a weights file that exists")
    state, metadata = read_state(path)
    if spoilt := [key for key, value in state.items() if not bool(torch.isfinite(value).all())]:
        raise WeightsError(f"{path.name} holds weights that are not finite ({spoilt[0]}): take another file")
    told = _told(metadata)
    if told is not None and scale is not None and told != scale:
        raise WeightsError(f"{path.name} was trained for scale {told}, not {scale}: use --scale {told}")
    try:
        found = next(filter(None, (layout(state, scale or told) for layout in _LAYOUTS)), None)
    except ValueError as error:
        raise WeightsError(f"{path.name}: {error}") from error
    if found is None:
        raise WeightsError(
            f"{path.name} holds {len(state)} tensors ({', '.join(list(state)[:3])}, ...) of no network known here: "
            "SRCNN, SRResNet, A2N, RRDBNet and SRVGGNetCompact are"
        )
    return found.eval()


def load_matching(model: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Puts those weights into a network whose names and shapes agree; returns its tensors that stayed as they were.

    This is how a x4 network starts from a x2 one: the body is the same, the enlargement is not. Raises WeightsError
    if not even half of the network's tensors are there.
    """
    own = model.state_dict()
    fitting = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    if 2 * len(fitting) < len(own):
        raise WeightsError(f"only {len(fitting)} of {len(own)} tensors fit in name and shape: it is another network")
    model.load_state_dict(fitting, strict=False)
    return [name for name in own if name not in fitting]


def told_scale(path: Path) -> int | None:
    """The scale that a weights file tells of itself, or None. Raises WeightsError as `load`."""
    return _told(read_state(path)[1]) if path.is_file() else None


def save(model: nn.Module, path: Path, *, scale: int, half: bool = False) -> None:
    """Writes a network's weights as safetensors, its scale in the metadata; whole or not at all. half: as float16."""
    import safetensors.torch

    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    if half:
        state = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    data = safetensors.torch.save(state, metadata={"scale": str(scale)})
    atomically(path, lambda part: part.write_bytes(data))


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a weights file, out of wrappers and without DataParallel's prefix, as float32, and its metadata.

    Nothing in the file is executed (safetensors, or torch.load with weights_only). Raises WeightsError.
    """
    metadata: dict[str, str] = {}
    try:
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                raw: Any = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # torch's, of pickles that it then refuses
                raw = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(
            f"{path} is no weights file that can be read safely ({_reason(path, error)}): "
            "expected .safetensors, or a .pth of plain tensors"
        ) from error
    return _unwrapped(raw, path), metadata


def _reason(path: Path, error: Exception) -> str:
    """Why a file cannot be read, without torch's advice to execute what is in it."""
    if path.suffix != ".safetensors" and not isinstance(error, OSError):
        with path.open("rb") as file:
            zipped = file.read(2) == b"PK"
        return "it holds more than tensors, or is cut short" if zipped else "it holds no tensors that torch.save wrote"
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _unwrapped(raw: Any, path: Path) -> dict[str, Tensor]:
    while isinstance(raw, Mapping) and (inner := next((w for w in _WRAPPERS if isinstance(raw.get(w), Mapping)), None)):
        raw = raw[inner]
    if not isinstance(raw, Mapping) or not raw or not all(isinstance(v, Tensor) for v in raw.values()):
        raise WeightsError(f"{path} holds no state dict: save the network's state_dict()")
    return {
        str(key).removeprefix("module."): value.float() if value.is_floating_point() else value
        for key, value in raw.items()
    }


def _told(metadata: Mapping[str, str]) -> int | None:
    return int(metadata["scale"]) if metadata.get("scale", "").isdecimal() else None


def _all_shipped() -> list[tuple[str, int]]:
    stems = (path.stem.rpartition("_x") for path in FOLDER.glob("*_x*.safetensors"))
    return [(name, int(scale)) for name, _, scale in stems]


def _shipped(name: str, scale: int) -> Path:
    path = FOLDER / f"{name}_x{scale}.safetensors"
    if name not in names():
        raise WeightsError(f"{name} is no shipped model: choose one of {', '.join(names())}")
    if not path.is_file():
        raise WeightsError(f"{name} is shipped for scales {_listed(scales(name))}, not {scale}")
    return path


def _listed(values: list[int]) -> str:
    return ", ".join(map(str, values))
