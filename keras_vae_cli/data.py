"""A trained model, and the data that a command uses it on."""

import click
import numpy as np

from keras_vae_cli import arrays, report
from keras_vae_cli.package import import_keras_vae

# More dots on a page than these hide one another.
FIGURE_EXAMPLES = 2000


class Model:
    """The model of a run's directory or of a `.keras` file.

    Attributes:
        keras_vae: The package.
        vae: The `keras_vae.VAE`.
        run: The `keras_vae.runs.Run`, or `None` for a file alone.
    """

    def __init__(self, path):
        self.keras_vae = import_keras_vae()
        self.run = self.keras_vae.runs.Run(path) if path.is_dir() else None
        self.vae = self.keras_vae.load(path)
        arguments = self.run.batch_arguments if self.run else {}
        if self.vae.conditions and not arguments.get("condition"):
            names = ", ".join(map(repr, self.vae.conditions))
            hint = " but of a run's directory" if self.run is None else ""
            raise click.ClickException(
                f"The model at {path} takes conditions, {names}, which the command "
                f"line cannot give{hint}. In Python: keras_vae.load({str(path)!r})"
            )

    @property
    def feature_names(self):
        """Names of the columns of the table that the run was trained on, or `None`."""
        if self.schema is not None:
            return list(self.schema.feature_names)
        columns = self.run and (self.run.config.get("data") or {}).get("columns")
        return columns and [column["name"] for column in columns]

    @property
    def schema(self):
        """The `TableSchema` of a model of tables, or `None`."""
        return getattr(self.vae.likelihood, "schema", None)

    def write_rows(self, path, batches, num_rows, index=None):
        """Writes batches of x: of a table to a `.csv` the rows that they are.

        Args:
            path: Path.
            batches: Iterable of dictionaries of arrays, x (or what is like it) last.
            num_rows: Integer, of all batches.
            index: Names of the columns before x.
        """
        names = [*(index or ()), *(self.feature_names or ())]
        if path.suffix != ".csv" or self.schema is None:
            self.write(path, batches, num_rows, names if self.feature_names else None)
            return

        def frames():
            first_row = 0
            for batch in batches:
                *before, (_, x) = batch.items()
                frame = self.schema.decode(x, first_row=first_row)
                for place, (name, values) in enumerate(before):
                    frame.insert(place, name, values, allow_duplicates=True)
                first_row += len(frame)
                yield frame

        self.write_frames(path, frames())

    def write_frames(self, path, frames):
        """Writes data frames one after another; see `arrays.write_frames`."""
        arrays.write_frames(self.keras_vae.files, path, frames)

    def condition(self, label, num_rows):
        """What `sample` takes beside the number of samples.

        Args:
            label: Name of a label, or `None` for all of them in turn.
            num_rows: Integer.
        """
        if not self.vae.conditions:
            if label is not None:
                raise click.BadParameter(
                    "the model takes no condition: it was not trained as a "
                    "conditional_vae.",
                    param_hint="--condition",
                )
            return {}
        names = self.run.config["data"]["label_names"]
        if label is not None and label not in names:
            raise click.BadParameter(
                f"{label!r} is not one of the labels: {', '.join(names)}.",
                param_hint="--condition",
            )
        codes = range(len(names)) if label is None else [names.index(label)]
        return {"condition": np.resize(np.array(codes, "int32"), num_rows)}

    def open_dataset(self, source=None, data_dir=None):
        """Data for the model, and how their examples are made binary.

        Args:
            source: Name or path, or `None` for what the run was trained on.
            data_dir: Where tensorflow-datasets keeps its data.
        """
        with report.reading():
            if self.run is not None:
                data = self.run.dataset(source, data_dir=data_dir)
                return data, self.run.batch_arguments
            data = self.keras_vae.datasets.load(
                source,
                data_dir=data_dir,
                validation_fraction=0,
                test_fraction=0,
                like=_described(self.vae),
            )
            return data, {}

    def save(self, figure, path):
        """Writes a figure."""
        self.keras_vae.plots.save(figure, path)

    def write(self, path, batches, num_rows, columns=None):
        """Writes batches of named arrays; see `arrays.write`."""
        arrays.write(self.keras_vae.files, path, batches, num_rows, columns)


