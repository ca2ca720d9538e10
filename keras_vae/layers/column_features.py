"""What an encoder sees of the rows of a table."""

import keras
import numpy as np
import tensorflow as tf

from keras_vae.datasets.column_tables import ColumnTables
from keras_vae.datasets.table_schema import as_schema


@keras.saving.register_keras_serializable(package="keras_vae")
class ColumnFeatures(keras.layers.Layer):
    """Rows of a table as an encoder sees them: the preparation, kept with the model.

    ```
    a category, a boolean, numbers with few values     one-hot
    other numbers                                      Phi^-1(F(x)): normal scores
    a number that is missing                           0, and the flag says so
    ```

    F is the distribution of the training rows, between its quantiles a straight line,
    so that outliers and heavy tails come no further out than their rank takes them. It
    is built of operators that TFLite has built in.

    Args:
        schema: `keras_vae.datasets.TableSchema`, or what its `to_json` gives.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, num_columns)`.

    Output shape:
        `(batch, num_features)`: one for each number, and for each other column as many
        as it has values.

    Raises:
        ValueError: If `schema` is neither.

    Example:

    >>> import pandas
    >>> from keras_vae.datasets import TableSchema
    >>> frame = pandas.DataFrame({"age": range(0, 300, 3), "sex": ["f", "m"] * 50})
    >>> schema = TableSchema.find(frame, kinds={"age": "count"})
    >>> x = schema.encode(frame[50:51])
    >>> x.tolist(), ColumnFeatures(schema)(x).numpy().round(1).tolist()
    ([[150.0, 0.0]], [[1.0, 0.0, 0.0]])

    Reference:
        Beasley, Erickson & Allison, "Rank-Based Inverse Normal Transformations are
        Increasingly Used, But are They Merited?" (2009), for the normal scores.
    """

    def __init__(self, schema, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.schema = as_schema(schema)
        self.tables = ColumnTables(self.schema.specification())
        self.built = True

    def call(self, x):
        tables = self.tables
        x = tf.convert_to_tensor(x, tf.float32)
        parts = []
        if len(tables.discrete):
            present = 1.0 - tables.missing(x, tables.discrete)
            found = tables.find_values(x) * present[..., tf.newaxis]
            used = np.flatnonzero(tables.values.reshape(-1) < 1e29)
            flat = tf.reshape(found, (-1, tables.values.size))
            parts.append(tf.gather(flat, used.astype("int32"), axis=-1))
        if len(tables.numbers):
            present = 1.0 - tables.missing(x, tables.numbers)
            parts.append(self._normal_scores(x) * present)
        return tf.concat(parts, axis=-1)

    def _normal_scores(self, x):
        tables = self.tables
        cells = tables.find_cells(x)
        low, high = (tables.of_cells(tables.edges, cells + i) for i in (0, 1))
        begin, end = (tables.of_cells(tables.places, cells + i) for i in (0, 1))
        share = (tf.gather(x, tables.numbers, axis=-1) - low) / (high - low)
        return begin + tf.clip_by_value(share, 0.0, 1.0) * (end - begin)

    def compute_output_shape(self, input_shape):
        width = int(self.tables.sizes.sum()) + len(self.tables.numbers)
        return (*input_shape[:-1], width)

    def get_config(self):
        return {**super().get_config(), "schema": self.schema.to_json()}
