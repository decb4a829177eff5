"""Lesson 04, SRResNet: what a right answer must satisfy."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from course.checking import Case, Exercise, Wrong, compare, require
from course.checks import mistakes04
from srlib.models.srresnet import ResidualBlock, SRResNet

ResidualBlockAnswer = Callable[[Tensor, nn.Module, nn.Module, nn.Module, nn.Module, nn.Module], Tensor]
BatchNorm = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, bool, float, float], tuple[Tensor, Tensor, Tensor]]
PixelShuffle = Callable[[Tensor, int], Tensor]
Forward = Callable[..., Tensor]
Seen = Callable[[nn.Module, Tensor, int, int], tuple[int, int, int, int]]
Parts = dict[str, nn.Module]


# ---------------------------------------------------------------------------------------------------------------
# Parts of a network that note when they are called: for 04.1 and 04.5


class _Noted(nn.Module):
    """A part that notes its name in each call."""

    def __init__(self, name: str, body: nn.Module, notes: list[str]) -> None:
        super().__init__()
        self.name, self.body, self.notes = name, body, notes

    def forward(self, x: Tensor) -> Tensor:
        self.notes.append(self.name)
        return cast(Tensor, self.body(x))


class _Plus(nn.Module):
    """x + value"""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return x + self.value


def _times(factor: float) -> nn.Conv2d:
    """A 1 x 1 convolution of one channel: factor * x."""
    conv = nn.Conv2d(1, 1, 1)
    nn.init.constant_(conv.weight, factor)
    nn.init.zeros_(cast(Tensor, conv.bias))
    return conv


def _filled(part: nn.Module, case: Case) -> nn.Module:
    """The part with weights, and running statistics, from the case; slopes of PReLU stay below 1."""
    for module in part.modules():
        if isinstance(module, nn.Conv2d):
            fan = module.weight[0].numel()
            module.weight.data = (6 * case.rand(*module.weight.shape) - 3) * fan**-0.5
            cast(Tensor, module.bias).data = case.rand(module.out_channels) - 0.5
        elif isinstance(module, nn.PReLU):
            module.weight.data = 0.1 + 0.4 * case.rand(1)
        elif isinstance(module, nn.BatchNorm2d):
            channels = module.num_features
            module.weight.data, module.bias.data = 0.5 + case.rand(channels), case.rand(channels) - 0.5
            cast(Tensor, module.running_mean).copy_(case.rand(channels) - 0.5)
            cast(Tensor, module.running_var).copy_(0.5 + case.rand(channels))
    return part


def _compare_parts(
    answer: Callable[..., Tensor],
    case: Case,
    x: Tensor,
    parts: Parts,
    mistakes: Callable[[Tensor, mistakes04.Parts], mistakes04.Mistakes],
    reference: Callable[..., Tensor],
    what: str,
    *,
    expected: Tensor | None = None,
    within: float = 1e-4,
    public: bool = False,
) -> None:
    """The answer's value, and that the parts are as the right answer would leave them."""
    before, twin = copy.deepcopy(parts), copy.deepcopy(parts)
    right = reference(x, *twin.values()).detach()
    got = case.call(answer, x, *parts.values())
    compare(
        got,
        right if expected is None else expected,
        within=within,
        what=what,
        public=public,
        mistakes=mistakes(x, before),
    )
    for name, part in parts.items():
        require(
            part.training == twin[name].training,
            f"your code switches the mode of {name}: leave train and eval alone",
            expected=f"{name} in the mode in which it came",
            got="the other mode",
        )
        same = all(map(torch.equal, part.state_dict().values(), twin[name].state_dict().values()))
        require(
            same,
            f"your code changes {name}, or calls it with something else as well",
            expected=f"{name} as one call leaves it",
            got="other weights or statistics in it",
        )
        require(
            all(parameter.requires_grad for parameter in part.parameters()),
            f"{name} cannot be trained any more: leave requires_grad of its weights alone",
            expected=f"{name} with weights that can be trained",
            got="weights with requires_grad=False",
        )


def _require_order(notes: Sequence[str], wanted: Sequence[str]) -> None:
    if list(notes) == list(wanted):
        return
    got = ", ".join(notes) or "no call"
    order = ", ".join(wanted)
    missing = [name for name in wanted if name not in notes]
    if missing:
        raise Wrong(f"{missing[0]} is left out: the order is {order}", expected=f"calls of {order}", got=got)
    often = next((name for name in wanted if notes.count(name) > 1), None)
    if often:
        cause = f"{often} is called {notes.count(often)} times: call it once and keep what it gives in a variable"
        raise Wrong(cause, expected=f"calls of {order}", got=got)
    raise Wrong(f"the parts come in another order: it is {order}", expected=f"calls of {order}", got=got)


def _noted(parts: Parts, notes: list[str]) -> Parts:
    return {name: _Noted(name, part, notes) for name, part in parts.items()}


