"""Results of `verify` and reports of `export_tflite` as tables for a terminal."""

from keras_vae.text_tables import text_table


def format_results(results):
    """Results of `verify` as a table for a terminal.

    Args:
        results: List of `keras_vae.export.verify.Result`.

    Returns:
        String of several lines.

    Example:

    >>> from keras_vae.export.verify import Result
    >>> result = Result("encoder/encode", "REST", 3, 16, 2e-8, 1e-5, True, "equal")
    >>> print(format_results([result]))
    signature        where   version   examples   largest deviation   allowed   verdict
    ───────────────────────────────────────────────────────────────────────────────────
    encoder/encode   REST          3         16             2.0e-08     1e-05   equal
    """
    return text_table(
        {
            "signature": [result.signature for result in results],
            "where": [result.where for result in results],
            "version": [_format(result.version, "d") for result in results],
            "examples": [result.examples for result in results],
            "largest deviation": [_format(r.deviation, ".1e") for r in results],
            "allowed": [_format(result.allowed, "g") for result in results],
            "verdict": [result.verdict for result in results],
        },
        left=("signature", "where", "verdict"),
    )


def format_report(report):
    """A report of `export_tflite` as a table for a terminal.

    Args:
        report: What `export_tflite` returns, or `report.json` holds.

    Returns:
        String of several lines.

    Example:

    >>> row = {"file": "encoder.tflite", "bytes": 1024, "share_of_float32": 1.0}
    >>> row |= {"deviation": 3e-7, "mean_deviation": 1e-8, "elbo": None}
    >>> row |= {"latency_ms": 0.01, "notes": []}
    >>> "encoder.tflite   1,024" in format_report({"files": [row]})
    True
    """
    rows = report["files"]
    table = text_table(
        {
            "file": [row["file"] for row in rows],
            "bytes": [_format(row["bytes"], ",") for row in rows],
            "of float32": [_format(row["share_of_float32"], ".0%") for row in rows],
            "largest deviation": [_format(row["deviation"], ".1e") for row in rows],
            "mean deviation": [_format(row["mean_deviation"], ".1e") for row in rows],
            "ELBO of the pair": [_format(row["elbo"], ",.2f") for row in rows],
            "ms": [_format(row["latency_ms"], ".2f") for row in rows],
        },
        left=("file",),
    )
    notes = [f"{row['file']}: {note}" for row in rows for note in row["notes"]]
    return "\n".join([table, *notes])


def _format(value, form):
    return "" if value is None else format(value, form)
