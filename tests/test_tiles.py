"""Tiles: their geometry by hand, and that they give what the whole picture gives, or say that they do not."""

import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from srlib import memory, piecewise, tiles
from srlib.blending import back_projected, blend
from srlib.inference import Model, interpolator, network_model, self_ensemble
from srlib.models import A2N, SRCNN, RRDBNet, SRResNet
from srlib.tiles import Box

CPU = torch.device("cpu")


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (64, 64), (61, 130)])
@pytest.mark.parametrize(("side", "shrink"), [(1, 1), (16, 1), (33, 1), (16, 4), (30, 4), (3, 4)])
def test_tiles_fill_a_picture_once_and_begin_at_multiples(size: tuple[int, int], side: int, shrink: int) -> None:
    count = torch.zeros(size)
    for box in tiles.cut(Box(0, size[0], 0, size[1]), side, shrink):
        count[box.rows, box.columns] += 1
        assert max(box.height, box.width) <= max(side, shrink)
        assert box.top % shrink == box.left % shrink == 0
    assert torch.equal(count, torch.ones(size))


def test_what_a_tile_reads_and_what_it_costs_by_hand() -> None:
    assert tiles.grown(Box(10, 20, 0, 10), 3, (22, 40)) == Box(7, 22, 0, 13)
    assert tiles.grown(Box(12, 20, 8, 16), 3, (23, 40), 4) == Box(8, 23, 4, 20)
    assert Box(12, 20, 8, 16).inside(Box(8, 23, 4, 20)).times(2) == Box(8, 24, 8, 24)
    four = tiles.cut(Box(0, 100, 0, 100), 50)
    assert [(box.top, box.left) for box in four] == [(0, 0), (0, 50), (50, 0), (50, 50)]
    assert tiles.work(four, 25, (100, 100)) == 4 * 75**2 / 100**2
    assert tiles.work(four, 0, (100, 100)) == 1


def test_the_largest_tiles_that_fit_or_pay() -> None:
    assert tiles.fitting((300, 200), 60_000, 40) is None  # all of it
    assert tiles.fitting((4000, 6000), 1_000_000, 100) == 1000 - 2 * 100
    assert tiles.fitting((100, 9000), 40_000, 50) == 400 - 2 * 50  # strips of the whole short side
    assert tiles.fitting((9000, 9000), 10_000_000, 10) == 512  # larger ones spare nothing
    assert tiles.fitting((9000, 9000), 25_000_000, 40) == 21 * 40
    assert tiles.fitting((1024, 1024), 10_000_000, 12) is None
    assert tiles.fitting((1024, 1025), 10_000_000, 12) == 512  # they cost next to nothing
    assert tiles.fitting((1024, 1025), 10_000_000, 13) is None
    assert tiles.fitting((4000, 6000), 40_000, 349) == 349 // 2  # told to be dear: (1 + 4)² times the work
    assert tiles.fitting((4000, 6000), 2_000, 40) == 32  # nor smaller than that
    assert tiles.fitting((512, 512), 260_000, 349) is None  # tiles of 174 would read all of it
    assert tiles.fitting((873, 512), 260_000, 349) == 174


def test_free_memory_bounds_the_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network_model(RRDBNet(channels=64, growth=32, num_blocks=23), name="net")
    assert model.halo == 349
    per_pixel = 4 * (64 + 2 * (64 + 4 * 32) + 6 * 4**2)
    assert model.memory == per_pixel
    for side in (1000, 2000):
        room = 2 * (per_pixel * (side + 2 * 349) ** 2 + piecewise.HIDDEN)
        monkeypatch.setattr(memory, "available", lambda device, room=room: room)
        assert piecewise.side(model, (4000, 6000)) == side
        assert piecewise.side(model, (side, side)) is None
    monkeypatch.setattr(memory, "available", lambda device: piecewise.HIDDEN)
    assert piecewise.side(model, (200, 200)) is None  # some room is left even there
    assert piecewise.side(model.tiled(77, None), (4000, 6000)) == 77


