"""The U-Net discriminator against its file's layout, singular values by SVD, torch's own spectral norm; in a game."""

import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from noise_batches import noise_source
from test_game_training import BY_HAND, SMALL, _copy, _floats, _judge, _same
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from srlib import checkpoints, training, zoo
from srlib.models import SRResNet, UNetDiscriminator
from srlib.models.unet import SpectralConv2d
from srlib.terms import judging_only

# Real-ESRGAN's RealESRGAN_x4plus_netD.pth: the layers between the first and the last, (after, before, kernel)
OFFICIAL = {
    1: (128, 64, 4),
    2: (256, 128, 4),
    3: (512, 256, 4),
    4: (256, 512, 3),
    5: (128, 256, 3),
    6: (64, 128, 3),
    7: (64, 64, 3),
    8: (64, 64, 3),
}
GAME = replace(SMALL, discriminator=partial(UNetDiscriminator, channels=4), pixel_weight=1.0)


def _official() -> dict[str, tuple[int, ...]]:
    """The names and shapes of the official file."""
    shapes: dict[str, tuple[int, ...]] = {"conv0.weight": (64, 3, 3, 3), "conv0.bias": (64,)}
    for number, (after, before, kernel) in OFFICIAL.items():
        shapes[f"conv{number}.weight_orig"] = (after, before, kernel, kernel)
        shapes[f"conv{number}.weight_u"] = (after,)
        shapes[f"conv{number}.weight_v"] = (before * kernel**2,)
    return {**shapes, "conv9.weight": (1, 64, 3, 3), "conv9.bias": (1,)}


def _small(channels: int = 4) -> UNetDiscriminator:
    torch.manual_seed(0)
    return UNetDiscriminator(channels=channels)


def _vectors(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.named_buffers()}


def test_the_papers_parameters_under_the_official_names() -> None:
    with torch.device("meta"):
        network = UNetDiscriminator()
    assert sum(p.numel() for p in network.parameters()) == 4_376_897
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert list(shapes.items()) == list(_official().items())
    assert {name for name in shapes if name.endswith(("_u", "_v"))} == set(_vectors(network))


@pytest.mark.parametrize("wrapper", ["params", None])
def test_a_file_of_the_official_layout_loads(tmp_path: Path, wrapper: str | None) -> None:
    torch.manual_seed(0)
    state = {name: torch.randn(shape) for name, shape in _official().items()}
    torch.save({wrapper: state} if wrapper else state, tmp_path / "netD.pth")
    network = UNetDiscriminator()
    network.load_state_dict(zoo.read_state(tmp_path / "netD.pth")[0])
    assert _same(state, dict(network.state_dict()))


