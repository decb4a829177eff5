"""Shipped weights and their cards: what a finished run makes, and what its file measures."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from srlib import evaluation, perception, zoo
from srlib.files import write_text
from srlib.inference import Model, network_model, open_model
from srlib.resize import KernelName
from srlib.runs import LOG, SUMMARY, WEIGHTS

SETS = ("Set5", "Set14")


def publish(
    folder: Path, name: str, *, sets: Sequence[str] = SETS, target: Path = zoo.FOLDER, replace: bool = False
) -> Path:
    """Turns a finished run into shipped weights: file (float16), log and card side by side as NAME_xSCALE.

    The card holds the run's summary and what the shipped file measures on the sets, by every convention that its
    network can take. Returns its path. replace: whether a shipped model of that name may be replaced. Raises ValueError
    if one is there and may not, if the run is not finished or a set is not here.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name) or name in get_args(KernelName):
        raise ValueError(f"{name!r} cannot name a model: take lower-case letters, digits, _ and -, no kernel's name")
    if not (folder / SUMMARY).is_file():
        raise ValueError(f"{folder} holds no finished run: {SUMMARY} is missing")
    network = zoo.load(folder / WEIGHTS)
    network.half().float()  # what the shipped file will hold
    model = network_model(network, name=name)
    stem = target / f"{name}_x{model.scale}"
    if stem.with_suffix(".json").exists() and not replace:
        raise ValueError(f"{name} x{model.scale} is shipped already: choose another --name, or --replace it")
    told = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    log = stem.with_suffix(".csv")
    stages = list(_stages(told))
    card = {
        "model": name,
        "parameters": model.parameters,
        "data": f"{told['recipe']['data']}, {told['pictures']} pictures",
        "steps": sum(stage["steps"] for stage in stages),
        "minutes": round(sum(stage["minutes"] for stage in stages), 1),
        "device": told["device"],
        "precision": told["precision"],
        "log": log.name,  # of the last stage
        **({} if told["recipe"].get("discriminator", "None") == "None" else {"game": told["recipe"]["game"]}),
        **({"features": told["features"]} if "features" in told else {}),
        "measured": measured(model, sets),
        "stages": stages,
    }
    write_text(log, (folder / LOG).read_text(encoding="utf-8"))
    write_text(stem.with_suffix(".json"), json.dumps(card, indent=1) + "\n")
    # Last: the model is there with its card.
    zoo.save(network, stem.with_suffix(".safetensors"), scale=model.scale, half=True)
    return stem.with_suffix(".json")


def measured(model: Model, sets: Sequence[str]) -> dict[str, dict[str, dict[str, float]]]:
    """What a card tells of a model: convention -> set -> figures, those of perception where the picture is RGB.

    The VGG distance is left out where VGG19's weights are not here, NIQE where every picture is too small.
    Raises ValueError if a set is not here.
    """
    found = {
        convention: {r.name: r.mean()._asdict() for r in evaluation.evaluate(model, sets, convention=convention)}
        for convention in evaluation.conventions_of(model)
    }
    eye = perception.judge()
    titles = list(found["y-of-rgb"])
    for convention in ("y-of-rgb", "degraded"):
        figures = found.setdefault(convention, {})
        for name, title in zip(sets, titles, strict=True):
            seen = perception.perceive(model, name, eye=eye, convention=convention)._asdict()
            known = {key: value for key, value in seen.items() if value is not None and not math.isnan(value)}
            figures[title] = figures.get(title, {}) | known
    return found


def measure_again(*, sets: Sequence[str] = SETS) -> Iterator[Path]:
    """Measures every shipped model anew and puts the figures into its card; gives the cards' paths one by one."""
    for name in zoo.names():
        for scale in zoo.scales(name):
            path = zoo.FOLDER / f"{name}_x{scale}.json"
            card = zoo.card(name, scale) | {"measured": measured(open_model(name, scale=scale), sets)}
            write_text(path, json.dumps(card, indent=1) + "\n")
            yield path


def _stages(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The runs that led to some weights, the first one first."""
    if isinstance(told["start"], dict):
        yield from _stages(told["start"])
    yield {**told, "start": "the stage before" if isinstance(told["start"], dict) else told["start"]}
