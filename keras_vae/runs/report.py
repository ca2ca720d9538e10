"""What is measured, drawn and exported when a training ends."""

import numpy as np

from keras_vae import evaluation, files, plots
from keras_vae.runs.export import export_run
from keras_vae.runs.run import batch_arguments, load

FIGURE_EXAMPLES = 2000  # more dots on a page than these hide one another


def report(folder, config, data, recorder, training_seconds, progress):
    """Measures the best weights on test data; writes numbers, figures and export."""
    vae = load(folder)
    name, split = next(
        (name, split)
        for name in ("test", "validation", "train")
        if (split := getattr(data, name)) is not None
    )
    arguments = batch_arguments(config)
    with progress(f"Measuring on {split.num_examples:,} examples of {name}"):
        batches = split.batches(config["batch_size"], **arguments)
        metrics = evaluation.evaluate(vae, batches)
    with progress("Drawing figures"):
        _draw(folder / "figures", vae, data, split, arguments, recorder.history)
    if config["exports"] != "none":
        with progress("Exporting and converting"):
            export_run(folder, config, data, vae)
    # Last: a run that has it is complete.
    files.write_json(
        folder / "metrics.json",
        {
            "split": name,
            **metrics,
            "latent_dim": vae.latent_dim,
            "epochs": len(recorder.history),
            "best_epoch": recorder.best_epoch,
            "training_seconds": round(training_seconds, 3),
            "activity": evaluation.describe_activity(
                metrics["active_units"], len(recorder.history)
            ),
        },
    )


def _draw(folder, vae, data, split, arguments, history):
    columns = {name: [row[name] for row in history] for name in history[0]}
    labels = None
    if data.num_classes:
        batches = split.batches(FIGURE_EXAMPLES, with_labels=True, **arguments)
        x, labels = next(batches.as_numpy_iterator())
        labels = np.asarray(data.label_names)[labels]
    else:
        x = next(split.batches(FIGURE_EXAMPLES, **arguments).as_numpy_iterator())
    names = data.feature_names if not data.is_image else None
    figures = {
        "training_curves": plots.training_curves(columns),
        "reconstructions": plots.reconstructions(vae, x, feature_names=names),
        "samples": plots.samples(vae, x=x, feature_names=names),
        "latent_space": plots.latent_space(vae, x, labels),
        "traversals": plots.traversals(vae, x, feature_names=names),
    }
    for name, figure in figures.items():
        plots.save(figure, folder / f"{name}.png")