def _by_hand(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """The paper's figure, each layer's weights over their largest singular value by SVD."""

    def conv(number: int, x: Tensor, stride: int = 1) -> Tensor:
        name = f"conv{number}.weight"
        if name in state:
            return F.conv2d(x, state[name], state[f"conv{number}.bias"], padding=1)
        weight = state[f"{name}_orig"]
        norm = torch.linalg.matrix_norm(weight.flatten(1), ord=2)
        return F.conv2d(x, weight / norm, stride=stride, padding=1)

    def leaky(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, x / 5)

    def doubled(x: Tensor) -> Tensor:
        """Each output pixel lies a quarter from one input pixel's middle and three quarters from the next one's."""
        for dim in (2, 3):
            size = x.shape[dim]
            before, after = ([min(max(k + d, 0), size - 1) for k in range(size)] for d in (-1, 1))
            near = x.movedim(dim, 0)
            pair = torch.stack([0.75 * near + 0.25 * near[before], 0.75 * near + 0.25 * near[after]], 1)
            x = pair.flatten(0, 1).movedim(0, dim)
        return x

    down = [leaky(conv(0, x))]
    for number in (1, 2, 3):
        down.append(leaky(conv(number, down[-1], stride=2)))
    up = down.pop()
    for number in (4, 5, 6):
        up = leaky(conv(number, doubled(up))) + down.pop()
    return conv(9, leaky(conv(8, leaky(conv(7, up)))))


@torch.no_grad()
def test_the_forward_pass_by_hand_with_singular_values() -> None:
    network = _small(channels=8).double()
    for _ in range(1000):  # power iterations in each layer
        network(torch.zeros(1, 3, 8, 8, dtype=torch.float64))
    x = torch.rand(2, 3, 24, 40, dtype=torch.float64)
    vectors = _vectors(network)
    logits = network.eval()(x)
    assert logits.shape == (2, 1, 24, 40)
    expected = _by_hand(dict(network.state_dict()), x)
    assert float(expected.std()) > 0.01
    assert torch.allclose(logits, expected, rtol=1e-9, atol=1e-12)
    assert _same(vectors, _vectors(network))  # evaluation mode looks, and does not iterate


@torch.no_grad()
def test_a_new_layers_norm_is_near_at_once() -> None:
    torch.manual_seed(0)
    layer = SpectralConv2d(64, 128, kernel=4, stride=2)
    rows = layer.weight_orig.flatten(1)
    told = float(layer.weight_u @ rows @ layer.weight_v)
    assert told == pytest.approx(float(torch.linalg.matrix_norm(rows, ord=2)), rel=0.03)
    assert told < float(torch.linalg.matrix_norm(rows, ord=2))  # an estimate from below


def test_learning_is_as_with_torchs_own_spectral_norm() -> None:
    torch.manual_seed(0)
    theirs = spectral_norm(nn.Conv2d(6, 10, 4, 2, 1, bias=False))
    ours = SpectralConv2d(6, 10, kernel=4, stride=2)
    ours.load_state_dict(theirs.state_dict())
    optimizers = [torch.optim.SGD(layer.parameters(), lr=0.1) for layer in (theirs, ours)]
    first = ours.weight_orig.detach().clone()
    for _ in range(5):
        real, fake = torch.rand(2, 6, 8, 8), torch.rand(2, 6, 8, 8)
        for layer, optimizer in zip((theirs, ours), optimizers, strict=True):
            optimizer.zero_grad()
            (layer(real).square().mean() - layer(fake).mean()).backward()  # two looks, then one lesson
            optimizer.step()
        for name, value in theirs.state_dict().items():
            assert torch.allclose(ours.state_dict()[name], value, atol=1e-6), name
    assert float((ours.weight_orig.detach() - first).abs().max()) > 0.01
    assert torch.allclose(ours.eval()(real), theirs.eval()(real), atol=1e-6)


@pytest.mark.parametrize("size", [(8, 8), (16, 40), (128, 64)])
def test_every_pixel_has_a_logit_and_is_looked_at(size: tuple[int, int]) -> None:
    network, x = _small(), torch.rand(2, 3, *size, requires_grad=True)
    logits = network(x)
    assert logits.shape == (2, 1, *size)
    logits.square().mean().backward()
    assert x.grad is not None
    assert bool((x.grad.abs().sum(1) > 0).all())
    assert not [name for name, p in network.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)]


@pytest.mark.parametrize("size", [(20, 32), (32, 33), (4, 8)])
def test_sides_that_are_no_multiples_of_8_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"pictures are {size[0]} x {size[1]}: .* multiples of 8; cut them with"):
        _small()(torch.rand(1, 3, *size))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_the_norm_is_as_exact(dtype: torch.dtype) -> None:
    exact, near = _small(), _small()
    x = torch.rand(2, 3, 16, 24)
    expected = exact(x)
    with torch.autocast("cpu", dtype):
        logits = near(x)
    assert logits.dtype == dtype
    assert float((logits.float() - expected).detach().abs().max()) < 0.03 * float(expected.detach().abs().max())
    assert _same(_vectors(exact), _vectors(near))  # to the last bit
    logits.float().mean().backward()
    assert {p.grad.dtype for p in near.parameters() if p.grad is not None} == {torch.float32}


def test_a_network_that_has_learned_can_be_copied() -> None:
    network, x = _small(), torch.rand(1, 3, 16, 16)
    network(x).mean().backward()
    twin = copy.deepcopy(network)
    assert torch.equal(twin(x), network(x))
    assert not {v.data_ptr() for v in twin.state_dict().values()} & {
        v.data_ptr() for v in network.state_dict().values()
    }


def test_channels_last_and_compiled_it_is_the_same() -> None:
    x = torch.rand(2, 3, 16, 24)
    ends = [_small(), _small().to(memory_format=torch.channels_last), torch.compile(_small(), backend="aot_eager")]
    for _ in range(2):
        logits = [network(x) for network in ends]
        for network, made in zip(ends, logits, strict=True):
            network.zero_grad()
            made.square().mean().backward()
    states = [list(network.state_dict().values()) + [p.grad for p in network.parameters()] for network in ends]
    for made, state in zip(logits[1:], states[1:], strict=True):
        assert torch.allclose(made, logits[0], atol=1e-6)
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(state, states[0], strict=True))


