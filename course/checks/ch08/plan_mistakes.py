"""What the usual mistakes in 08.5 give: cause -> formula, computed only when an answer is wrong."""

import math
from collections.abc import Callable, Mapping, Sequence

from course.checking import Mistakes, Wrong

Chance = Callable[[float], bool]


class Decisions:
    """A chance whose answers are given: probability -> what it says. It remembers what it was asked.

    Asking for the opposite with one minus the probability is as good.
    """

    def __init__(self, decided: Mapping[float, bool]) -> None:
        self.decided = decided
        self.asked: list[float] = []

    def __call__(self, probability: float) -> bool:
        for known, said in self.decided.items():
            if math.isclose(probability, known, abs_tol=1e-9):
                self.asked.append(known)
                return said
        for known, said in self.decided.items():
            if math.isclose(probability, 1 - known, abs_tol=1e-9):
                self.asked.append(known)
                return not said
        raise Wrong(
            "chance was asked with another probability than those given",
            expected="chance(p), p being one of the probabilities",
            got=f"chance({probability:g})",
        )


def plans(blur: Sequence[float], sinc: float, jpeg_last: float, decided: Mapping[float, bool]) -> Mistakes:
    def says(probability: float) -> bool:
        return decided.get(probability, True)

    def built(
        inside: Sequence[str] = ("blur", "resize", "noise", "jpeg"),
        last: Sequence[str] = ("blur", "resize", "noise"),
        blurs: Sequence[bool] | None = None,
        ringing: bool | None = None,
        squeezed_last: bool | None = None,
        end: Callable[[list[str], bool], list[str]] = lambda size, late: [*size, "jpeg"] if late else ["jpeg", *size],
        sized: Sequence[str] = ("final size", "sinc"),
        ends: bool = False,
        like_the_last: Sequence[int] = (),
        whole: bool = False,
    ) -> list[str]:
        blurs = [says(p) for p in blur] if blurs is None else blurs
        ringing = says(sinc) if ringing is None else ringing
        late = says(jpeg_last) if squeezed_last is None else squeezed_last
        finish = end([name for name in sized if name != "sinc" or ringing], late)
        names: list[str] = []
        for number, soft in enumerate(blurs, 1):
            steps = last if number == len(blurs) or number in like_the_last else inside
            names += [name for name in steps if soft or (name != "blur" and not whole)]
            names += finish if ends and number < len(blurs) else []
        return names + finish

    def between(size: list[str], late: bool) -> list[str]:
        return [*size, "jpeg"] if late else [size[0], "jpeg", *size[1:]]

    def apart(size: list[str], late: bool) -> list[str]:
        """Sinc behind the last of all."""
        plain = ["final size", "jpeg"] if late else ["jpeg", "final size"]
        return plain + (["sinc"] if "sinc" in size else [])

    def both(size: list[str], late: bool) -> list[str]:
        return ["jpeg", *size, "jpeg"]

    asked = [says(p) for p in blur]
    return {
        "the last pass is known by its probability, which another may have too: count the passes": lambda: built(
            like_the_last=[number for number, p in enumerate(blur, 1) if p == blur[-1]]
        ),
        "the last pass has a jpeg of its own: only the end has one there": lambda: built(
            last=("blur", "resize", "noise", "jpeg")
        ),
        "the passes have no jpeg: each but the last": lambda: built(inside=("blur", "resize", "noise")),
        "jpeg_last is the other way round: True puts jpeg behind": lambda: built(squeezed_last=not says(jpeg_last)),
        "jpeg is always the last: only with the probability jpeg_last": lambda: built(squeezed_last=True),
        "jpeg is always the first of the end: with the probability jpeg_last the last": lambda: built(
            squeezed_last=False
        ),
        "the end has a jpeg before and one behind: one of the two": lambda: built(end=both),
        "the end has no jpeg": lambda: built(end=lambda size, late: size),
        "jpeg is there only with the probability jpeg_last: it always is, first or last": lambda: built(
            end=lambda size, late: [*size, "jpeg"] if late else size
        ),
        "the end follows every pass: only the last": lambda: built(ends=True),
        "every pass has its blur: each with its probability": lambda: built(blurs=[True] * len(blur)),
        "no pass has a blur: each with its probability": lambda: built(blurs=[False] * len(blur)),
        "what chance says of a blur is turned round": lambda: built(blurs=[not soft for soft in asked]),
        "the first pass decides about all blurs: ask chance for each": lambda: built(blurs=asked[:1] * len(blur)),
        "the last pass decides about all blurs: ask chance for each": lambda: built(blurs=asked[-1:] * len(blur)),
        "the first pass always has its blur: with its probability": lambda: built(blurs=[True, *asked[1:]]),
        "the passes come in the opposite order": lambda: built(blurs=asked[::-1]),
        "sinc is always there: with its probability": lambda: built(ringing=True),
        "sinc is never there: with its probability": lambda: built(ringing=False),
        "what chance says of the sinc is turned round": lambda: built(ringing=not says(sinc)),
        "sinc stands right behind final size, wherever jpeg is": lambda: built(end=apart),
        "sinc stands before final size: right behind it": lambda: built(sized=("sinc", "final size")),
        "the sinc's decision is used for jpeg_last too: ask again": lambda: built(squeezed_last=says(sinc)),
        "the decision of jpeg_last is used for sinc too: ask again": lambda: built(ringing=says(jpeg_last)),
        "the probabilities of sinc and jpeg_last are exchanged": lambda: built(
            ringing=says(jpeg_last), squeezed_last=says(sinc)
        ),
        "sinc is there only if jpeg is last: right behind final size either way": lambda: built(
            ringing=says(sinc) and says(jpeg_last)
        ),
        "sinc is there only if jpeg is first: right behind final size either way": lambda: built(
            ringing=says(sinc) and not says(jpeg_last)
        ),
        "jpeg is last only if sinc is there: its own probability decides": lambda: built(
            squeezed_last=says(jpeg_last) and says(sinc)
        ),
        "jpeg is last only if sinc is not there: its own probability decides": lambda: built(
            squeezed_last=says(jpeg_last) and not says(sinc)
        ),
        "jpeg stands between final size and sinc: sinc is right behind final size": lambda: built(end=between),
        "a pass without its blur is left out as a whole: resize and noise stay": lambda: built(whole=True),
        "final size is missing": lambda: built(sized=("sinc",)),
        "the end's size is called final size, not resize": lambda: built(sized=("resize", "sinc")),
        "noise stands before resize: blur, resize, noise, jpeg": lambda: built(
            ("blur", "noise", "resize", "jpeg"), ("blur", "noise", "resize")
        ),
        "resize stands before blur: blur, resize, noise, jpeg": lambda: built(
            ("resize", "blur", "noise", "jpeg"), ("resize", "blur", "noise")
        ),
        "jpeg stands before noise: blur, resize, noise, jpeg": lambda: built(("blur", "resize", "jpeg", "noise")),
        "the last pass has no resize: it has its own beside the final size": lambda: built(last=("blur", "noise")),
        "the last pass has no blur: each with its probability": lambda: built(last=("resize", "noise")),
        "the last pass has no noise": lambda: built(last=("blur", "resize")),
        "only the last pass is there: all of them": lambda: built(blurs=asked[-1:]),
        "only the first pass is there: all of them": lambda: built(blurs=asked[:1]),
        "the end is missing": lambda: built(end=lambda size, late: []),
    }


def without_a_pass() -> Mistakes:
    return {
        "without any pass nothing is left: the final size is": list,
        "without any pass there is no jpeg: the final size alone": lambda: ["jpeg", "final size"],
        "the end's resize is called final size": lambda: ["resize"],
        "without any pass the end is left out too, the final size alone stays (`if not blur`)": lambda: [
            "final size",
            "sinc",
            "jpeg",
        ],
        "without any pass there is no sinc: the final size alone": lambda: ["final size", "sinc"],
    }
