"""The health of a game: noticing that the generator collapses, and going back to its last good weights."""

import math

from srlib.state import Run

KEEP = 0.95  # of a smoothed figure at each step: it looks back over some 20 steps
SLOW = 100  # steps over which the figures that they are compared with look back: their least is no lucky draw
SETTLED = 40  # steps until smoothed figures count
WORST_ERROR = 2.0  # times the smallest smoothed error so far; a game from a trained network costs 1.2 to 1.5
WORST_DRIFT = 0.06  # of colours in [0, 1]: 15 of 255 grey values, seen at once; a new network may begin with more
GOOD_ERROR, GOOD_DRIFT = 1.6, 0.03  # up to which the weights are kept as good
KEPT_EVERY = 50  # steps
SETBACKS = 3  # returns before the run gives up


class Collapsed(FloatingPointError):
    """The generator collapsed again and again; the run's networks hold the last good weights."""


def watch(run: Run) -> None:
    """A hook: raises the alarm when the generator collapses, and returns it to the last good average.

    The alarm: the smoothed mean absolute error passes WORST_ERROR times its least so far, or the smoothed colour drift
    both WORST_DRIFT and as many times its least; the least is that of means over SLOW steps. Steps that were not
    followed do not count. The return: generator and average get the weights that were last good, both optimisers
    forget their moments, the discriminator learns alone for a while, and both rates are halved for the rest of the
    run. Raises Collapsed after SETBACKS returns.
    """
    if run.opponent is None or run.unfollowed:
        return
    begun = {name: run.terms[name] for name in ("error", "drift")}
    told = run.notes.setdefault("health", {"seen": 0, **begun})
    told["seen"] += 1
    for name, value in begun.items():
        told[name] = KEEP * told[name] + (1 - KEEP) * value
        slow = told.get(f"slow_{name}", value)
        told[f"slow_{name}"] = slow + (value - slow) / min(told["seen"], SLOW)
    if run.good is None:
        _keep(run)
    if told["seen"] < SETTLED:
        return
    for name in ("error", "drift"):
        told[f"least_{name}"] = min(told.get(f"least_{name}", math.inf), told[f"slow_{name}"])
    ratio = told["error"] / told["least_error"]
    if ratio > WORST_ERROR or told["drift"] > max(WORST_DRIFT, WORST_ERROR * told["least_drift"]):
        _return(run, ratio, told["drift"])
    elif run.step % KEPT_EVERY == 0 and ratio <= GOOD_ERROR and told["drift"] <= GOOD_DRIFT:
        _keep(run)


def _keep(run: Run) -> None:
    run.good = {name: value.detach().clone() for name, value in run.result.state_dict().items()}


def _return(run: Run, ratio: float, drift: float) -> None:
    assert run.opponent is not None and run.good is not None
    what = f"step {run.step}: the generator collapses (error {ratio:.2f} times its least, colours off by {drift:.3f})"
    for network in filter(None, (run.generator, run.average)):
        network.load_state_dict(run.good)
    if run.setbacks == SETBACKS:
        raise Collapsed(
            f"{what}, for the {SETBACKS + 1}th time: begin anew in another --out with a lower --learning-rate or "
            "--adversarial-weight, or a higher --pixel-weight"
        )
    for player in (run.player, run.opponent):
        player.optimizer.state.clear()
    run.setbacks += 1
    run.alone_until = run.step + max(run.recipe.warm_up, SETTLED)
    least = {name: run.notes["health"][f"least_{name}"] for name in ("error", "drift")}
    run.notes["health"] = {"seen": 0, **least, **{f"least_{name}": value for name, value in least.items()}}
    run.notes.setdefault("collapses", []).append([run.step, what])