class Data(Model):
    """The model at a path, and the examples to use it on.

    Args:
        model: Path of a run's directory or of a `.keras` file.
        source: Name or path of data, or `None` for the run's own.
        split: Which part of the run's own data.
        data_dir: Where tensorflow-datasets keeps its data.
        batch_size: Examples computed at a time.

    Attributes:
        words: What the data are called.
        is_own: Whether they are the run's own.
        num_examples: Integer.
        labels: Array of the labels of all examples, once `batches` came to its end;
            `None` without labels.
    """

    def __init__(self, model, source, split, data_dir, batch_size):
        super().__init__(model)
        self.dataset, self.batch_arguments = self.open_dataset(source, data_dir)
        with report.reading():  # some data are read when a split is first used
            self.split = self.dataset.train if source else getattr(self.dataset, split)
        if self.split is None:
            raise click.UsageError(f"The run's data have no {split} split.")
        self.words = source or split
        self.is_own = source is None
        self.batch_size = batch_size
        self.num_examples = self.split.num_examples
        self.labels = None

    @property
    def feature_names(self):
        return None if self.dataset.is_image else self.dataset.feature_names

    @property
    def parameter_names(self):
        """Names of what the model says of z, as the exported encoder's outputs have."""
        x = self.vae.prepare(self.first(1)[0])
        return [*self.vae.posterior(x).parameters]

    @property
    def is_report(self):
        """Whether the examples are those that the run's report is of."""
        if self.run is None or not self.is_own:
            return False
        path = self.run.directory / "metrics.json"
        return path.is_file() and self.run.metrics["split"] == self.words

    def batches(self, words):
        """Batches of all examples, with progress."""
        codes = []
        with report.progress(f"{words}: {self.words}", self.num_examples) as advance:
            for x, labels in self._batches(self.batch_size):
                yield x
                codes.append(labels)
                advance(len(labels))
        self.labels = self._named(np.concatenate(codes))

    def first(self, num_examples=FIGURE_EXAMPLES):
        """The first examples, and their labels or `None`."""
        x, codes = next(self._batches(num_examples))
        return x, self._named(codes)

    def coded(self, num_examples, training=False):
        """The first examples, of the training data perhaps, and codes of their labels.

        Integers; `None` without labels.
        """
        split = self.dataset.train if training else self.split
        count = min(num_examples, split.num_examples)
        x, codes = next(self._batches(count, split))
        return x, codes if self._labelled else None

    def at(self, option, places):
        """The examples at some places."""
        if max(places) >= self.num_examples:
            raise click.BadParameter(
                f"{self.words} has {self.num_examples} examples, counted from 0.",
                param_hint=option,
            )
        found, start = {}, 0
        for x, labels in self._batches(self.batch_size):
            stop = start + len(labels)
            found |= {i: rows_of(x, i - start) for i in places if start <= i < stop}
            start = stop
            if start > max(places):
                break
        found = [found[i] for i in places]
        if isinstance(found[0], dict):
            return {name: np.stack([row[name] for row in found]) for name in found[0]}
        return np.stack(found)

    def write_steps(self, path, index, decoded):
        """Writes decodings `(rows, steps, ...)` with what numbers their first two axes.

        A table has a row for each step of each row, an array keeps its axes.
        """
        (row_name, rows), (step_name, steps) = index.items()
        if path.suffix == ".npz":
            self.keras_vae.files.write_arrays(
                path, {"reconstruction": decoded, **index}
            )
        elif path.suffix == ".npy":
            self.write(path, [{"reconstruction": decoded}], len(decoded))
        else:
            table = {
                row_name: np.repeat(rows, len(steps)),
                step_name: np.tile(steps, len(rows)),
                "reconstruction": decoded.reshape(-1, *self.vae.data_shape),
            }
            index = [row_name, step_name]
            self.write_rows(path, [table], len(table[row_name]), index)

    def _named(self, codes):
        return np.asarray(self.dataset.label_names)[codes] if self._labelled else None

    @property
    def _labelled(self):
        return bool(self.dataset.label_names)

    def _batches(self, batch_size, split=None):
        """Pairs of examples and codes of labels, zeros without labels."""
        arguments = self.batch_arguments
        if arguments.get("condition") and not self._labelled:
            raise click.ClickException(
                f"The labels of {self.words} are what the model takes as its "
                "condition, and it has none."
            )
        batches = (
            (split or self.split)
            .batches(batch_size, with_labels=self._labelled, **arguments)
            .as_numpy_iterator()
        )
        if self._labelled:
            return batches
        return ((x, np.zeros(len(x), "int64")) for x in batches)


def rows_of(x, rows):
    """Some examples of an array, or of a dictionary of arrays."""
    if isinstance(x, dict):
        return {name: array[rows] for name, array in x.items()}
    return x[rows]


def _described(vae):
    """What a model alone knows of its data, as `Dataset.description` says it."""
    kinds = {1: "vectors", 2: "series", 3: "images"}
    schema = getattr(vae.likelihood, "schema", None)
    own = {} if schema is None else {"kind": "table", "schema": schema.to_json()}
    return {
        "source": "what the model was trained on",
        "kind": kinds.get(len(vae.data_shape), "vectors"),
        "data_shape": list(vae.data_shape),
        "dtype": "float32",
        "value_range": [0.0, 1.0],
        "columns": None,
        "left_out": [],
        "label_column": None,
        "label_names": None,
        **own,
    }