def _compare_gradients(
    answer: Callable[..., Tensor], case: Case, x: Tensor, parts: Parts, reference: Callable[..., Tensor]
) -> None:
    """The gradients of the input and of all weights are the right ones."""
    twin = copy.deepcopy(parts)
    own, theirs = x.clone().requires_grad_(True), x.clone().requires_grad_(True)
    got = case.call(answer, own, *parts.values())
    require(
        isinstance(got, Tensor) and got.requires_grad,
        "no gradient can flow: leave out torch.no_grad, detach and .data",
        expected="a result that training can go through",
        got="a result without a gradient",
    )
    got.square().sum().backward()
    reference(theirs, *twin.values()).square().sum().backward()
    pairs = [(own, theirs)]
    pairs += [pair for name in parts for pair in zip(parts[name].parameters(), twin[name].parameters(), strict=True)]
    for mine, right in pairs:
        require(
            mine.grad is not None,
            "the gradient is cut off on its way: leave out detach, .data and torch.no_grad",
            expected="a gradient for the input and for every weight",
            got="one without",
        )
        wanted = cast(Tensor, right.grad)
        require(
            torch.allclose(cast(Tensor, mine.grad), wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max())),
            "the gradient is cut off on one of its ways: leave out detach, .data and torch.no_grad",
            expected="the gradient of the input and of each weight",
            got="another gradient, although the values are right",
        )


# ---------------------------------------------------------------------------------------------------------------
# 04.1 residual_block

_BLOCK = ("conv1", "norm1", "act", "conv2", "norm2")


def _residual_block(
    x: Tensor, conv1: nn.Module, norm1: nn.Module, act: nn.Module, conv2: nn.Module, norm2: nn.Module
) -> Tensor:
    block = ResidualBlock(1, batch_norm=False)
    for name, part in zip(_BLOCK, (conv1, norm1, act, conv2, norm2), strict=True):
        setattr(block, name, part)
    return cast(Tensor, block(x))


def _block(case: Case, channels: int, *, batch_norm: bool = True) -> Parts:
    block = _filled(ResidualBlock(channels, batch_norm=batch_norm), case)
    return {name: getattr(block, name) for name in _BLOCK}


def residual_block_worked_example(residual_block: ResidualBlockAnswer, case: Case) -> None:
    """The pixels -2 and 2 become 14 and -2: the branch gives 16 and -4, and the input is added."""
    x = torch.tensor([-2.0, 2.0]).view(1, 1, 1, 2)
    parts = dict(zip(_BLOCK, (_times(-1), nn.Identity(), nn.PReLU(), _times(8), nn.Identity()), strict=True))
    _compare_parts(
        residual_block,
        case,
        x,
        parts,
        mistakes04.blocks,
        _residual_block,
        "14 and -2",
        expected=torch.tensor([14.0, -2.0]).view_as(x),
        public=True,
    )


def residual_block_without_norms(residual_block: ResidualBlockAnswer, case: Case) -> None:
    """Without normalisation the block is x + conv2(act(conv1(x))), as computed without any module."""
    x, parts = 2 * case.rand(2, 3, 4, 5) - 1, _block(case, 3, batch_norm=False)
    conv1, act, conv2 = (cast(Any, parts[name]) for name in ("conv1", "act", "conv2"))
    inner = F.conv2d(x, conv1.weight, conv1.bias, padding=1)
    inner = torch.where(inner > 0, inner, act.weight * inner)
    expected = (x + F.conv2d(inner, conv2.weight, conv2.bias, padding=1)).detach()
    what = "a block whose norms do nothing"
    _compare_parts(residual_block, case, x, parts, mistakes04.blocks, _residual_block, what, expected=expected)


def residual_block_in_both_modes(residual_block: ResidualBlockAnswer, case: Case) -> None:
    """With batch normalisation it is right in training and in evaluation mode, and leaves the mode alone."""
    for training in (False, True):
        parts = _block(case, 4)
        for part in parts.values():
            part.train(training)
        x = 2 * case.rand(2, 4, 5, 3) - 1
        what = f"a block with batch normalisation in {'training' if training else 'evaluation'} mode"
        _compare_parts(residual_block, case, x, parts, mistakes04.blocks, _residual_block, what)


def residual_block_any_values(residual_block: ResidualBlockAnswer, case: Case) -> None:
    """Squares, large values and float64 are treated alike."""
    for shape, size in (((1, 2, 5, 5), 1.0), ((2, 2, 4, 4), 1000.0)):
        parts = {name: part.double() for name, part in _block(case, 2, batch_norm=False).items()}
        x = size * (2 * case.rand(*shape).double() - 1)
        what = f"features {shape} with values up to {size:g}, in float64"
        _compare_parts(residual_block, case, x, parts, mistakes04.blocks, _residual_block, what, within=1e-10 * size)


