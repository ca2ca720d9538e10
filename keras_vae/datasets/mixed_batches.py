"""Batches of which a stated share has labels."""

import keras
import numpy as np

from keras_vae.arguments import check_integer


class MixedBatches(keras.utils.PyDataset):
    """Batches of examples with labels and without, in a stated proportion.

    An epoch goes once through the examples without a label, in another order each time.
    Those with one come again and again, all of them before any comes twice. What a
    batch holds follows from the seed, the epoch and its number alone.

    Args:
        x: Array `(n, *data_shape)`.
        labels: Integers `(n,)`, -1 where there is no label.
        batch_size: Integer, of both together; the last batch of an epoch has fewer
            without a label.
        labelled_share: Number between 0 and 1, the share of a batch that has labels; at
            least one example of either kind is in each.
        standard_deviation: Array of the shape of x, or `None`: each time an example is
            used, normal noise of this standard deviation is added to it. With z_mean
            as x and exp(z_log_var / 2) here, codes are drawn anew each time.
        seed: Integer >= 0.
        first_epoch: Integer, for a training that goes on where it was stopped.
        name: What the labels are called in a batch, `{"x": ..., name: ...}`.

    Raises:
        ValueError: If no example has a label, or all have one; for arguments that are
            out of their range.

    Example:

    >>> x = np.arange(10.0)[:, None]
    >>> labels = np.array([0, 1] + 8 * [-1])
    >>> batches = MixedBatches(x, labels, batch_size=6, labelled_share=0.4)
    >>> len(batches), sorted(batches[0]["condition"].tolist())
    (2, [-1, -1, -1, -1, 0, 1])

    Reference:
        Kingma, Rezende, Mohamed & Welling, "Semi-supervised Learning with Deep
        Generative Models" (2014), section 3.
    """

    def __init__(
        self,
        x,
        labels,
        batch_size=128,
        labelled_share=0.5,
        *,
        standard_deviation=None,
        seed=0,
        first_epoch=0,
        name="condition",
    ):
        super().__init__()
        self.x, self.labels = np.asarray(x), np.asarray(labels)
        self.standard_deviation, self.name = standard_deviation, name
        if self.labels.shape != (len(self.x),) or self.labels.dtype.kind not in "iu":
            raise ValueError(
                "`labels` should be integers, one for each of the "
                f"{len(self.x)} examples. Received: shape {self.labels.shape}, dtype "
                f"{self.labels.dtype}"
            )
        batch_size = check_integer("batch_size", batch_size, minimum=2)
        if not 0 < labelled_share < 1:
            raise ValueError(
                "`labelled_share` should be a number between 0 and 1. Received: "
                f"labelled_share={labelled_share!r}"
            )
        self.seed = check_integer("seed", seed, minimum=0)
        self.epoch = check_integer("first_epoch", first_epoch, minimum=0)
        self._orders = {}
        self.labelled = np.flatnonzero(self.labels >= 0)
        self.others = np.flatnonzero(self.labels < 0)
        for rows, words in ((self.labelled, "a label"), (self.others, "no label, -1")):
            if not len(rows):
                raise ValueError(
                    f"`labels` should leave examples with {words}. Received: none"
                )
        share = round(labelled_share * batch_size)
        self.num_labelled = min(max(share, 1), batch_size - 1)
        self.num_others = batch_size - self.num_labelled

    def __len__(self):
        return -(-len(self.others) // self.num_others)

    @property
    def num_batches(self):
        return len(self)

    def __getitem__(self, index):
        start = index * self.num_others
        order = self._shuffled(self.others, 0, self.epoch)
        others = order[start : start + self.num_others]
        # All rounds through the labels, one after another over all epochs.
        first = (self.epoch * len(self) + index) * self.num_labelled
        places = np.arange(first, first + self.num_labelled)
        rounds, places = np.divmod(places, len(self.labelled))
        labelled = [
            self._shuffled(self.labelled, 1, turn)[places[rounds == turn]]
            for turn in np.unique(rounds)
        ]
        rows = np.concatenate([*labelled, others])
        x = self.x[rows]
        if self.standard_deviation is not None:
            rng = np.random.default_rng([self.seed, 2, self.epoch, index])
            noise = rng.standard_normal(x.shape, "float32")
            x = x + self.standard_deviation[rows] * noise
        return {"x": x, self.name: self.labels[rows].astype("int32")}

    def on_epoch_end(self):
        self.epoch += 1

    def _shuffled(self, rows, use, turn):
        # All batches of an epoch ask for the same order: the last of each is kept.
        kept, order = self._orders.get(use, (None, None))
        if kept != turn:
            order = np.random.default_rng([self.seed, use, turn]).permutation(rows)
            self._orders[use] = turn, order
        return order


def hide_labels(labels, num_labels, seed=0):
    """Keeps a few labels, equally many of each class, and hides the others.

    Args:
        labels: Integers `(n,)` from 0, with -1 where there is none already.
        num_labels: Integer, how many to keep; where it is no multiple of the classes'
            number, the first classes get one more.
        seed: Integer >= 0, of the choice.

    Returns:
        Integers `(n,)`, -1 where the label is hidden.

    Raises:
        ValueError: If that is less than one for each class, or more than a class has.

    Example:

    >>> few = hide_labels(np.arange(60) % 3, num_labels=7)
    >>> [int((few == y).sum()) for y in (-1, 0, 1, 2)]
    [53, 3, 2, 2]

    Reference:
        Kingma, Rezende, Mohamed & Welling, "Semi-supervised Learning with Deep
        Generative Models" (2014), section 4.1, which chooses so.
    """
    labels = np.asarray(labels)
    classes = np.unique(labels[labels >= 0])
    num_labels = check_integer("num_labels", num_labels, minimum=1)
    if num_labels < len(classes):
        raise ValueError(
            f"`num_labels` should be {len(classes)} or more, one for each class. "
            f"Received: num_labels={num_labels}"
        )
    rng = np.random.default_rng(check_integer("seed", seed, minimum=0))
    few = np.full(len(labels), -1)
    for place, y in enumerate(classes):
        number = num_labels // len(classes) + (place < num_labels % len(classes))
        rows = np.flatnonzero(labels == y)
        if number > len(rows):
            raise ValueError(
                f"`num_labels` should take no more than there are of class {y}: "
                f"{len(rows)}. Received: num_labels={num_labels}"
            )
        few[rng.permutation(rows)[:number]] = y
    return few
