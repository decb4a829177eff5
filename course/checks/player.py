"""A network for checks of a game's step: how it is called can be read."""

from collections.abc import Callable

from torch import Tensor, nn

from course.checking import require


class Player(nn.Module):
    """A network of one weight that counts the gradients that reach it, and keeps its mode."""

    def __init__(self, name: str, weight: Tensor, function: Callable[[Tensor, Tensor], Tensor], training: bool) -> None:
        super().__init__()
        self.name, self.function = name, function
        self.weight = nn.Parameter(weight.clone())
        self.mode, self.calls, self.gradients = training, 0, 0
        self.train(training)
        self.weight.register_hook(self._note)

    def _note(self, gradient: Tensor) -> None:
        self.gradients += 1

    def keeps_its_mode(self) -> None:
        """Raises Wrong if the network was switched to the other mode."""
        require(
            self.training == self.mode,
            f"the {self.name} was switched with {'eval' if self.mode else 'train'}(), which says what batch norm does, "
            "and stops no gradient: leave the mode alone",
            expected=f"a {self.name} in the mode in which it came",
            got="the other mode",
        )