# --- as the opponent in training


def test_judging_only_passes_gradients_on_and_keeps_the_vectors() -> None:
    network, x = _small(), torch.rand(1, 3, 16, 16, requires_grad=True)
    before = _copy(network)
    with judging_only(network):
        network(x).mean().backward()
        assert not _same(before, network.state_dict())  # it iterates, as it does while it learns
    assert _same(before, network.state_dict())
    assert x.grad is not None and bool(x.grad.any())
    assert not any(p.grad is not None for p in network.parameters())
    assert all(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize("game", [SMALL.game, BY_HAND["esrgan"].game], ids=["standard", "relativistic"])
def test_a_step_gives_each_layer_two_iterations(game: Any) -> None:
    """Of the generator's half none stays; the other half looks at the real and at the made pictures."""
    run = training.start(replace(GAME, game=game))
    judge = _judge(run).network
    twin, before = copy.deepcopy(judge), _copy(run.generator)
    for x in torch.rand(2, 1, 3, 16, 16):
        twin(x)
    training.train_step(run, *_floats(0, GAME))
    assert _same(_vectors(twin), _vectors(judge))
    assert not _same(_copy(twin), _copy(judge)) and not _same(before, _copy(run.generator))


def test_the_adversarial_gradient_is_of_all_logits() -> None:
    recipe = replace(GAME, generator=partial(SRResNet, channels=8, num_blocks=1, batch_norm=False))
    run = training.start(recipe)
    lr, hr = _floats(0, recipe)
    sr = run.generator(lr).detach().requires_grad_(True)
    logits = copy.deepcopy(_judge(run).network)(sr)
    assert logits.shape == (4, 1, 16, 16)
    loss = recipe.adversarial_weight * F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
    expected = float(torch.autograd.grad(loss, sr)[0].norm())
    terms = training.train_step(run, lr, hr)
    assert float(terms["adversarial"]) == pytest.approx(float(loss.detach()), rel=1e-5)
    assert float(terms["grad_adversarial"]) == pytest.approx(expected, rel=1e-4)


def test_a_bad_batch_leaves_the_vectors() -> None:
    run = training.start(GAME)
    lr, hr = _floats(0, GAME)
    training.train_step(run, lr, hr)
    before = _copy(_judge(run).network)
    training.train_step(run, lr, hr * float("nan"))
    assert run.unfollowed
    assert _same(before, _copy(_judge(run).network))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_follows_fp32(precision: Any) -> None:
    ends = []
    for wanted in ("fp32", precision):
        run = training.start(replace(GAME, learning_rate=1e-4), precision=wanted)
        training.fit(run, noise_source(run), steps=40)
        ends.append(run)
    full, half = ends
    assert half.scaler.is_enabled() == _judge(half).scaler.is_enabled() == (precision == "fp16")
    assert half.skipped <= 10  # float16's first scales are too large, and tried out
    for name in ("pixel", "d_loss", "d_real", "d_fake"):
        assert half.terms[name] == pytest.approx(full.terms[name], rel=0.05), name
    assert all(bool(p.isfinite().all()) for p in _judge(half).network.state_dict().values())


@pytest.mark.parametrize("warm_up", [0, 5])
def test_a_game_resumes_bit_for_bit(tmp_path: Path, warm_up: int) -> None:
    recipe = replace(GAME, warm_up=warm_up, ema=0.9)
    whole, first = training.start(recipe), training.start(recipe)
    training.fit(whole, noise_source(whole), steps=8)
    training.fit(first, noise_source(first), steps=4)
    checkpoints.save_checkpoint(first, tmp_path / "run.pt")
    second = checkpoints.load_checkpoint(training.start(recipe), tmp_path / "run.pt")
    assert _same(_copy(_judge(second).network), _copy(_judge(first).network))
    training.fit(second, noise_source(second), steps=8)
    assert second.terms == whole.terms
    for mine, other in ((second.generator, whole.generator), (_judge(second).network, _judge(whole).network)):
        assert _same(_copy(mine), _copy(other))
