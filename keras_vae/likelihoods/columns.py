"""The likelihood of the rows of a table: one distribution for each column."""

import keras
import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.arguments import check_integer
from keras_vae.datasets.column_tables import ColumnTables
from keras_vae.datasets.table_schema import as_schema
from keras_vae.likelihoods.base import Likelihood, float32_parameters, noise_like
from keras_vae.likelihoods.soft_bound import soft_bound
from keras_vae.likelihoods.support import Support

# The places of a column's outermost edges: everything is between them.
FURTHEST = 1e4
# Log-scales of the logistic distributions, in units of a standard normal: from a tenth
# of a cell to more than all of them.
LOG_SCALE_RANGE = (-6.0, 3.0)
# They begin side by side, together about as wide as the standard normal.
INITIAL_LOG_SCALE, INITIAL_SPREAD = float(np.log(0.39)), 1.0
NOTHING = -1e9  # the logit of what is no value


class ColumnValues(Support):
    """The values that the columns of a table can have.

    Example:

    >>> import pandas
    >>> from keras_vae.datasets import TableSchema
    >>> schema = TableSchema.find(pandas.DataFrame({"sex": ["f", "m"] * 10}))
    >>> str(Columns(schema).support)
    'the values of the columns: sex'
    """

    kind = "columns"

    def __init__(self, tables):
        self.tables = tables

    def __str__(self):
        names = [column["name"] for column in self.tables.columns]
        more = ", …" if len(names) > 5 else ""
        return f"the values of the columns: {', '.join(names[:5])}{more}"

    def _contains(self, x):
        tables = self.tables
        parts = []
        if len(tables.discrete):
            parts.append(tf.reduce_sum(tables.find_values(x), axis=-1) > 0.5)
        if len(tables.numbers):
            numbers = tf.gather(x, tables.numbers, axis=-1)
            off = tf.abs(numbers - tf.round(numbers)) * tables.of_numbers("counts")
            parts.append(off <= 1e-3)
        return tf.gather(tf.concat(parts, axis=-1), tables.order, axis=-1)

    def _mend(self, x, name):
        return f"schema.encode(frame) in place of {name}, with the schema of the model"