def test_free_memory_is_the_least_of_machine_and_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    5000 kB\nHugePages_Total: 0\n")
    assert memory.available(CPU) == 5000 * 1024
    for name, text in (("max", "3000000"), ("current", "2000000"), ("stat", "anon 7\ninactive_file 500000\n")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert memory.available(CPU) == 1_500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available(CPU) == 5000 * 1024
    (tmp_path / "meminfo").write_text("nothing\n")
    assert memory.available(CPU) == memory.UNKNOWN


def test_other_systems_tell_their_free_memory_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = memory.available(CPU)
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "not Linux")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.available(CPU) == pytest.approx(told, rel=0.2)
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 9 << 30)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 2 << 30)
    assert memory.available(torch.device("mps")) == 7 << 30
    assert memory.available(torch.device("meta")) == memory.UNKNOWN


def test_every_system_says_in_its_own_words_that_memory_is_full() -> None:
    for words in (
        "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
        "allocate 9 bytes. Error code 12 (Cannot allocate memory)",
        "[enforce fail at alloc_cpu.cpp:72] data. DefaultCPUAllocator: not enough memory: you tried to "
        "allocate 9 bytes.",
        "MPS backend out of memory (MPS allocated: 1.00 GB, other allocations: 2.00 GB, max allowed: 3.00 GB).",
    ):
        assert memory.out_of_memory(RuntimeError(words))
    assert not memory.out_of_memory(RuntimeError("the size of tensor a must match"))


def test_the_pictures_of_a_batch_share_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    bicubic, calls = interpolator("bicubic", 2), []
    monkeypatch.setattr(memory, "available", lambda device: 8 * 1000 * 100**2)  # room for 100 x 100 pixels

    def run(lr: Tensor) -> Tensor:
        calls.append(lr.shape)
        return bicubic.run(lr)

    model = dataclasses.replace(bicubic, run=run, memory=1000)
    pictures = torch.rand(2, 3, 90, 90)
    alone = [model(picture[None]) for picture in pictures]
    assert len(calls) == 2
    assert torch.allclose(model(pictures), torch.cat(alone), atol=1e-6)
    assert len(calls) == 2 + 4


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "srcnn x3": lambda: SRCNN(scale=3, channels=(8, 4)),
    "srresnet x4": lambda: SRResNet(scale=4, channels=4, num_blocks=2),
    "rrdbnet x4": lambda: RRDBNet(scale=4, channels=4, growth=2, num_blocks=1, init_scale=1),
    "rrdbnet x2": lambda: RRDBNet(scale=2, channels=4, growth=2, num_blocks=1, init_scale=1),
}


def _network(name: str) -> nn.Module:
    torch.manual_seed(0)
    network = NETWORKS[name]().eval()
    last = network.reconstruct if isinstance(network, SRCNN) else network.conv_last
    nn.init.constant_(last.bias, 0.5)  # so that little is clipped
    nn.init.normal_(last.weight, std=0.1)
    return network


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("size", "tile"), [((1, 1), 2), ((7, 5), 4), ((1023, 257), 200)])
@torch.no_grad()
def test_tiles_give_the_whole_picture(name: str, size: tuple[int, int], tile: int) -> None:
    network, lr = _network(name), torch.rand(1, 3, *size)
    whole = network(lr).clamp(0, 1)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*seams they differ")
        warnings.filterwarnings("ignore", message=".*times the work")
        made = network_model(network, name="net").tiled(tile, None)(lr)
    assert (made - whole).abs().max() < 1e-5
    assert size == (1, 1) or whole.std() > 0.005


