"""Losses against hand arithmetic."""

import torch

from srlib.losses import charbonnier, l1, mse


def test_by_hand() -> None:
    sr, hr = torch.tensor([0.0, 0.3, 1.0, 0.5]), torch.tensor([0.0, 0.0, 0.6, 0.5])
    assert torch.allclose(mse(sr, hr), torch.tensor((0.09 + 0.16) / 4))
    assert torch.allclose(l1(sr, hr), torch.tensor(0.7 / 4))
    # sqrt(0 + 1e-4) twice, sqrt(0.09 + 1e-4), sqrt(0.16 + 1e-4)
    assert torch.allclose(charbonnier(sr, hr, eps=0.01), torch.tensor((0.02 + 0.30016662 + 0.40012498) / 4))


def test_charbonnier_is_square_near_nought_and_absolute_far_away() -> None:
    x = torch.tensor([1e-5, -0.7], requires_grad=True)
    for value in x:
        charbonnier(value[None], torch.zeros(1)).backward()
    assert x.grad is not None
    assert torch.allclose(x.grad, torch.tensor([0.01, -1.0]), atol=1e-4)  # x / eps there, the sign here
