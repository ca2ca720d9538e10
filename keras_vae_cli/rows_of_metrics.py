"""What `metrics.json` holds, as rows of a table for a person."""

NATS = "nats per example"
# What models measure of themselves, in words, and the unit.
MEASURES = {
    "elbo": ("ELBO", NATS),
    "reconstruction_loss": ("reconstruction loss", NATS),
    "kl_loss": ("KL", NATS),
    "iwae_bound": ("importance-weighted bound", NATS),
    "mutual_information": ("mutual information", "nats"),
    "total_correlation": ("total correlation", "nats"),
    "dimension_wise_kl": ("dimension-wise KL", "nats"),
    "covariance_penalty": ("covariance penalty", ""),
    "mmd": ("MMD", ""),
    "discriminator_loss": ("discriminator loss", "nats"),
    "perplexity": ("perplexity", "codes in use"),
}
# Groups of further measures, and what is in them: words and unit.
GROUPS = {
    "kl_parts": "Parts of the KL",
    "samples": "Quality of samples",
    "readout": "Linear readout",
    "disentanglement": "Disentanglement",
}
KL_PARTS = {
    "mutual_information": "KL: mutual information of x and z",
    "marginal_kl": "KL: gap of aggregate posterior and prior",
    "total_correlation": "gap: total correlation",
    "dimension_wise_kl": "gap: dimension-wise KL",
}
SAMPLES = ("precision", "recall", "density", "coverage")
DISENTANGLEMENT = {
    "mig": "MIG",
    "sap": "SAP",
    "modularity": "modularity",
    "dci_disentanglement": "DCI disentanglement",
    "dci_completeness": "DCI completeness",
    "dci_informativeness": "DCI informativeness",
    "factor_vae_score": "FactorVAE score",
}


def metric_rows(metrics):
    """Measure, value and unit of what `keras_vae.evaluation.evaluate` returns."""
    rows = []
    for name, (words, unit) in MEASURES.items():
        if name in metrics:
            error = metrics.get(f"{name}_standard_error")
            spread = "" if error is None else f" ± {error:.2f}"
            digits = ".2f" if unit else ".3g"
            rows.append((words, f"{metrics[name]:{digits}}{spread}", unit))
    if "marginal_log_likelihood" in metrics:
        draws = metrics["num_importance_samples"]
        value = _with_error(metrics, "marginal_log_likelihood")
        rows.append((f"log p(x), {draws} draws", value, NATS))
        size = f"{metrics['effective_sample_size']:.1f} of {draws}"
        rows.append(("effective sample size", size, "draws"))
    active = metrics["num_active_units"]
    active = "unknown" if active is None else f"{active} of {metrics['latent_dim']}"
    rows.append(("active latent dimensions", active, ""))
    if "bits_per_dim" in metrics:
        value = f"{metrics['bits_per_dim']:.3f}"
        rows.append(("bits per dimension", value, "bits"))
    if "training_seconds" in metrics:
        number = metrics["epochs"]
        word = "epoch" if number == 1 else "epochs"
        epochs = f"{number} {word}, best {metrics['best_epoch']}"
        rows.append(("training", f"{metrics['training_seconds']:.1f}", f"s ({epochs})"))
    for name in GROUPS:
        if name in metrics:
            rows += _ROWS[name](metrics[name])
    return rows


def _kl_rows(parts):
    counts = f"{parts['num_examples']} examples, seed {parts['seed']}"
    units = dict.fromkeys(KL_PARTS, f"nats ({counts})")
    # Near that the estimate says "at least so much", and the gap is too large.
    bound = f"at most {parts['mutual_information_bound']:.2f}"
    units["mutual_information"] = f"nats ({counts}; {bound})"
    return [
        (words, _with_error(parts, name), units[name])
        for name, words in KL_PARTS.items()
        if parts[name] is not None
    ]


def _sample_rows(quality):
    features = quality["features"]
    seed = f", seed {quality['seed']}"
    unit = (
        f"share ({quality['num_real']} real, {quality['num_generated']} samples{seed})"
    )
    rows = [
        (f"samples: {name}", _with_error(quality, name, 3), unit) for name in SAMPLES
    ]
    size = f"{features['num_features']} " if "num_features" in features else ""
    unit = f"squared features ({size}of a {features['name']}{seed})"
    return [
        *rows,
        ("samples: Fréchet distance", f"{quality['frechet_distance']:.4g}", unit),
    ]


def _readout_rows(readout):
    seed = f"{readout['num_test']} examples, seed {readout['seed']}"
    return [
        (
            f"linear readout of {name}",
            f"{of['accuracy']:.3f} ± {of['standard_error']:.3f}",
            f"accuracy ({of['num_features']} numbers; {seed})",
        )
        for name, of in readout["readouts"].items()
    ]


def _disentanglement_rows(scores):
    unit = f"0 to 1 ({scores['num_examples']} examples, seed {scores['seed']})"
    return [
        (words, _with_error(scores, name, 3), unit)
        for name, words in DISENTANGLEMENT.items()
    ]


_ROWS = {
    "kl_parts": _kl_rows,
    "samples": _sample_rows,
    "readout": _readout_rows,
    "disentanglement": _disentanglement_rows,
}


def _with_error(values, name, digits=2):
    """`1.23 ± 0.04`, as far as the error is known."""
    error = values.get(f"{name}_standard_error")
    spread = "" if error is None else f" ± {error:.{digits}f}"
    return f"{values[name]:.{digits}f}{spread}"
