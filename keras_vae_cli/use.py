"""`keras-vae evaluate | sample | reconstruct | encode`: what a trained VAE is for."""

import functools
from pathlib import Path

import click

from keras_vae_cli import report
from keras_vae_cli.options import (
    batch_size_option,
    data_dir_option,
    debug_option,
    input_option,
    model_argument,
    output_option,
    positive,
    split_option,
)
from keras_vae_cli.package import import_keras_vae


@click.command()
@model_argument
@input_option
@split_option
@data_dir_option
@click.option(
    "--num-importance-samples",
    type=positive,
    help="Also estimate log p(x) with so many draws.",
)
@output_option(".json", required=False)
@batch_size_option
@debug_option
def evaluate(
    model, source, split, data_dir, num_importance_samples, output, batch_size
):
    """Measure a trained VAE: ELBO, its parts, active dimensions, bits.

    MODEL is the directory of a run, or a .keras file (then with --input).
    """
    keras_vae = import_keras_vae()
    vae, batches, _ = open_batches(keras_vae, model, source, split, data_dir)
    metrics = keras_vae.evaluation.evaluate(
        vae,
        batches(batch_size),
        num_importance_samples=num_importance_samples,
    )
    words = keras_vae.evaluation.collapse_report(metrics["active_units"])
    if output is not None:
        keras_vae.files.write_json(output, metrics)
    report.print_metrics(source or split, {**metrics, "latent_dim": vae.latent_dim})
    click.echo(words)


@click.command()
@model_argument
@click.option("--num-samples", type=positive, default=64, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@output_option(".png", ".npz", ".npy", ".csv")
@batch_size_option
@debug_option
def sample(model, num_samples, seed, output, batch_size):
    """Make new data: decode draws of the prior.

    MODEL is the directory of a run, or a .keras file.
    """
    keras_vae = import_keras_vae()
    vae = keras_vae.runs.load_vae(model)
    if output.suffix == ".png":
        figure = keras_vae.plots.samples(vae, num_samples, seed=seed)
        keras_vae.plots.save(figure, output)
    else:
        x = vae.sample(num_samples, seed=seed, batch_size=batch_size)
        keras_vae.files.write_arrays(output, {"x": x})
    click.echo(output)


@click.command()
@model_argument
@input_option
@split_option
@data_dir_option
@output_option(".png", ".npz", ".npy", ".csv")
@batch_size_option
@debug_option
def reconstruct(model, source, split, data_dir, output, batch_size):
    """Encode data and decode them again.

    MODEL is the directory of a run, or a .keras file (then with --input). A .png shows
    some beside their originals; the other formats hold all reconstructions.
    """
    keras_vae = import_keras_vae()
    vae, batches, _ = open_batches(keras_vae, model, source, split, data_dir)
    if output.suffix == ".png":
        x = next(batches(1000).as_numpy_iterator())
        keras_vae.plots.save(keras_vae.plots.reconstructions(vae, x), output)
    else:
        x = vae.reconstruct(batches(batch_size))
        keras_vae.files.write_arrays(output, {"reconstruction": x})
    click.echo(output)


@click.command()
@model_argument
@input_option
@split_option
@data_dir_option
@output_option(".npz", ".csv")
@batch_size_option
@debug_option
def encode(model, source, split, data_dir, output, batch_size):
    """Encode data: z_mean and z_log_var of each example, and labels if there are any.

    MODEL is the directory of a run, or a .keras file (then with --input).
    """
    keras_vae = import_keras_vae()
    vae, batches, label_names = open_batches(keras_vae, model, source, split, data_dir)
    z_mean, z_log_var = vae.encode(batches(batch_size))
    arrays = {"z_mean": z_mean, "z_log_var": z_log_var}
    if label_names:
        import numpy as np

        pairs = batches(batch_size, with_labels=True).as_numpy_iterator()
        codes = np.concatenate([labels for _, labels in pairs])
        arrays["label"] = np.asarray(label_names)[codes]
    keras_vae.files.write_arrays(output, arrays)
    click.echo(output)


def open_data(keras_vae, model, source, data_dir):
    """The model, a data set to use it on, and how its examples were made binary."""
    if source is None and not model.is_dir():
        raise click.UsageError("A .keras file needs --input.")
    vae = keras_vae.runs.load_vae(model)
    config, drawn = {}, {}
    if model.is_dir():
        run = keras_vae.runs.Run(model)
        config = run.config
        drawn = {"binarize": config["binarize"], "seed": config["seed"]}
        if data_dir is not None:
            config["data_dir"] = data_dir
    if source is None:
        return vae, run.dataset(), drawn
    data = keras_vae.datasets.load(
        source,
        data_dir=data_dir,
        validation_fraction=0,
        test_fraction=0,
        **_as_trained(vae, source, config),
    )
    return vae, data, drawn


def _as_trained(vae, source, config):
    """How new data are read, so that they are what the model was trained on."""
    if source.endswith(".csv"):
        return {"label_column": config.get("label_column")}
    if source == "digits" or source.endswith((".npy", ".npz")):
        return {}
    if len(vae.data_shape) != 3:
        return {}
    sizes = {"image_size": vae.data_shape[:2]}
    if Path(source).is_dir() and vae.data_shape[-1] in (1, 3):
        sizes["channels"] = vae.data_shape[-1]
    return sizes


def open_batches(keras_vae, model, source, split, data_dir):
    """The model, and a function that gives batches of the examples to use it on."""
    vae, data, drawn = open_data(keras_vae, model, source, data_dir)
    part = data.train if source is not None else getattr(data, split)
    if part is None:
        raise click.UsageError(f"The run's data have no {split} split.")
    return vae, functools.partial(part.batches, **drawn), data.label_names