@keras.saving.register_keras_serializable(package="keras_vae")
class Columns(Likelihood):
    """Rows of a table: a product with one distribution for each column.

    ```
    log p(x) = sum over columns j of log p_j(x_j), but of those that are missing
    categorical:  p_j = softmax(logits_j)                 over the column's values
    numbers:      p_j(x) = P_j(cell of x) / width of the cell
                  P_j(cell) = sum_k softmax(logits)_k (sigmoid((v - loc_k) / scale_k)
                                                     - sigmoid((u - loc_k) / scale_k))
    ```

    u and v are the places of the cell's edges in standard normal units (see
    `keras_vae.datasets.cells`): a mixture of logistic distributions where the column
    itself is about normal, whatever its shape in its own units. Numbers are explained
    by their density in their own units, counts by their probability. Beyond the range
    of the training rows, where as much probability is left as new rows have there, the
    density falls exponentially; draws stay within the range, and have the decimals that
    the column has.

    Of a column with missing values the next one is the flag, which has its own
    probability; where it is set, the value counts for nothing.

    The mean is the most probable value of a category, the expectation of a number.

    When to use it: for tables, whose columns are of several kinds. When not: for
    numbers that are all of one kind, where one formula says more with fewer parameters:
    pixels (`Bernoulli`), measurements that are about normal (`Gaussian`). It costs
    3 * num_components parameters for each number, and one for each value of the others.

    Args:
        schema: `keras_vae.datasets.TableSchema` of the rows, or what its `to_json`
            gives.
        num_components: Integer, logistic distributions in the mixture of a number.
        name: Name of the layer.
        trainable: Without effect: there are no weights.

    Raises:
        ValueError: If an argument is not what it should be.

    Example:

    >>> import pandas
    >>> from keras_vae.datasets import TableSchema
    >>> frame = pandas.DataFrame({"sex": ["f", "m"] * 10})
    >>> likelihood = Columns(TableSchema.find(frame))
    >>> likelihood.parameter_shape((1,))
    (2,)
    >>> round(float(likelihood.log_prob([[1.0]], [[0.0, 0.0]])[0]), 4)
    -0.6931

    Reference:
        Salimans et al., "PixelCNN++" (2017), section 2.1, for the mixture; Xu et al.,
        "Modeling Tabular Data using Conditional GAN" (2019), section 4.2, for what
        tables need.
    """

    identifier = "columns"

    def __init__(self, schema, num_components=5, **kwargs):
        super().__init__(**kwargs)
        self.schema = as_schema(schema)
        self.tables = ColumnTables(self.schema.specification())
        self.columns = self.tables.columns
        self.num_components = check_integer("num_components", num_components, minimum=1)
        self.support = ColumnValues(self.tables)
        # Where in the parameters the logits of each discrete column are, and what of
        # each number: column after column. One beyond the last is no value.
        sizes, tables = self.tables.sizes, self.tables
        starts = np.cumsum([0, *sizes])
        self._num_logits = int(starts[-1])
        num = len(tables.numbers)
        self.num_parameters = self._num_logits + 3 * self.num_components * num
        width = tables.values.shape[1]
        logits = starts[:-1, None] + np.arange(width)
        is_value = np.arange(width) < sizes[:, None]
        self._logit_places = np.where(is_value, logits, self.num_parameters)
        self._logit_places = self._logit_places.astype("int32")
        self._set_densities()

    def _set_densities(self):
        """What log P(cell) lacks to be a log-density, and how it goes on outside."""
        tables = self.tables
        unit = np.where(tables.of_numbers("counts"), tables.of_numbers("step"), 1.0)
        width = np.diff(tables.edges.astype("float64"), axis=1)
        width = np.where(tables.edges[:, 1:] < 1e29, width, 1.0)
        log_density = -np.log(width / np.reshape(unit, (-1, 1)))
        cells, outside = tables.num_cells, tables.of_numbers("outside")
        rows = np.arange(len(cells))
        for end in (np.zeros_like(cells), cells - 1):
            log_density[rows, end] += np.log1p(-outside)
        self._log_density = log_density.astype("float32")
        scale = np.maximum(tables.of_numbers("scale"), 1e-6).astype("float64")
        ratio = unit / scale
        # Of counts the exponential's probability between two of them, at their middle.
        of_counts = np.log(-np.expm1(-ratio)) + ratio / 2
        tail = np.where(tables.of_numbers("counts"), of_counts, -np.log(scale))
        self._log_tail = (tail + np.log(outside)).astype("float32")
        self._tail_scale = scale.astype("float32")

    def get_config(self):
        return {
            **super().get_config(),
            "schema": self.schema.to_json(),
            "num_components": self.num_components,
        }

    def parameter_shape(self, data_shape):
        """Shape of the parameters of one row.

        Args:
            data_shape: `(num_columns,)`.

        Returns:
            `(num_parameters,)`: the logits of the discrete columns, column after
            column, then of all numbers the logits of the components, `num_components`
            of each, then so the locations, then so the log-scales.

        Raises:
            ValueError: If the data are no rows of these columns.
        """
        if tuple(data_shape) != (len(self.columns),):
            raise ValueError(
                f"`data_shape` should be ({len(self.columns)},), a value for each of "
                f"`schema`. Received: data_shape={tuple(data_shape)}"
            )
        return (self.num_parameters,)

    def probabilities(self, parameters, column):
        """Probability of each value, or of each cell, of one column.

        Args:
            parameters: Tensor `(batch, num_parameters)`.
            column: Integer, its place in x.

        Returns:
            float32 tensor `(batch, m)`: of a discrete column in the order of its
            `values`, of a number in that of its cells, from the smallest to the
            largest.

        Example:

        >>> import pandas
        >>> from keras_vae.datasets import TableSchema
        >>> frame = pandas.DataFrame({"sex": ["f", "m"] * 10})
        >>> likelihood = Columns(TableSchema.find(frame))
        >>> likelihood.probabilities([[0.0, 0.0]], 0).numpy().tolist()
        [[0.5, 0.5]]
        """
        (parameters,) = self._split(parameters)
        tables = self.tables
        if "values" in self.columns[column]:
            row = int(np.flatnonzero(tables.discrete == column)[0])
            log_probs = self._log_shares(parameters)[:, row, : tables.sizes[row]]
            return tf.exp(log_probs)
        row = int(np.flatnonzero(tables.numbers == column)[0])
        return self._cell_probs(parameters)[:, row, : tables.num_cells[row]]

    def squared_errors(self, x, mean):
        """How far each value is from its mean, squared, in units that compare.

        Args:
            x: Tensor `(batch, num_columns)`.
            mean: As `mean` returns it.

        Returns:
            float32 tensor `(batch, num_columns)`: of numbers in squared standard
            deviations of the column, of categories 1 for another one than the most
            probable; 0 for what is missing.
        """
        x, mean = (tf.cast(tf.convert_to_tensor(t), tf.float32) for t in (x, mean))
        tables = self.tables
        errors = tf.square((x - mean) / tables.spreads)
        differ = tf.cast(tf.abs(x - mean) > 0.5, tf.float32)
        errors = tables.is_nominal * differ + (1.0 - tables.is_nominal) * errors
        return errors * (1.0 - tables.missing(x, np.arange(len(self.columns))))

    def standardized(self, x):
        """Rows with each value in standard deviations from the middle of its column.

        Args:
            x: Array `(n, num_columns)`.

        Returns:
            NumPy array `(n, num_columns)`.
        """
        return (np.asarray(x) - self.tables.middles) / self.tables.spreads

    @property
    def vocabulary(self):
        """What each value of x is, in words: a list of dictionaries, for JSON.

        `name`, `kind`; `values` of categories, the words of 0, 1, ...; of numbers
        `decimals`; and what x is counted from, `origin`, of dates in their `unit` since
        1970.
        """
        return self.schema.vocabulary()

    # The parts of the parameters.

    def _split(self, parameters):
        parameters = float32_parameters(parameters)
        if parameters.shape.rank != 2 or parameters.shape[-1] != self.num_parameters:
            raise ValueError(
                f"`parameters` should have shape (batch, {self.num_parameters}). "
                f"Received: shape {tuple(parameters.shape)}"
            )
        return [parameters]

    def _prepare(self, x, parameters):
        blocks = self._split(parameters)
        x = tf.cast(tf.convert_to_tensor(x), tf.float32)
        width = len(self.columns)
        # As many rows as there are parameters.
        zeros = tf.zeros_like(blocks[0][:, :1]) + tf.zeros((width,))
        if not x.shape.is_compatible_with(zeros.shape):
            raise ValueError(
                f"`x` should have shape {tuple(zeros.shape)}, a value for each of "
                f"`schema`. Received: x.shape={tuple(x.shape)}"
            )
        inside = self.support.contains(x)
        x = tf.raw_ops.Select(condition=inside, x=x, y=zeros)
        return x, blocks, inside

    def _log_shares(self, parameters):
        """log p of each value of discrete columns, `(batch, num_discrete, most)`."""
        nothing = tf.fill(tf.shape(parameters[:, :1]), NOTHING)
        filled = tf.concat([parameters, nothing], axis=-1)
        logits = tf.gather(filled, self._logit_places, axis=-1)
        return tf.nn.log_softmax(logits, axis=-1)

    def _mixture(self, parameters):
        """log of the weights, locs and scales: `(batch, num_numbers, components)`."""
        shape = (-1, 3, len(self.tables.numbers), self.num_components)
        parts = tf.reshape(parameters[:, self._num_logits :], shape)
        logits, loc, log_scale = tf.unstack(parts, axis=1)
        scale = tf.exp(soft_bound(log_scale, *LOG_SCALE_RANGE))
        return tf.nn.log_softmax(logits, axis=-1), loc, scale

    @property
    def _ends(self):
        """Places of the edges of cells, the outermost ones as far as it goes."""
        places = self.tables.places.copy()
        places[:, 0] = -FURTHEST
        places[np.arange(places.shape[1]) >= self.tables.num_cells[:, None]] = FURTHEST
        return places

    def _cell_probs(self, parameters):
        """P(cell), `(batch, num_numbers, most_cells)`."""
        log_weights, loc, scale = self._mixture(parameters)
        loc, scale = loc[..., tf.newaxis], scale[..., tf.newaxis]
        below = tf.sigmoid((self._ends[:, tf.newaxis, :] - loc) / scale)
        weights = tf.exp(log_weights)[..., tf.newaxis]
        below = tf.reduce_sum(weights * below, axis=-2)
        return tf.nn.relu(below[..., 1:] - below[..., :-1])

    # What a likelihood is.

    def _value_log_prob(self, x, parameters):
        tables, parts = self.tables, []
        if len(tables.discrete):
            found = tables.find_values(x)
            log_shares = self._log_shares(parameters)
            log_probs = tf.reduce_sum(tf.where(found > 0.5, log_shares, 0.0), axis=-1)
            parts.append(log_probs)
        if len(tables.numbers):
            parts.append(self._number_log_prob(x, parameters))
        log_probs = tf.gather(tf.concat(parts, axis=-1), tables.order, axis=-1)
        return log_probs * (1.0 - tables.missing(x, np.arange(len(self.columns))))

    def _number_log_prob(self, x, parameters):
        tables = self.tables
        cells = tables.find_cells(x)
        ends = self._ends
        begin, end = (tables.of_cells(ends, cells + i)[..., None] for i in (0, 1))
        log_weights, loc, scale = self._mixture(parameters)
        # sigmoid(v) - sigmoid(u) = sigmoid(v) sigmoid(-u) (1 - exp(u - v)): no
        # difference of two numbers that are nearly alike.
        width = (end - begin) / scale
        log_cell = (
            tf.math.log_sigmoid((end - loc) / scale)
            + tf.math.log_sigmoid((loc - begin) / scale)
            + tf.math.log(-tf.math.expm1(-width))
        )
        log_cell = tf.reduce_logsumexp(log_weights + log_cell, axis=-1)
        numbers = tf.gather(x, tables.numbers, axis=-1)
        first = tables.edges[:, 0]
        last = tables.edges[np.arange(len(tables.numbers)), tables.num_cells]
        beyond = tf.nn.relu(first - numbers) + tf.nn.relu(numbers - last)
        inside = tables.of_cells(self._log_density, cells)
        tail = self._log_tail - beyond / self._tail_scale
        return log_cell + tf.where(beyond > 0, tail, inside)

    def _mean(self, parameters):
        tables, parts = self.tables, []
        if len(tables.discrete):
            shares = tf.exp(self._log_shares(parameters))
            values = np.where(tables.values < 1e29, tables.values, 0.0)
            likeliest = tf.argmax(shares, axis=-1, output_type=tf.int32)
            first = np.arange(len(values), dtype="int32") * values.shape[1]
            likeliest = tf.gather(values.reshape(-1), likeliest + first)
            expected = tf.reduce_sum(shares * values, axis=-1)
            nominal = tables.nominal.astype("float32")
            parts.append(nominal * likeliest + (1.0 - nominal) * expected)
        if len(tables.numbers):
            edges = np.where(tables.edges < 1e29, tables.edges, 0.0)
            middle = (edges[:, 1:] + edges[:, :-1]) / 2
            means = tf.reduce_sum(self._cell_probs(parameters) * middle, axis=-1)
            parts.append(self._in_range(means))
        return tf.gather(tf.concat(parts, axis=-1), tables.order, axis=-1)

    def _sample(self, parameters, seed):
        tables, parts = self.tables, []
        like = tf.zeros_like(parameters[:, :1]) + tf.zeros((len(self.columns),))
        which, place, within = tf.unstack(
            noise_like(noise.uniform, seed, like, num_draws=3)
        )
        if len(tables.discrete):
            which_value = tf.gather(which, tables.discrete, axis=-1)[..., tf.newaxis]
            ends = tf.cumsum(tf.exp(self._log_shares(parameters)), axis=-1)
            index = tf.reduce_sum(tf.cast(which_value > ends, tf.int32), axis=-1)
            index = tf.minimum(index, tables.sizes - 1)
            first = np.arange(len(tables.values), dtype="int32")
            first = first * tables.values.shape[1]
            parts.append(tf.gather(tables.values.reshape(-1), index + first))
        if len(tables.numbers):
            uniform = [
                tf.gather(u, tables.numbers, axis=-1) for u in (which, place, within)
            ]
            parts.append(self._sample_numbers(parameters, *uniform))
        return tf.gather(tf.concat(parts, axis=-1), tables.order, axis=-1)

    def _sample_numbers(self, parameters, which, place, within):
        tables = self.tables
        log_weights, loc, scale = self._mixture(parameters)
        ends = tf.cumsum(tf.exp(log_weights), axis=-1)[..., :-1]
        above = tf.cast(which[..., tf.newaxis] > ends, tf.float32)
        # Of the components one: above all ends before its own.
        ones = tf.ones_like(above[..., :1])
        chosen = tf.concat([ones, above], -1) - tf.concat([above, 0.0 * ones], -1)
        loc, scale = (tf.reduce_sum(chosen * t, axis=-1) for t in (loc, scale))
        place = loc + scale * (tf.math.log(place) - tf.math.log(1.0 - place))
        cells = tables.cells_below(place, self._ends[:, 1:-1])
        low, high = (tables.of_cells(tables.edges, cells + i) for i in (0, 1))
        return self._in_range(low + within * (high - low), exact=True)

    def _in_range(self, numbers, exact=False):
        """Numbers within the range of the training rows, with their decimals."""
        tables = self.tables
        low, high, step = (tables.of_numbers(n) for n in ("low", "high", "step"))
        if exact:
            # Where a float32 has so many digits; the schema rounds the others.
            span = np.maximum(np.abs(low), np.abs(high))
            per = np.where(step > 0, 1.0 / np.where(step > 0, step, 1.0), 0.0)
            is_fine = (step > 0) & (span * per < 2**22)
            per = np.where(is_fine, per, 1.0).astype("float32")
            rounded = tf.round(numbers * per) / per
            numbers = tf.where(is_fine, rounded, numbers)
        return tf.clip_by_value(numbers, low, high)

    def initial_bias(self, data_mean=None):
        """Decoder output bias with which p(x|z) is the distribution of each column.

        Args:
            data_mean: Without effect: `schema` says more of the data.

        Returns:
            float32 array `(num_parameters,)`: categories have their frequencies, and
            numbers are about normal in their own standard normal units.
        """
        num, components = len(self.tables.numbers), self.num_components
        frequencies = [self.columns[i]["frequencies"] for i in self.tables.discrete]
        logits = [np.log(np.maximum(f, 1e-6)) for f in frequencies]
        spread = INITIAL_SPREAD if components > 1 else 0.0
        locs = np.linspace(-spread, spread, components)
        parts = [
            *logits,
            np.zeros(num * components),
            np.tile(locs, num),
            np.full(num * components, INITIAL_LOG_SCALE),
        ]
        return np.concatenate(parts).astype("float32")
