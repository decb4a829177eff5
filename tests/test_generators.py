"""What every generator promises, and the counts and structure of SRResNet and A2N against their papers."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib import image, inference, tiles, zoo
from srlib.models import A2N, SRCNN, RRDBNet, SRResNet, SRVGGNetCompact
from srlib.models.a2n import A2Block
from srlib.models.srresnet import enlargement

GENERATORS: dict[str, Callable[[], nn.Module]] = {
    "srcnn": lambda: SRCNN(scale=3),
    "srresnet x2": lambda: SRResNet(scale=2, num_blocks=2),
    "srresnet x3": lambda: SRResNet(scale=3, num_blocks=2),
    "srresnet x8": lambda: SRResNet(scale=8, channels=16, num_blocks=1),
    "srresnet without batch norm": lambda: SRResNet(scale=4, num_blocks=2, batch_norm=False),
    "a2n x2": lambda: A2N(scale=2, num_blocks=2),
    "a2n x4": lambda: A2N(scale=4, num_blocks=2),
    "a2n-m x3": lambda: A2N(scale=3, num_blocks=2, plain_kernel=1),
    "rrdbnet x4": lambda: RRDBNet(channels=16, growth=8, num_blocks=1),
    "rrdbnet x2": lambda: RRDBNet(scale=2, channels=16, growth=8, num_blocks=1),
    "compact x4": lambda: SRVGGNetCompact(channels=16, num_convs=3),
}
each = pytest.mark.parametrize("make", GENERATORS.values(), ids=GENERATORS)


def _count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def _made(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return make()


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (SRResNet(scale=4), 1_549_462),
        (SRResNet(scale=2), 1_401_749),
        (A2N(scale=2), 1_036_443),
        (A2N(scale=3), 1_036_443),
        (A2N(scale=4), 1_047_459),
        (A2N(scale=2, plain_kernel=1), 831_643),
        (A2N(scale=4, plain_kernel=1), 842_659),
    ],
)
def test_parameter_counts_of_the_papers(model: nn.Module, parameters: int) -> None:
    assert _count(model) == parameters


def test_batch_norm_is_33_times_a_weight_and_a_bias_of_64_channels() -> None:
    # two in each of 16 blocks and one behind them
    assert _count(SRResNet()) - _count(SRResNet(batch_norm=False)) == 33 * 2 * 64


@each
def test_a_gradient_reaches_every_parameter(make: Callable[[], nn.Module]) -> None:
    model = _made(make)
    model(torch.rand(2, 3, 12, 10)).square().mean().backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)]


@each
def test_evaluation_mode_looks_at_each_picture_alone(make: Callable[[], nn.Module]) -> None:
    model = _made(make).eval()
    x = torch.rand(3, 3, 9, 8)
    alone = torch.cat([model(one[None]) for one in x])
    assert torch.allclose(model(x), alone, atol=2e-5)


def test_training_mode_differs_where_there_is_batch_norm_and_nowhere_else() -> None:
    x = torch.rand(2, 3, 8, 8)
    for model, differs in ((SRResNet(num_blocks=1), True), (SRResNet(num_blocks=1, batch_norm=False), False)):
        assert torch.allclose(model.train()(x), model.eval()(x), atol=1e-6) != differs


@each
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_near(make: Callable[[], nn.Module], dtype: torch.dtype) -> None:
    model = _made(make).eval()
    x = torch.rand(1, 3, 12, 9)
    exact = model(x)
    with torch.autocast("cpu", dtype):
        near = model(x)
    scale = float(exact.detach().abs().max())
    assert float((near.float() - exact).detach().abs().max()) < 0.03 * scale
    assert not torch.equal(near.float(), exact)


@each
def test_channels_last_gives_the_same(make: Callable[[], nn.Module]) -> None:
    model = _made(make).eval()
    x = torch.rand(2, 3, 9, 14)
    plain = model(x)
    assert plain.shape == (2, 3, 9 * int(model.scale), 14 * int(model.scale))
    last = model.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    assert torch.allclose(last, plain, atol=1e-5)


@pytest.mark.parametrize("name", ["srresnet x2", "a2n x2", "rrdbnet x4", "compact x4"])
def test_export_and_compile_give_the_same(name: str) -> None:
    model = _made(GENERATORS[name]).eval()
    x = torch.rand(2, 3, 16, 12)
    sides = {name: torch.export.Dim(name, min=8, max=512) for name in ("height", "width")}
    exported = torch.export.export(model, (x,), dynamic_shapes=({2: sides["height"], 3: sides["width"]},))
    other = torch.rand(2, 3, 10, 20)
    with torch.no_grad():
        assert torch.allclose(exported.module()(other), model(other), atol=1e-5)
        compiled = torch.compile(model, backend="aot_eager")  # traced whole; no C++ compiler is asked for
        assert torch.allclose(compiled(x), model(x), atol=1e-5)


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
def test_srresnets_halo_is_what_gradients_say(scale: int) -> None:
    torch.manual_seed(0)
    model = SRResNet(scale=scale, channels=4, num_blocks=2).double().eval()
    x = torch.rand(1, 3, 41, 41, dtype=torch.float64, requires_grad=True)
    first = 20 * scale  # the HR pixels of LR pixel 20, of which the outermost see farthest
    model(x)[..., first : first + scale, first : first + scale].sum().backward()
    assert x.grad is not None
    seen = x.grad.abs().sum((0, 1, 2)).nonzero().flatten()
    assert (20 - int(seen.min()), int(seen.max()) - 20) == (model.halo, model.halo)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SRResNet(scale=2, channels=8, num_blocks=2),
        *(lambda scale=scale: A2N(scale=scale, num_blocks=1) for scale in (2, 3, 4)),
        *(lambda scale=scale: RRDBNet(scale=scale, channels=8, growth=4, num_blocks=1) for scale in (4, 2, 1)),
    ],
)
def test_strips_equal_the_whole(make: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = _made(make).eval(), torch.rand(1, 3, 61, 21)
    nn.init.constant_(model.conv_last.bias, 0.5)  # so that little is clipped
    with torch.no_grad():
        whole = model(x).clamp(0, 1)
    strips, cuts = tiles.strips, []
    monkeypatch.setattr(tiles, "strips", lambda *args: cuts.extend(strips(*args)) or strips(*args))
    for name in ("STRIP_PIXELS", "TAIL_PIXELS"):
        monkeypatch.setattr(f"srlib.strips.{name}", 900 * int(model.scale) ** 2)  # 42 rows, then 19
    made = inference.network_model(model, name="test")(x)
    assert len(cuts) == 2
    assert torch.allclose(made, whole, atol=1e-6)
    assert 0.005 < whole.std() < 0.4


def test_shuffled_enlargement_is_a_transposed_convolution() -> None:
    torch.manual_seed(0)
    conv, shuffle, _ = enlargement(5, 2)
    assert isinstance(conv, nn.Conv2d)
    x = torch.rand(1, 5, 6, 7)
    kernel = torch.zeros(5, 5, 6, 6)  # each of the 3 x 3 taps makes a 2 x 2 block of outputs
    for dy in range(3):
        for dx in range(3):
            block = conv.weight[:, :, dy, dx].view(5, 2, 2, 5).permute(3, 0, 1, 2)
            kernel[:, :, 2 * (2 - dy) : 2 * (3 - dy), 2 * (2 - dx) : 2 * (3 - dx)] = block
    assert conv.bias is not None
    bias = conv.bias.view(5, 2, 2).tile(1, 6, 7)
    transposed = F.conv_transpose2d(x, kernel, stride=2, padding=2) + bias
    assert torch.allclose(shuffle(conv(x)), transposed, atol=1e-5)


def test_a_block_of_a2n_by_hand() -> None:
    torch.manual_seed(0)
    block, x = A2Block(40, 3).double(), torch.rand(2, 40, 5, 6, dtype=torch.float64)
    w = dict(block.named_parameters())

    def conv(x: Tensor, name: str, padding: int = 0) -> Tensor:
        return F.conv2d(x, w[f"{name}.weight"], w.get(f"{name}.bias"), padding=padding)

    def leaky(x: Tensor) -> Tensor:
        return torch.maximum(x, 0.2 * x)

    inner = leaky(conv(x, "conv_first"))
    hidden = (inner.mean((2, 3)) @ w["ADM.0.weight"].T).clamp(min=0) @ w["ADM.2.weight"].T
    odds = torch.exp(hidden / 30)
    share = odds / odds.sum(1, keepdim=True)
    gate = 1 / (1 + torch.exp(-conv(leaky(conv(inner, "attention.k1", 1)), "attention.k2")))
    attended = conv(conv(inner, "attention.k3", 1) * gate, "attention.k4", 1)
    mixed = share[:, 0, None, None, None] * attended + share[:, 1, None, None, None] * conv(inner, "non_attention", 1)
    assert torch.allclose(block(x), x + conv(leaky(mixed), "conv_last"), atol=1e-12)


def test_an_a2n_whose_last_layer_is_nought_enlarges_bilinearly() -> None:
    model = A2N(scale=2, num_blocks=1)
    nn.init.zeros_(model.conv_last.weight)
    assert model.conv_last.bias is not None
    nn.init.zeros_(model.conv_last.bias)
    x = torch.rand(1, 3, 6, 9)
    assert torch.allclose(model(x), F.interpolate(x, scale_factor=2, mode="bilinear"), atol=1e-6)


def test_files_are_recognised_by_their_keys_and_shapes(tmp_path: Path) -> None:
    x = torch.rand(1, 3, 9, 8)
    for model, asked in (
        (SRResNet(scale=3, num_blocks=2), None),
        (SRResNet(scale=8, channels=8, num_blocks=1, batch_norm=False), 8),
        (A2N(scale=2, num_blocks=3), 2),
        (A2N(scale=3, num_blocks=1, plain_kernel=1), 3),
        (A2N(scale=4, num_blocks=1), None),
    ):
        torch.save({"params": model.state_dict()}, tmp_path / "net.pth")
        loaded = zoo.load(tmp_path / "net.pth", scale=asked)
        assert type(loaded) is type(model)
        assert torch.equal(loaded(x), model.eval()(x))


def test_a_wrong_scale_or_half_a_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save(A2N(scale=2, num_blocks=1).state_dict(), path)
    with pytest.raises(zoo.WeightsError, match=r"2 or 3.*--scale 2"):
        zoo.load(path)
    torch.save(A2N(scale=4, num_blocks=1).state_dict(), path)
    with pytest.raises(zoo.WeightsError, match="for scale 4, not 2"):
        zoo.load(path, scale=2)
    torch.save(SRResNet(scale=4, num_blocks=1).state_dict(), path)
    with pytest.raises(zoo.WeightsError, match="for scale 4, not 2: use --scale 4"):
        zoo.load(path, scale=2)
    five = SRResNet(scale=3, channels=8, num_blocks=1).state_dict()
    five["upsample.0.weight"], five["upsample.0.bias"] = torch.zeros(200, 8, 3, 3), torch.zeros(200)
    torch.save(five, path)
    with pytest.raises(zoo.WeightsError, match=r"enlarges by \(5,\): known are 1, 2, 3, 4, 8"):
        zoo.load(path)
    half = A2N(scale=2, num_blocks=1).state_dict()
    del half["upconv1.weight"]
    torch.save(half, path)
    with pytest.raises(zoo.WeightsError, match="no network known here"):
        zoo.load(path, scale=2)
    whole = SRResNet(scale=4, num_blocks=1).state_dict()
    torch.save({k: v for k, v in whole.items() if k != "conv_body.weight"}, path)
    with pytest.raises(zoo.WeightsError, match=r"conv_body\.weight"):
        zoo.load(path)
    for scale in (1, 5):
        with pytest.raises(ValueError, match=f"scale is {scale}"):
            A2N(scale=scale)


@pytest.mark.parametrize("wrapper", [None, "params_ema", "params", "state_dict"])
def test_public_a2n_weights_load_by_their_names(tmp_path: Path, wrapper: str | None) -> None:
    # The names as the authors' files have them, not as this class happens to; half precision and DataParallel's prefix.
    convs = ["conv_first", "trunk_conv", "upconv1", "att1.conv", "HRconv1", "upconv2", "att2.conv", "HRconv2"]
    biased = [*convs, "conv_last", "AAB_trunk.0.attention.k2"]
    parts = ("conv_first", "ADM.0", "ADM.2", "attention.k1", "attention.k3", "attention.k4", "non_attention")
    plain = [f"AAB_trunk.0.{part}" for part in (*parts, "conv_last")]
    names = {f"{name}.{kind}" for name in biased for kind in ("weight", "bias")} | {f"{n}.weight" for n in plain}
    model = A2N(scale=4, num_blocks=1)
    state = {f"module.{name}": value.half() for name, value in model.state_dict().items() if name in names}
    torch.save({wrapper: state} if wrapper else state, tmp_path / "theirs.pth")
    loaded = zoo.load(tmp_path / "theirs.pth")
    x = torch.rand(1, 3, 9, 8)
    assert torch.equal(loaded(x), model.half().float().eval()(x))


def test_a_x4_network_starts_from_x2_weights() -> None:
    small, large = A2N(scale=2, num_blocks=2), A2N(scale=4, num_blocks=2)
    stayed = zoo.load_matching(large, small.state_dict())
    assert stayed == [name for name in large.state_dict() if name.startswith(("upconv2", "att2", "HRconv2"))]
    assert torch.equal(large.upconv1.weight, small.upconv1.weight)
    with pytest.raises(zoo.WeightsError, match="another network"):
        zoo.load_matching(large, SRResNet(scale=4).state_dict())


def test_self_ensemble_is_the_mean_of_eight_and_blind_to_turns() -> None:
    torch.manual_seed(0)
    model = inference.network_model(SRResNet(scale=2, channels=8, num_blocks=1), name="net")
    both = inference.self_ensemble(model)
    x = torch.rand(1, 3, 7, 9)
    assert both.name == "net+"
    assert torch.allclose(both(x.flip(-1)).flip(-1), both(x), atol=1e-6)
    assert torch.allclose(both(x.mT).mT, both(x), atol=1e-6)
    by_hand = (
        model(x) + model(x.flip(-1)).flip(-1) + model(x.flip(-2)).flip(-2) + model(x.rot90(2, (2, 3))).rot90(2, (2, 3))
    )
    by_hand = by_hand + (model(x.mT).mT + model(x.mT.flip(-1)).flip(-1).mT + model(x.mT.flip(-2)).flip(-2).mT)
    by_hand = by_hand + model(x.mT.rot90(2, (2, 3))).rot90(2, (2, 3)).mT
    assert torch.allclose(both(x), by_hand / 8, atol=1e-6)
    grey = torch.randint(0, 256, (1, 3, 6, 6), dtype=torch.uint8)
    assert inference.self_ensemble(inference.interpolator("bicubic", 2))(grey).dtype == torch.float32


def test_upscale_takes_what_read_gives() -> None:
    model = inference.interpolator("bicubic", 2)
    x = torch.rand(1, 3, 5, 6)
    made = inference.upscale(image.Picture(x, x[:, :1], 16, grey=False), model)
    assert torch.equal(made.rgb, model(x).clamp(0, 1)) and (made.bits, made.grey) == (16, False)
    assert made.alpha is not None and torch.equal(made.alpha, made.rgb[:, :1])
    with pytest.raises(TypeError, match=r"model\(tensor\) is the enlargement"):
        inference.upscale(x, model)  # type: ignore[arg-type]


def test_a_model_in_bf16_gives_nearly_the_same_float32() -> None:
    network = zoo.load("srcnn", scale=3)
    x = torch.rand(1, 3, 20, 30)
    exact = inference.network_model(network, name="srcnn")(x)
    fast = inference.network_model(network, name="srcnn", precision="bf16")(x)
    assert fast.dtype == torch.float32
    assert not torch.equal(fast, exact)
    assert 10 * torch.log10((fast - exact).square().mean()) < -45  # dB: far below any network's own error
