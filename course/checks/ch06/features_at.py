"""06.1 features_at: what a right answer must satisfy."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from course.checking import Case, Exercise, compare, require
from course.checks.ch06 import features_at_mistakes
from course.checks.ch06.shared import gradients_of

FeaturesAt = Callable[[Tensor, Sequence[nn.Module], Sequence[int]], list[Tensor]]


def _features_at(pictures: Tensor, layers: Sequence[nn.Module], wanted: Sequence[int]) -> list[Tensor]:
    x = (pictures - features_at_mistakes.MEAN) / features_at_mistakes.STD
    found = []
    for layer in layers[: max(wanted) + 1]:
        x = layer(x.clone())  # which an in-place layer may overwrite
        found.append(x)
    return [found[k] for k in wanted]


class _Layers:
    """A small VGG whose layers count how often they are called."""

    def __init__(self, case: Case, *, inplace: bool = True) -> None:
        def conv(before: int, after: int) -> nn.Module:
            layer = nn.Conv2d(before, after, 3, padding=1)
            for parameter in layer.parameters():
                parameter.data = case.rand(*parameter.shape) - 0.5
            return layer

        relus = [nn.ReLU(inplace=inplace) for _ in range(3)]
        pool = nn.MaxPool2d(2)
        self.modules = [conv(3, 4), relus[0], conv(4, 3), relus[1], pool, conv(3, 5), relus[2]]
        self.calls = [0] * len(self.modules)
        for k, module in enumerate(self.modules):
            module.register_forward_hook(lambda *_, k=k: self._count(k))

    def settings(self) -> list[object]:
        return [
            (m.training, getattr(m, "inplace", None), [p.requires_grad for p in m.parameters()]) for m in self.modules
        ]

    def _count(self, k: int) -> None:
        self.calls[k] += 1


def _compare_features(
    answer: FeaturesAt, case: Case, layers: _Layers, wanted: Sequence[int], what: str, size: tuple[int, int] = (6, 8)
) -> None:
    pictures = case.rand(2, 3, *size)
    with torch.no_grad():
        expected = _features_at(pictures, layers.modules, wanted)
    layers.calls[:] = [0] * len(layers.calls)
    before = layers.settings()
    got = case.call(answer, pictures, layers.modules, wanted)
    calls = list(layers.calls)
    with torch.no_grad():
        mistakes = features_at_mistakes.features(pictures, layers.modules, wanted)
        compare(got, expected, within=1e-4, what=what, mistakes=mistakes)
    require(
        layers.settings() == before,
        "your code changes the layers (inplace, train or eval, requires_grad), and they are the caller's: call them as "
        "they are",
        expected="the layers as they came",
        got="layers with other settings",
    )
    deepest = max(wanted)
    require(
        not any(calls[deepest + 1 :]),
        "layers behind the deepest wanted one were called: stop there, a network's deep layers cost the most",
        expected=f"no call of a layer behind number {deepest}",
        got=f"{sum(calls[deepest + 1 :])} of them",
    )
    require(
        max(calls) <= 1,
        "a layer was called more than once: go through the layers one time, and keep what is wanted on the way",
        expected="each layer called once at most",
        got=f"a layer called {max(calls)} times",
    )


def features_of_plain_layers(answer: FeaturesAt, case: Case) -> None:
    """Normalised pictures through the layers, the outputs of the wanted ones (ReLUs that make new tensors)."""
    layers = _Layers(case, inplace=False)
    _compare_features(answer, case, layers, (0, 2, 5), "the outputs of the layers 0, 2 and 5")
    _compare_features(answer, case, layers, (1, 4), "the outputs of the layers 1 and 4")


def features_mean_has_its_dimension(answer: FeaturesAt, case: Case) -> None:
    """MEAN and STD belong to the channels, whatever the size of the pictures."""
    layers = _Layers(case, inplace=False)
    _compare_features(answer, case, layers, (0, 2, 4), "the outputs of three layers, pictures of 16 x 3", size=(16, 3))


def features_before_and_after(answer: FeaturesAt, case: Case) -> None:
    """Features from before a ReLU that works in place come back as they were before it."""
    layers = _Layers(case)
    _compare_features(answer, case, layers, (0, 1, 2, 3), "the outputs before and after two ReLUs that work in place")
    _compare_features(answer, case, layers, (2, 5), "the outputs before two ReLUs that work in place")


def features_in_the_order_asked(answer: FeaturesAt, case: Case) -> None:
    """At place k stands the output of layer wanted[k], also where wanted goes down or names one layer."""
    layers = _Layers(case)
    _compare_features(answer, case, layers, [5, 1, 2], "the outputs of the layers 5, 1 and 2, in this order")
    _compare_features(answer, case, layers, [case.integer(3, 5)], "the output of one layer, in a list")


def features_worked_example(answer: FeaturesAt, case: Case) -> None:
    """The pixel (0.485, 0.68, 0.406) gives -1 before the ReLU and 0 after it."""
    first = nn.Conv2d(3, 1, 1, bias=False)
    first.weight.data = torch.tensor([0.0, -1.0, 0.0]).view(1, 3, 1, 1)
    layers = [first, nn.ReLU()]
    pictures = torch.tensor([0.485, 0.68, 0.406]).view(1, 3, 1, 1)
    expected = [torch.full((1, 1, 1, 1), value) for value in (-1.0, 0.0)]
    got = case.call(answer, pictures, layers, (0, 1))
    with torch.no_grad():
        mistakes = features_at_mistakes.features(pictures, layers, (0, 1))
        compare(got, expected, within=1e-5, what="before and after", public=True, mistakes=mistakes)


def features_let_gradients_through(answer: FeaturesAt, case: Case) -> None:
    """Gradients reach the pictures."""
    layers = _Layers(case)
    pictures = case.rand(1, 3, 4, 6).requires_grad_()

    def gradient(found: list[Tensor]) -> Tensor:
        total = torch.stack([x.square().sum() for x in found]).sum()
        return gradients_of(total, (pictures,), ("the pictures",))[0]

    expected = gradient(_features_at(pictures, layers.modules, (2, 3, 5)))
    own = gradient(case.call(answer, pictures, layers.modules, (2, 3, 5)))
    compare(own, expected, within=1e-2, what="the gradient at the pictures")


EXERCISE = Exercise(
    reference=_features_at,
    checks=(
        features_mean_has_its_dimension,
        features_of_plain_layers,
        features_before_and_after,
        features_in_the_order_asked,
        features_worked_example,
        features_let_gradients_through,
    ),
)
