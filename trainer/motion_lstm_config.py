"""How the LSTM on the motion signal looks and learns."""

from dataclasses import dataclass

from preprocess.failures import UsageError
from trainer.config import Learning


@dataclass(frozen=True)
class LstmConfig:
    """Its settings; `window` is how many values of the signal it looks at."""

    window: int = 119  # the motions between the 120 frames of a clip: 4 s at 30 frames a second
    layers: int = 2
    hidden_units: int = 32
    max_steps: int = 1000
    batch_size: int = 100
    learning_rate: float = 1e-3
    class_weights: str = 'balanced'
    seed: int = 0

    def __post_init__(self) -> None:
        if self.window < 2:
            raise UsageError(f'{self.window} is too short', where='--window', do='give 2 values or more')
        self.learning()

    def learning(self) -> Learning:
        """As the trainer of all heads takes it."""
        return Learning(
            head='lstm',
            window=self.window,
            layers=self.layers,
            hidden_units=self.hidden_units,
            max_steps=self.max_steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            class_weights=self.class_weights,
            dropout=0.0,
            seed=self.seed,
        )

    def valid(self, frames: int) -> range:
        """The frames it answers for: those with a whole window of motion before them."""
        return range(min(self.window, frames), frames)