def residual_block_order(residual_block: ResidualBlockAnswer, case: Case) -> None:
    """Each of the five parts is called once, in the order conv1, norm1, act, conv2, norm2."""
    notes: list[str] = []
    case.call(residual_block, case.rand(1, 2, 3, 3), *_noted(_block(case, 2), notes).values())
    _require_order(notes, _BLOCK)


def residual_block_can_be_trained(residual_block: ResidualBlockAnswer, case: Case) -> None:
    """Gradients reach the input and the weights of all parts."""
    _compare_gradients(residual_block, case, case.rand(2, 3, 4, 4), _block(case, 3), _residual_block)


# ---------------------------------------------------------------------------------------------------------------
# 04.2 batch_norm


def _batch_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    mean, variance = mean.clone(), variance.clone()
    y = F.batch_norm(x, mean, variance, weight, bias, training, momentum, eps)
    return y, mean, variance


def _statistics(case: Case, channels: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """weight, bias, running mean, running variance"""
    weight, bias, mean, variance = (case.rand(channels).to(dtype) for _ in range(4))
    sign = torch.ones(channels, dtype=dtype)
    sign[1::2] = -1  # a learnt scale may have either sign
    return sign * (0.5 + weight), bias - 0.5, 2 * mean - 1, 0.3 + 2 * variance


def _compare_norm(
    batch_norm: BatchNorm,
    case: Case,
    x: Tensor,
    statistics: Sequence[Tensor],
    rest: tuple[bool, float, float],
    what: str,
    *,
    expected: tuple[Tensor, ...] | None = None,
    within: float = 1e-4,
    public: bool = False,
) -> None:
    given = (x, *statistics, *rest)
    compare(
        case.call(batch_norm, *given),
        _batch_norm(*given) if expected is None else expected,  # type: ignore[arg-type]
        within=within,
        what=what,
        public=public,
        mistakes=mistakes04.batch_norms(*given),  # type: ignore[arg-type]
    )


def batch_norm_worked_example(batch_norm: BatchNorm, case: Case) -> None:
    """1, 2, 3, 6 in training: mean 3, variance 3.5 inside y, 14 / 3 in the running one."""
    x = torch.tensor([1.0, 2, 3, 6]).view(1, 1, 2, 2)
    statistics = torch.ones(1), torch.zeros(1), torch.zeros(1), torch.tensor([3.5])
    expected = (x - 3) / 2, torch.tensor([0.3]), torch.tensor([0.9 * 3.5 + 1.4 / 3])
    what = "y, mean, variance"
    _compare_norm(batch_norm, case, x, statistics, (True, 0.1, 0.5), what, expected=expected, public=True)


def batch_norm_in_evaluation(batch_norm: BatchNorm, case: Case) -> None:
    """Not training: the running statistics are used, and come back as they were."""
    x = 3 * case.rand(2, 3, 4, 5)
    statistics = _statistics(case, 3)
    weight, bias, mean, variance = (s.view(1, -1, 1, 1) for s in statistics)
    y = (x - mean) / (variance + 0.01) ** 0.5 * weight + bias
    expected = y, *statistics[2:]
    _compare_norm(batch_norm, case, x, statistics, (False, 0.1, 0.01), "evaluation mode", expected=expected)


def batch_norm_in_training(batch_norm: BatchNorm, case: Case) -> None:
    """Training: the batch's statistics, over pictures, rows and columns, for each channel, at any momentum."""
    for shape in ((3, 4, 5, 6), (2, 1, 1, 1), (1, 5, 2, 3), (4, 4, 4, 4), (1, 2, 3, 3), (2, 3, 1, 2)):
        x = 3 * case.rand(*shape) - 1
        momentum = {(1, 2, 3, 3): 0.0, (2, 3, 1, 2): 1.0}.get(shape, 0.15 + 0.3 * float(case.rand(1)))
        rest = (True, momentum, 0.02)
        _compare_norm(batch_norm, case, x, _statistics(case, shape[1]), rest, f"features {shape} in training mode")


def batch_norm_large_eps(batch_norm: BatchNorm, case: Case) -> None:
    """eps is added below the root, be it small or as large as 0.8; float64 too."""
    for training in (True, False):
        for eps in (1e-5, 0.8):
            x = case.rand(2, 3, 3, 4).double()
            what = f"eps {eps:g}, {'training' if training else 'not training'}"
            statistics = _statistics(case, 3, torch.float64)
            _compare_norm(batch_norm, case, x, statistics, (training, 0.2, eps), what, within=1e-10)


def batch_norm_gradient(batch_norm: BatchNorm, case: Case) -> None:
    """Gradients flow to x through the batch's mean and variance too, and to weight and bias, in both modes."""
    x, direction = case.rand(2, 2, 3, 3), case.rand(2, 2, 3, 3)
    weight, bias, mean, variance = _statistics(case, 2)

    def leaves() -> tuple[Tensor, Tensor, Tensor]:
        copies = [tensor.clone().requires_grad_(True) for tensor in (x, weight, bias)]
        return copies[0], copies[1], copies[2]

    def gradients(y: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor | None, ...]:
        return torch.autograd.grad((y * direction).sum(), inputs, allow_unused=True)

    def cut() -> Tensor:
        m, v = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
        probe = x.clone().requires_grad_(True)
        [gradient] = gradients((probe - m) / torch.sqrt(v + 1e-3) * weight.view(-1, 1, 1), (probe,))
        return cast(Tensor, gradient)

    for training in (True, False):
        own, theirs = leaves(), leaves()
        answer = case.call(batch_norm, *own, mean, variance, training, 0.1, 1e-3)
        require(
            isinstance(answer[0], Tensor) and answer[0].requires_grad,
            "no gradient can flow: leave out torch.no_grad, detach and .data",
            expected="a y that training can go through",
            got="a y without a gradient",
        )
        right = gradients(_batch_norm(*theirs, mean, variance, training, 0.1, 1e-3)[0], theirs)
        for name, mine, wanted in zip(("x", "weight", "bias"), gradients(answer[0], own), right, strict=True):
            require(
                mine is not None,
                f"no gradient reaches {name}: leave out detach, .data and torch.no_grad",
                expected=f"a gradient for {name}",
                got="none",
            )
            compare(
                mine,
                wanted,
                within=1e-3,
                what=f"the gradient of {name}, {'training' if training else 'not training'}",
                mistakes={"the gradient does not pass through m and v: leave out detach and torch.no_grad there": cut},
            )


# ---------------------------------------------------------------------------------------------------------------
# 04.3 pixel_shuffle


def _pixel_shuffle(x: Tensor, factor: int) -> Tensor:
    return F.pixel_shuffle(x, factor)


def _numbered(*shape: int) -> Tensor:
    """0, 1, 2, ...: every value says where it was."""
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float32).view(shape)


