"""`keras-vae encode | reconstruct | sample | interpolate | traverse`."""

import click

from keras_vae_cli import report
from keras_vae_cli.options import (
    ARRAYS,
    FIGURES,
    Integers,
    Where,
    batch_size_option,
    count,
    data_options,
    debug_option,
    examples,
    model_argument,
    open_data,
    open_model,
    output_option,
    seed_option,
)

# More pictures on a page are too small to be seen.
MOST_PICTURES = 1024

steps_option = click.option(
    "--num-steps",
    type=click.IntRange(2, 1000),
    default=9,
    show_default=True,
    help="Points on the way.",
)


@click.command(
    epilog=examples(
        "encode runs/digits --output codes.csv",
        "encode runs/digits --input new.npy --output codes.npz",
    )
)
@data_options
@output_option(".npz", ".csv")
def encode(output, **data):
    """Encode data: the parameters of q(z|x) of each example, and its label.

    The columns are what the model says of z, each as many as there are numbers in it:
    z_mean and z_log_var of a normal distribution (of several levels the top's first),
    and with a flow code, which it makes of the mean; z of an autoencoder; z and the
    integers codes of a vqvae. The last is label, if the data have labels. MODEL is the
    directory of a run, or a .keras file (then with --input).
    """
    data = open_data(**data)
    codes = data.vae.encode(data.batches("Encoding"))
    rows = dict(zip(data.parameter_names, codes, strict=True))
    if data.labels is not None:
        rows["label"] = data.labels
    data.write(output, [rows], data.num_examples)
    click.echo(output)


@click.command(
    epilog=examples(
        "reconstruct runs/digits --output reconstructions.png",
        "reconstruct runs/digits --input new.npy --output reconstructions.npy",
    )
)
@data_options
@output_option(*FIGURES, *ARRAYS)
def reconstruct(output, **data):
    """Encode data and decode them again: the means of p(x|z) at each example's code.

    MODEL is the directory of a run, or a .keras file (then with --input). A picture
    shows some beside their originals; the other formats hold all reconstructions.
    """
    data = open_data(**data)
    plots = data.keras_vae.plots
    if output.suffix in FIGURES:
        x, _ = data.first()
        figure = plots.reconstructions(data.vae, x, feature_names=data.feature_names)
        data.save(figure, output)
    else:
        batches = (
            {"reconstruction": data.vae.reconstruct(x, data.batch_size)}
            for x in data.batches("Reconstructing")
        )
        data.write_rows(output, batches, data.num_examples)
    click.echo(output)


@click.command(
    epilog=examples(
        "sample runs/digits --num-samples 64 --output samples.png",
        "sample runs/digits --draws --num-samples 10000 --output binary.npy",
        "sample runs/people --num-samples 10000 --output synthetic.csv",
        "sample runs/people --where sex=female --where age=30..40 --output women.csv",
    )
)
@model_argument
@click.option("--num-samples", type=count, default=64, show_default=True)
@click.option(
    "--draws/--means",
    default=None,
    help="Draw x from p(x|z), with the likelihood's own noise: rows of a table as the "
    "data have them. Or give its mean, which looks better as a picture.  [default: "
    "means of images, draws of all else]",
)
@click.option(
    "--condition",
    metavar="LABEL",
    help="Of a conditional_vae: what to make.  [default: all labels in turn]",
)
@click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="COLUMN=VALUE",
    type=Where(),
    help="Of a table: rows of that value alone; of a number or date a range, 30..40, "
    "with no end where one is left out; nothing after = for missing. May be repeated.",
)
@seed_option
@output_option(*FIGURES, *ARRAYS)
@batch_size_option
@debug_option
def sample(model, num_samples, draws, condition, conditions, seed, output, batch_size):
    """Make new data: z is drawn from the prior, and x from p(x|z), or as its mean.

    The mean is what the model expects at z: smoother than any example, and the same for
    the same z. MODEL is the directory of a run, or a .keras file.
    """
    if output.suffix in FIGURES and num_samples > MOST_PICTURES:
        raise click.BadParameter(
            f"a figure shows {MOST_PICTURES} samples at most. More of them go to a "
            f"file {', '.join(ARRAYS)}.",
            param_hint="--num-samples",
        )
    if conditions and output.suffix != ".csv":
        raise click.BadParameter(
            f"rows under conditions are written to a .csv. Received: {output}",
            param_hint="--output",
        )
    model = open_model(model)
    vae, names = model.vae, model.feature_names
    given = model.condition(condition, num_samples)
    if conditions and model.schema is None:
        raise click.BadParameter(
            "the model is none of a table of columns of several kinds.",
            param_hint="--where",
        )
    is_table = model.schema is not None and output.suffix == ".csv"
    if is_table and draws is not False and not given:
        rows = model.keras_vae.applications.row_batches(
            vae, num_samples, dict(conditions), seed, batch_size
        )
        model.write_frames(output, report.counted(rows, "Sampling", num_samples))
        click.echo(output)
        return
    if conditions:
        raise click.BadParameter(
            "rows under conditions are draws: leave out --means and --condition.",
            param_hint="--where",
        )
    if draws is None:
        draws = len(vae.data_shape) != 3
    if output.suffix in FIGURES:
        figure = model.keras_vae.plots.samples(
            vae,
            num_samples,
            seed=seed,
            x=given or None,
            draws=draws,
            feature_names=names,
        )
        model.save(figure, output)
    else:
        batches = report.counted(
            vae.sample_batches(num_samples, seed, batch_size, draws, **given),
            "Sampling",
            num_samples,
        )
        model.write_rows(output, ({"x": batch} for batch in batches), num_samples)
    click.echo(output)