@pytest.mark.parametrize("name", ["srresnet x4", "rrdbnet x4", "rrdbnet x2"])
def test_less_overlap_than_the_network_sees_is_measured_and_told(name: str) -> None:
    network, lr = _network(name), torch.rand(1, 3, 64, 96)
    model, scale = network_model(network, name="net"), int(network.scale)
    with pytest.warns(UserWarning, match="at their seams they differ by at most") as caught:
        made = model.tiled(48, 4)(lr)
    whole = model(lr)
    assert (made - whole).abs().max() > 1e-4
    parts = {  # (rows, columns) kept -> what the network alone makes of 4 pixels more on each side
        (top, left): model.run(lr[..., max(top - 4, 0) : top + 36, max(left - 4, 0) : left + 52])
        for top in (0, 32)
        for left in (0, 48)
    }
    four = 4 * scale
    above = [parts[32, left][..., four - scale : four, :] for left in (0, 48)]
    above_kept = [parts[0, left][..., 31 * scale : 32 * scale, :] for left in (0, 48)]
    across = [parts[top, 48][..., four - scale : four] for top in (0, 32)]
    across_kept = [parts[top, 0][..., 47 * scale : 48 * scale] for top in (0, 32)]
    rows = {0: slice(0, 32 * scale), 32: slice(four, four + 32 * scale)}
    columns = {0: slice(0, 48 * scale), 48: slice(four, four + 48 * scale)}
    differences = [
        *(
            (a[..., columns[k]] - b[..., columns[k]]).abs().max()
            for k, a, b in zip((0, 48), above, above_kept, strict=True)
        ),
        *(
            (a[..., rows[k], :] - b[..., rows[k], :]).abs().max()
            for k, a, b in zip((0, 32), across, across_kept, strict=True)
        ),
    ]
    told = float(str(caught[-1].message).split("at most ")[1].split()[0])
    assert told == pytest.approx(255 * float(max(differences)), abs=0.006)


def test_a_network_that_looks_at_all_of_a_picture_says_so_in_tiles() -> None:
    torch.manual_seed(0)
    network, lr = A2N(scale=2, num_blocks=2), torch.rand(1, 3, 40, 40)
    lr[..., 20:] *= 0.1
    model = network_model(network, name="a2n")
    assert (model.halo, model.exact) == (1 + 2 * 2 + 1 + 3, False)
    with pytest.warns(UserWarning, match="a2n looks at the whole picture at once, .* differ by at most") as caught:
        tiled = model.tiled(20, None)(lr)
    told = float(str(caught[-1].message).split("at most ")[1].split()[0])
    difference = 255 * float((tiled - model(lr)).abs().max())
    assert 0 < difference < 5
    assert told < 2 * difference + 0.01


def _as_made(model: Model, lr: Tensor, tile: int) -> float:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*seams")
        warnings.filterwarnings("ignore", message=".*times the work")
        return float((model.tiled(tile, None)(lr).float() - model(lr).float()).abs().max())


@pytest.mark.parametrize("name", NETWORKS)
def test_ensemble_back_projection_and_blends_in_tiles(name: str) -> None:
    model, lr = network_model(_network(name), name="net"), torch.rand(1, 3, 61, 43)
    other = interpolator("bicubic", model.scale)
    for more in (self_ensemble(model), back_projected(model, 2), blend(model, other, 0.3)):
        assert _as_made(more, lr, 20) < 1e-5
    assert _as_made(back_projected(self_ensemble(model), 1), lr, 30) < 1e-5


@pytest.mark.parametrize("kernel", ["nearest", "bicubic", "lanczos3"])
def test_the_classical_ones_in_tiles(kernel: str) -> None:
    lr = torch.rand(1, 3, 47, 31)
    for scale in (2, 3, 4):
        assert _as_made(interpolator(kernel, scale), lr, 9) < 1e-6  # type: ignore[arg-type]
        assert _as_made(interpolator(kernel, scale), (255 * lr).round().byte(), 9) == 0  # type: ignore[arg-type]