def _compare_shuffle(pixel_shuffle: PixelShuffle, case: Case, x: Tensor, factor: int, expected: Tensor) -> None:
    compare(
        case.call(pixel_shuffle, x, factor),
        expected,
        within=0,
        what=f"features {tuple(x.shape)}, factor {factor}",
        public=x.numel() == 4,
        mistakes=mistakes04.shuffles(x, factor),
    )


def pixel_shuffle_worked_example(pixel_shuffle: PixelShuffle, case: Case) -> None:
    """Four channels of one pixel become two rows of two pixels, filled row by row."""
    x = 10 + _numbered(1, 4, 1, 1)
    _compare_shuffle(pixel_shuffle, case, x, 2, torch.tensor([[[[10.0, 11], [12, 13]]]]))


def pixel_shuffle_channels(pixel_shuffle: PixelShuffle, case: Case) -> None:
    """Several channels and pictures keep apart: the channels of one cell are neighbours."""
    x = _numbered(2, 12, 1, 1)
    expected = x.view(2, 3, 2, 2)  # a single pixel: each four channels are one cell, already in order
    _compare_shuffle(pixel_shuffle, case, x, 2, expected)


def pixel_shuffle_places(pixel_shuffle: PixelShuffle, case: Case) -> None:
    """Every value goes where the formula says, for sides that differ."""
    x, r = _numbered(2, 8, 2, 3), 2
    expected = torch.empty(2, 2, 4, 6)
    for dy in range(r):
        for dx in range(r):
            expected[:, :, dy::r, dx::r] = x[:, dy * r + dx :: r * r]
    _compare_shuffle(pixel_shuffle, case, x, r, expected)


def pixel_shuffle_other_factors(pixel_shuffle: PixelShuffle, case: Case) -> None:
    """Factors 1, 3 and 4, any size, any dtype."""
    for factor, dtype in ((3, torch.float64), (1, torch.float32), (4, torch.int64)):
        shape = case.integer(1, 2), case.integer(2, 3) * factor**2, case.integer(2, 3), case.integer(4, 5)
        x = _numbered(*shape).to(dtype)
        _compare_shuffle(pixel_shuffle, case, x, factor, F.pixel_shuffle(x, factor))
    for side in (3, 4):
        x = 1e9 + _numbered(2, 8, side, side).double()
        _compare_shuffle(pixel_shuffle, case, x, 2, F.pixel_shuffle(x, 2))


def pixel_shuffle_by_hand(pixel_shuffle: PixelShuffle, case: Case) -> None:
    """It is written by hand."""
    with _WithoutShuffle():
        case.call(pixel_shuffle, _numbered(1, 4, 2, 2), 2)


