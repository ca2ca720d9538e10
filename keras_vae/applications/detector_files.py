"""The folder of an anomaly detector: a model, its settings, its calibration scores."""

from keras_vae.applications.model_folder import DAMAGES, ModelFolder

FOLDER = ModelFolder("anomaly_detector", "detector", "detector.json", "calibration.npz")
ARGUMENTS = ("score", "level", "num_samples", "seed")


def save(detector, directory):
    """Writes a calibrated detector; see `AnomalyDetector.save`."""
    about = {
        "score": detector.score_name,
        "level": detector.level,
        "num_samples": detector.num_samples or None,
        "seed": detector.seed,
        "num_calibration": len(detector.steps),  # raises unless it is calibrated
        "normal_labels": detector.normal_labels,
    }
    arrays = {"scores": detector.calibration}
    FOLDER.write(directory, detector.vae, about, arrays)


def read(directory):
    """What `save` wrote: model, arguments by name, normal labels, calibration."""
    vae, about, arrays, _ = FOLDER.read(directory, (*ARGUMENTS, "normal_labels"))
    normal = about.pop("normal_labels")
    try:
        return vae, about, normal, arrays["scores"]
    except DAMAGES as error:
        raise ValueError(
            f"The calibration of the detector at {directory} has no {error}"
        ) from error