def _narrow(model: Model, most: int, seen: list[int]) -> Model:
    """A model on a device that has no room for more than so many LR pixels."""

    def run(lr: Tensor) -> Tensor:
        seen.append(lr.shape[2] * lr.shape[3])
        if seen[-1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return model.run(lr)

    return dataclasses.replace(model, run=run)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("tile", [None, 100])
def test_without_room_the_tiles_are_halved_and_nothing_is_missing(name: str, tile: int | None) -> None:
    model, lr, seen = network_model(_network(name), name="net"), torch.rand(1, 3, 100, 240), list[int]()
    room = (34 + 2 * model.halo) ** 2
    narrow = _narrow(model, room, seen)
    with pytest.warns(UserWarning, match="no room for") as caught:
        made = narrow.tiled(tile, None)(lr)
    assert torch.allclose(made, model(lr), atol=1e-5)
    told = [str(w.message) for w in caught if "no room" in str(w.message)]
    assert told[0].startswith("cpu has no room for 100 x ")
    assert len(told) == sum(pixels > room for pixels in seen) > 0


def test_without_room_for_the_smallest_nothing_is_made() -> None:
    model, seen = network_model(_network("srresnet x4"), name="net"), list[int]()
    with warnings.catch_warnings(), pytest.raises(MemoryError, match=r"cpu has no room .* by net, with 12 more"):
        warnings.simplefilter("ignore")
        _narrow(model, 100, seen)(torch.rand(1, 3, 100, 60))
    assert len(seen) == 3  # 100 x 60, then tiles of 50 and of 32

    def broken(lr: Tensor) -> Tensor:
        raise RuntimeError("another error")

    with pytest.raises(RuntimeError, match="another error"):
        dataclasses.replace(model, run=broken)(torch.rand(1, 3, 8, 8))


class Spoilt(SRResNet):
    """Gives no picture in half precision."""

    value = float("nan")

    def tail(self, lr: Tensor, features: Tensor) -> Tensor:
        made = super().tail(lr, features)
        return made * self.value if torch.is_autocast_enabled("cpu") else made


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_what_half_precision_spoils_is_made_again(value: float) -> None:
    torch.manual_seed(0)
    network, lr = Spoilt(scale=2, channels=4, num_blocks=1), torch.rand(1, 3, 12, 9)
    nn.init.constant_(network.conv_last.bias, 0.5)
    network.value = value
    exact = network_model(network, name="net")(lr)
    with pytest.warns(UserWarning, match="net in bf16 gave no picture somewhere: made again in fp32"):
        made = network_model(network, name="net", precision="bf16")(lr)
    assert torch.equal(made, exact)
    assert exact.std() > 0.001
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network.value = 1.0
        assert not torch.equal(network_model(network, name="net", precision="bf16")(lr), exact)


def test_black_of_black_is_no_error() -> None:
    network = RRDBNet(scale=4, channels=4, growth=2, num_blocks=1)  # whose biases are 0
    nn.init.zeros_(network.conv_first.bias)
    for layer in (network.conv_body, network.conv_up1, network.conv_up2, network.conv_hr, network.conv_last):
        nn.init.zeros_(layer.bias)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = network_model(network, name="net", precision="bf16")(torch.zeros(1, 3, 9, 9))
    assert not made.any()


def test_overlaps_that_cost_much_are_told() -> None:
    model, lr = network_model(_network("srresnet x4"), name="net"), torch.rand(1, 3, 48, 48)
    with pytest.warns(UserWarning, match=r"tiles of 8 that overlap by 12 pixels, all that net sees, make 11\.1 times"):
        model.tiled(8, None)(lr)
    reads = [min(8 * k + 20, 48) - max(8 * k - 12, 0) for k in range(6)]
    assert round((sum(reads) / 48) ** 2, 1) == 11.1
    for wrong, why in (((0, None), "tile is 0"), ((None, 0), "overlap is 0: at least 1 pixel")):
        with pytest.raises(ValueError, match=why):
            model.tiled(*wrong)