class _WithoutShuffle(TorchFunctionMode):
    """Inside, torch's own pixel shuffle is refused."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.pixel_shuffle:
            cause = "torch's own pixel shuffle does the work: write it with reshape and permute, or with loops"
            raise Wrong(cause, expected="a pixel shuffle by hand", got="a call of F.pixel_shuffle")
        return func(*args, **(kwargs or {}))


def pixel_shuffle_gradient(pixel_shuffle: PixelShuffle, case: Case) -> None:
    """Gradients go back to where the values came from."""
    x = case.rand(1, 8, 2, 3).requires_grad_(True)
    answer = case.call(pixel_shuffle, x, 2)
    require(
        isinstance(answer, Tensor) and answer.requires_grad,
        "no gradient can flow: rearrange x itself, do not copy its values out with .data, .detach() or .tolist()",
        expected="a result that training can go through",
        got="a result without a gradient",
    )
    direction = case.rand(1, 2, 4, 6)
    (answer * direction).sum().backward()
    compare(cast(Tensor, x.grad), F.pixel_unshuffle(direction, 2), within=1e-6, what="the gradient of x")


# ---------------------------------------------------------------------------------------------------------------
# 04.4 transposed_kernel


def _transposed_kernel(weight: Tensor, factor: int) -> Tensor:
    return F.pixel_shuffle(weight.flip(2, 3).transpose(0, 1), factor)


def _compare_kernel(
    transposed_kernel: PixelShuffle, case: Case, weight: Tensor, factor: int, expected: Tensor, what: str, public: bool
) -> None:
    kernel = case.call(transposed_kernel, weight, factor)
    compare(kernel, expected, within=0, what=what, public=public, mistakes=mistakes04.kernels(weight, factor))


def transposed_kernel_worked_example(transposed_kernel: PixelShuffle, case: Case) -> None:
    """Four 1 x 1 filters with weights 1, 2, 3, 4 become one kernel of 2 x 2."""
    weight = 1 + _numbered(4, 1, 1, 1)
    expected = torch.tensor([[[[1.0, 2], [3, 4]]]])
    _compare_kernel(transposed_kernel, case, weight, 2, expected, "the rows 1, 2 and 3, 4", True)


def transposed_kernel_factor_one(transposed_kernel: PixelShuffle, case: Case) -> None:
    """At factor 1 the kernel is the weight, turned by 180 degrees, with (C, D) exchanged."""
    weight = _numbered(2, 3, 3, 3)
    expected = weight.rot90(2, (2, 3)).permute(1, 0, 2, 3)
    _compare_kernel(transposed_kernel, case, weight, 1, expected, "the weight turned, (D, C, 3, 3)", False)


def transposed_kernel_places(transposed_kernel: PixelShuffle, case: Case) -> None:
    """Every weight stands in the kernel once, where the formula says."""
    c, d, k, r = 2, 3, 3, 2
    weight = _numbered(c * r * r, d, k, k)
    expected = torch.empty(d, c, r * k, r * k)
    for dy in range(r):
        for dx in range(r):
            for a in range(k):
                for b in range(k):
                    place = r * (k - 1 - a) + dy, r * (k - 1 - b) + dx
                    expected[:, :, place[0], place[1]] = weight[dy * r + dx :: r * r, :, a, b].T
    _compare_kernel(transposed_kernel, case, weight, r, expected, f"a kernel ({d}, {c}, {r * k}, {r * k})", False)


def transposed_kernel_is_the_convolution(transposed_kernel: PixelShuffle, case: Case) -> None:
    """The transposed convolution gives what convolution and pixel shuffle give, for any sizes."""
    for r, k, dtype in ((2, 3, torch.float32), (3, 1, torch.float64), (2, 5, torch.float64), (4, 3, torch.float32)):
        c, d = case.integer(2, 3), case.integer(1, 4)
        weight = (2 * case.rand(c * r * r, d, k, k) - 1).to(dtype)
        x = case.rand(2, d, case.integer(3, 4), case.integer(5, 6)).to(dtype)

        def enlarged(kernel: Tensor, x: Tensor = x, r: int = r, k: int = k) -> Tensor:
            return F.conv_transpose2d(x, kernel, stride=r, padding=r * (k // 2))

        kernel = case.call(transposed_kernel, weight, r)
        wanted = (d, c, r * k, r * k)
        got = tuple(kernel.shape) if isinstance(kernel, Tensor) else kernel
        require(got == wanted, "the kernel has another shape", expected=f"shape {wanted}", got=f"{got}")
        wrong = mistakes04.kernels(weight, r)
        compare(
            enlarged(kernel),
            F.pixel_shuffle(F.conv2d(x, weight, padding=k // 2), r),
            within=1e-4,
            what=f"{c * r * r} filters of {k} x {k} and factor {r}, as one transposed convolution",
            mistakes={
                cause: lambda make=make, enlarged=enlarged: enlarged(make())  # type: ignore[misc]
                for cause, make in wrong.items()
            },
        )


# ---------------------------------------------------------------------------------------------------------------
# 04.5 forward

_NETWORK = ("conv_first", "act_first", "body", "conv_body", "norm_body", "upsample", "conv_last")


def _forward(
    lr: Tensor,
    conv_first: nn.Module,
    act_first: nn.Module,
    body: nn.Module,
    conv_body: nn.Module,
    norm_body: nn.Module,
    upsample: nn.Module,
    conv_last: nn.Module,
) -> Tensor:
    network = SRResNet(scale=1, channels=1, num_blocks=0)
    parts = conv_first, act_first, body, conv_body, norm_body, upsample, conv_last
    for name, part in zip(_NETWORK, parts, strict=True):
        setattr(network, name, part)
    return cast(Tensor, network(lr))


def _network(case: Case, *, scale: int, channels: int, training: bool = False, batch_norm: bool = True) -> Parts:
    network = SRResNet(scale=scale, channels=channels, num_blocks=1, batch_norm=batch_norm)
    _filled(network, case).train(training)
    return {name: getattr(network, name) for name in _NETWORK}


def forward_worked_example(forward: Forward, case: Case) -> None:
    """0.5 everywhere becomes -9, twice as large: shallow 1, deep 2, their sum times -3."""
    lr = torch.full((1, 1, 2, 3), 0.5)
    parts = (_times(2), nn.PReLU(), _Plus(7), _times(0.25), nn.Identity(), nn.Upsample(scale_factor=2), _times(-3))
    expected = torch.full((1, 1, 4, 6), -9.0)
    _compare_parts(
        forward,
        case,
        lr,
        dict(zip(_NETWORK, parts, strict=True)),
        mistakes04.networks,
        _forward,
        "-9 everywhere, 4 x 6 pixels",
        expected=expected,
        public=True,
    )


def forward_tells_the_parts_apart(forward: Forward, case: Case) -> None:
    """The long skip goes from act_first to upsample, past all that lies between; nothing follows conv_last."""
    lr = torch.tensor([-1.0, 0.25, 0.5, 2.0]).view(1, 1, 2, 2)
    parts = (_times(2), nn.PReLU(), _Plus(3), _times(-0.5), _Plus(0.125), nn.Upsample(scale_factor=3), _times(7))
    shallow = torch.tensor([-0.5, 0.5, 1.0, 4.0]).view(1, 1, 2, 2)
    total = 7 * (shallow - 0.5 * (shallow + 3) + 0.125)
    _compare_parts(
        forward,
        case,
        lr,
        dict(zip(_NETWORK, parts, strict=True)),
        mistakes04.networks,
        _forward,
        "parts that multiply and add",
        expected=total.repeat_interleave(3, 2).repeat_interleave(3, 3),
    )


def forward_is_srresnet(forward: Forward, case: Case) -> None:
    """A small SRResNet gives the same picture, at every scale, with and without batch normalisation."""
    for scale, batch_norm, training in ((2, True, False), (3, False, False), (4, True, True)):
        parts = _network(case, scale=scale, channels=3, training=training, batch_norm=batch_norm)
        lr = case.rand(2, 3, case.integer(3, 4), case.integer(5, 6))
        what = f"an SRResNet for scale {scale} in {'training' if training else 'evaluation'} mode"
        _compare_parts(forward, case, lr, parts, mistakes04.networks, _forward, what)


def forward_any_values(forward: Forward, case: Case) -> None:
    """Squares, large values and float64 are treated alike."""
    for shape, size in (((1, 3, 5, 5), 1.0), ((2, 3, 4, 4), 1000.0)):
        parts = {name: part.double() for name, part in _network(case, scale=2, channels=2, batch_norm=False).items()}
        lr = size * (2 * case.rand(*shape).double() - 1)
        what = f"lr {shape} with values up to {size:g}, in float64"
        _compare_parts(forward, case, lr, parts, mistakes04.networks, _forward, what, within=1e-10 * size)


def forward_order(forward: Forward, case: Case) -> None:
    """Each of the seven parts is called once, in the order of the drawing."""
    notes: list[str] = []
    parts = _noted(_network(case, scale=2, channels=2), notes)
    case.call(forward, case.rand(1, 3, 3, 4), *parts.values())
    _require_order(notes, _NETWORK)


def forward_can_be_trained(forward: Forward, case: Case) -> None:
    """Gradients reach the input and the weights of all parts."""
    parts = _network(case, scale=2, channels=2, training=True)
    _compare_gradients(forward, case, case.rand(2, 3, 4, 4), parts, _forward)


# ---------------------------------------------------------------------------------------------------------------
# 04.6 seen


def _seen(network: nn.Module, x: Tensor, row: int, column: int) -> tuple[int, int, int, int]:
    probe = x.detach().clone().requires_grad_(True)
    [gradient] = torch.autograd.grad(network(probe)[0, :, row, column].sum(), [probe])
    places = gradient[0].abs().amax(0).nonzero()
    (top, left), (bottom, right) = places.amin(0).tolist(), places.amax(0).tolist()
    return top, bottom, left, right


def _conv(weight: Tensor, padding: tuple[int, int]) -> nn.Conv2d:
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], cast(Any, tuple(weight.shape[2:])), padding=padding)
    conv.weight.data = weight
    return conv


def _compare_seen(
    seen: Seen,
    case: Case,
    network: nn.Module,
    x: Tensor,
    place: tuple[int, int],
    expected: tuple[int, int, int, int],
    what: str,
    public: bool = False,
) -> None:
    before = copy.deepcopy(network)
    answer = case.call(seen, network, x, *place)
    require(
        answer is None or not isinstance(answer, (list, tuple)) or all(type(value) is int for value in answer),
        "the numbers are no Python ints: wrap each in int(...)",
        expected="four ints",
        got=f"{', '.join(type(value).__name__ for value in answer or ())}",
    )
    compare(
        tuple(answer) if isinstance(answer, list) else answer,
        expected,
        within=0,
        what=f"{what}, output pixel {place}",
        public=public,
        mistakes=mistakes04.footprints(before, x, *place),
    )


def seen_worked_example(seen: Seen, case: Case) -> None:
    """A 3 x 3 convolution sees one pixel on each side, and nothing outside the picture."""
    conv, x = _conv(torch.ones(1, 1, 3, 3), (1, 1)), case.rand(1, 1, 8, 8)
    for place, expected in (((4, 6), (3, 5, 5, 7)), ((0, 0), (0, 1, 0, 1))):
        _compare_seen(seen, case, conv, x, place, expected, f"{expected} for {place}", public=True)


def seen_adds_up(seen: Seen, case: Case) -> None:
    """Two convolutions see as far as both together, and rows and columns are told apart."""
    weights = 0.5 + case.rand(2, 1, 3, 1), 0.5 + case.rand(1, 2, 3, 7)
    network = nn.Sequential(_conv(weights[0], (1, 0)), _conv(weights[1], (1, 3)))
    x = case.rand(1, 1, 12, 15)
    row, column = case.integer(3, 5), case.integer(6, 8)
    expected = row - 2, row + 2, column - 3, column + 3
    _compare_seen(seen, case, network, x, (row, column), expected, "5 rows and 7 columns")


def seen_small_gradients(seen: Seen, case: Case) -> None:
    """Gradients as small as 1e-30 count, and negative ones; exactly 0 does not."""
    weight = torch.zeros(1, 1, 5, 5)
    weight[0, 0, 2, 2], weight[0, 0, 0, 2], weight[0, 0, 2, 4], weight[0, 0, 2, 1] = 1.0, 1e-12, 1e-5, -1.0
    weight[0, 0, 4, 2] = 1e-30
    x, (row, column) = case.rand(1, 1, 9, 9), (case.integer(2, 6), case.integer(2, 6))
    expected = row - 2, row + 2, column - 1, column + 2
    _compare_seen(seen, case, _conv(weight, (2, 2)), x, (row, column), expected, "weights from 1 to 1e-30")


def seen_channels(seen: Seen, case: Case) -> None:
    """All channels count, of the input and of the output."""
    x, place = case.rand(1, 3, 7, 8), (3, 4)
    opposite = torch.zeros(1, 3, 3, 3)
    opposite[0, 0], opposite[0, 1], opposite[0, 2, 1, 1] = 1, -1, 1
    opposite[0, 1, 0, 1] = -2  # the sum over the channels is 0 but for here and the middle
    _compare_seen(seen, case, _conv(opposite, (1, 1)), x, place, (2, 4, 3, 5), "channels of opposite sign")
    for first, last in ((3, 1), (1, 3)):  # the size that the first and the last output channel look at
        weight = torch.zeros(2, 3, 3, 3)
        weight[0, 0, 1, :2] = weight[1, 0, 1, 1:] = 1.0
        for k, size in enumerate((first, last)):
            margin = (3 - size) // 2
            weight[k, 1, margin : 3 - margin, margin : 3 - margin] = 1.0
        _compare_seen(seen, case, _conv(weight, (1, 1)), x, place, (2, 4, 3, 5), "two output channels")


def seen_enlarging_network(seen: Seen, case: Case) -> None:
    """Row and column count output pixels, also where the output is larger than the input."""
    network = nn.Sequential(_conv(torch.ones(4, 1, 3, 3), (1, 1)), nn.PixelShuffle(2))
    x, row, column = case.rand(1, 1, 9, 10), case.integer(6, 9), case.integer(10, 13)
    i, j = row // 2, column // 2
    _compare_seen(seen, case, network, x, (row, column), (i - 1, i + 1, j - 1, j + 1), "convolution and pixel shuffle")
    small = SRResNet(scale=2, channels=2, num_blocks=1).double().eval()
    x = case.rand(1, 3, 11, 12).double()
    _compare_seen(seen, case, small, x, (5, 16), _seen(copy.deepcopy(small), x, 5, 16), "a small SRResNet")


def seen_depends_on_x(seen: Seen, case: Case) -> None:
    """What is seen may depend on x: a maximum over 3 x 3 pixels sees the largest of them alone, be it 0 or not."""
    row, column = case.integer(2, 4), case.integer(2, 5)
    x = -0.1 - case.rand(1, 2, 7, 8)
    x[0, 0, row, column + 1], x[0, 1, row + 1, column] = 0.0, -0.05
    expected = row, row + 1, column, column + 1
    _compare_seen(seen, case, nn.MaxPool2d(3, 1, 1), x, (row, column), expected, "the largest of 3 x 3")


def seen_mode(seen: Seen, case: Case) -> None:
    """The network is left in its mode: batch normalisation sees the whole picture in training, one pixel else."""
    x = case.rand(1, 2, 5, 6)
    for training, expected in ((False, (2, 2, 3, 3)), (True, (0, 4, 0, 5))):
        norm = nn.BatchNorm2d(2).train(training)
        answer = case.call(seen, norm, x, 2, 3)
        name = "training" if training else "evaluation"
        require(
            norm.training == training,
            "your code switches the network's mode: leave train and eval alone",
            expected=f"a network in {name} mode",
            got="the other mode",
        )
        cause = "the network was run in the other mode: leave train and eval alone"
        mistakes = {cause: lambda training=training: (0, 4, 0, 5) if not training else (2, 2, 3, 3)}
        got = tuple(answer) if isinstance(answer, list) else answer
        compare(got, expected, within=0, what=f"batch normalisation in {name} mode", mistakes=mistakes)
        if training:
            require(
                int(cast(Tensor, norm.num_batches_tracked)) == 1,
                "the network is called more than once: keep what it gives in a variable",
                expected="one call",
                got=f"{int(cast(Tensor, norm.num_batches_tracked))} calls",
            )


def seen_leaves_no_trace(seen: Seen, case: Case) -> None:
    """Weights, their gradients and x are as before."""
    conv, x = _conv(0.5 + case.rand(1, 1, 3, 3), (1, 1)), case.rand(1, 1, 5, 5)
    kept = 1 + case.rand(1, 1, 3, 3)
    conv.weight.grad = kept.clone()
    case.call(seen, conv, x, 2, 2)
    require(
        conv.weight.grad is not None and torch.equal(conv.weight.grad, kept) and conv.weight.requires_grad,
        "the gradients of the weights are changed: torch.autograd.grad leaves them alone, backward() does not",
        expected="the gradients that were there before",
        got="others",
    )
    require(
        not x.requires_grad and x.grad is None,
        "x itself was made to require gradients: take a copy, x.detach().clone().requires_grad_(True)",
        expected="x as it was",
        got="x with requires_grad, or with a gradient",
    )


EXERCISES = {
    "04.1": Exercise(
        reference=_residual_block,
        checks=(
            residual_block_worked_example,
            residual_block_without_norms,
            residual_block_in_both_modes,
            residual_block_any_values,
            residual_block_order,
            residual_block_can_be_trained,
        ),
    ),
    "04.2": Exercise(
        reference=_batch_norm,
        checks=(
            batch_norm_in_training,
            batch_norm_worked_example,
            batch_norm_in_evaluation,
            batch_norm_large_eps,
            batch_norm_gradient,
        ),
    ),
    "04.3": Exercise(
        reference=_pixel_shuffle,
        checks=(
            pixel_shuffle_worked_example,
            pixel_shuffle_channels,
            pixel_shuffle_places,
            pixel_shuffle_other_factors,
            pixel_shuffle_by_hand,
            pixel_shuffle_gradient,
        ),
    ),
    "04.4": Exercise(
        reference=_transposed_kernel,
        checks=(
            transposed_kernel_worked_example,
            transposed_kernel_factor_one,
            transposed_kernel_places,
            transposed_kernel_is_the_convolution,
        ),
    ),
    "04.5": Exercise(
        reference=_forward,
        checks=(
            forward_worked_example,
            forward_tells_the_parts_apart,
            forward_is_srresnet,
            forward_any_values,
            forward_order,
            forward_can_be_trained,
        ),
    ),
    "04.6": Exercise(
        reference=_seen,
        checks=(
            seen_adds_up,
            seen_worked_example,
            seen_small_gradients,
            seen_channels,
            seen_enlarging_network,
            seen_depends_on_x,
            seen_mode,
            seen_leaves_no_trace,
        ),
    ),
}
