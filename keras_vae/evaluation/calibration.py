"""Whether probabilities of classes are to be believed."""

import numpy as np

from keras_vae.arguments import check_integer


def calibration_error(probabilities, labels, num_bins=15):
    """Expected calibration error: how far confidence is from accuracy.

    ```
    ECE = sum_b (n_b / n) |accuracy_b - confidence_b|
    ```

    Examples are binned by their confidence, the probability of their most probable
    class, into `num_bins` intervals of equal width, `((b - 1) / B, b / B]`. 0 is
    perfect: of what is told with a confidence of 0.8, 80 % is right. It is an estimate,
    too large on average by chance alone where bins hold few examples.

    Args:
        probabilities: Array `(n, num_classes)`, rows that sum to 1.
        labels: Integers `(n,)`, the true classes.
        num_bins: Integer, B.

    Returns:
        Float, a share between 0 and 1; lower is better.

    Raises:
        ValueError: If the rows are no probabilities, or the labels no classes of them.

    Example:

    >>> probabilities = np.array([[0.8, 0.2]] * 10)
    >>> right = np.array([0] * 7 + [1] * 3)  # seven of ten
    >>> round(calibration_error(probabilities, right), 6)
    0.1

    Reference:
        Guo, Pleiss, Sun & Weinberger, "On Calibration of Modern Neural Networks"
        (2017), equation 3; Naeini, Cooper & Hauskrecht (2015).
    """
    num_bins = check_integer("num_bins", num_bins, minimum=1)
    probabilities = np.asarray(probabilities, "float64")
    labels = np.asarray(labels)
    if (
        probabilities.ndim != 2
        or not len(probabilities)
        or np.any(probabilities < 0)
        or np.any(np.abs(probabilities.sum(axis=1) - 1) > 1e-3)
    ):
        raise ValueError(
            "`probabilities` should be rows that sum to 1, of shape (n, num_classes). "
            f"Received: shape {probabilities.shape}"
        )
    num_classes = probabilities.shape[1]
    if (
        labels.shape != (len(probabilities),)
        or labels.dtype.kind not in "iu"
        or not np.all((labels >= 0) & (labels < num_classes))
    ):
        raise ValueError(
            f"`labels` should be {len(probabilities)} integers from 0 to "
            f"{num_classes - 1}. Received: shape {labels.shape}, dtype {labels.dtype}"
            + (f", {labels.min()} to {labels.max()}" if labels.size else "")
        )
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.ceil(confidence * num_bins).astype(int).clip(1, num_bins) - 1
    # n_b |accuracy - confidence| is the sum of the differences.
    gaps = np.bincount(bins, right - confidence, minlength=num_bins)
    return float(np.abs(gaps).sum() / len(labels))