@click.command(
    epilog=examples(
        "interpolate runs/digits --from 0,1,2 --to 3,4,5 --output between.png",
        "interpolate runs/digits --from 7 --to 9 --num-steps 50 --output between.npy",
    )
)
@data_options
@click.option(
    "--from",
    "begin",
    type=Integers(minimum=0),
    default="0",
    show_default=True,
    help="Which examples to begin at, counted from 0.",
)
@click.option(
    "--to",
    "end",
    type=Integers(minimum=0),
    default="1",
    show_default=True,
    help="Which examples to end at, as many.",
)
@steps_option
@output_option(*FIGURES, *ARRAYS)
def interpolate(begin, end, num_steps, output, **data):
    """Decode what lies between the codes of two examples.

    MODEL is the directory of a run, or a .keras file (then with --input). A picture has
    a row for each pair; an array has shape (pairs, steps, ...), and a table one row for
    each step of each pair.
    """
    if len(begin) != len(end):
        raise click.UsageError(
            f"--from names {len(begin)} examples and --to {len(end)}: name as many."
        )
    data = open_data(**data)
    x_a, x_b = data.at("--from", begin), data.at("--to", end)
    if output.suffix in FIGURES:
        plots = data.keras_vae.plots
        figure = plots.interpolation(
            data.vae, x_a, x_b, num_steps, feature_names=data.feature_names
        )
        data.save(figure, output)
    else:
        between = data.vae.interpolate(x_a, x_b, num_steps=num_steps)
        t = [i / (num_steps - 1) for i in range(num_steps)]
        index = {"pair": range(len(begin)), "t": t}
        data.write_steps(output, index, between)
    click.echo(output)


@click.command(
    epilog=examples(
        "traverse runs/digits --output traversals.png",
        "traverse runs/digits --example 3 --num-steps 11 --output traversals.npz",
    )
)
@data_options
@click.option(
    "--example",
    type=click.IntRange(min=0),
    help="Which example the dimensions change, counted from 0.  "
    "[default: the middle of the prior, z = 0]",
)
@steps_option
@click.option(
    "--max-dimensions",
    type=click.IntRange(1, 1000),
    default=16,
    show_default=True,
    help="Dimensions at most: those that vary most.",
)
@output_option(*FIGURES, *ARRAYS)
def traverse(example, num_steps, max_dimensions, output, **data):
    """Decode along each active latent dimension, from -3 to 3: what it does.

    MODEL is the directory of a run, or a .keras file (then with --input). The data tell
    which dimensions are active. A picture has a row for each dimension; an array has
    shape (dimensions, steps, ...), and a table one row for each step of each dimension.
    """
    data = open_data(**data)
    plots = data.keras_vae.plots
    x, _ = data.first()
    centre = None if example is None else data.at("--example", [example])
    arguments = (data.vae, x, centre, num_steps, max_dimensions)
    if output.suffix in FIGURES:
        figure = plots.traversals(*arguments, feature_names=data.feature_names)
        data.save(figure, output)
    else:
        found = plots.traverse(*arguments)
        if not len(found.dimensions):
            raise click.ClickException(
                "No latent dimension is active: the posterior has collapsed."
            )
        index = {"dimension": found.dimensions, "value": found.values}
        data.write_steps(output, index, found.reconstruction)
    click.echo(output)
