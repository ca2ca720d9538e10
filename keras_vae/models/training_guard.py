"""What every training of a VAE is watched for."""

import math
import warnings

import keras


class TrainingGuard(keras.callbacks.Callback):
    """Warns of a warm-up that outlasts training and stops at a loss that is not finite.

    `VAE.fit` adds it by itself.

    Args:
        initial_epoch: Epoch at which `fit` begins.
    """

    def __init__(self, initial_epoch=0):
        super().__init__()
        self.initial_epoch = initial_epoch

    def on_train_begin(self, logs=None):
        steps, epochs = self.params.get("steps"), self.params.get("epochs")
        if not steps or not epochs:
            return
        # BackupAndRestore sets the model's own attribute, which then counts.
        initial_epoch = self.model._initial_epoch or self.initial_epoch
        last = self._step() + steps * (epochs - initial_epoch)
        for name in ("beta", "capacity"):
            schedule = getattr(self.model, name)
            if schedule is not None and schedule.num_steps > last:
                warnings.warn(
                    f"The schedule of `{name}` takes {schedule.num_steps} steps, but "
                    f"training ends at step {last} ({epochs} epochs of {steps} steps): "
                    f"it ends at {float(schedule(last)):.3g}, before the schedule "
                    "does. Train longer, or shorten the schedule.",
                    stacklevel=1,  # what calls this is Keras, not the user
                )

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if math.isfinite(float(logs["loss"])):
            return
        step = self._step() + 1
        values = {
            name: float(logs[name]) for name in ("reconstruction_loss", "kl_loss")
        }
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if bad:
            cause = " and ".join(f"{name} became {values[name]}" for name in bad)
        else:
            cause = "the gradient (or a regularisation loss) stopped being finite"
        hint = "Lower the learning rate or clip gradients (clipnorm=...)."
        if math.isnan(values["kl_loss"]) and math.isinf(values["reconstruction_loss"]):
            hint = "Data that are not finite do this: look for nan among them."
        elif math.isinf(values["reconstruction_loss"]):
            likelihood = self.model.likelihood
            hint = (
                f"Data outside the support of the likelihood "
                f"{likelihood.identifier!r}, {likelihood.support}, do this: check "
                "their values and scale."
            )
        raise FloatingPointError(
            f"Training stopped at step {step} (epoch {self.epoch + 1}): {cause}. The "
            f"weights are those of the last good step. {hint}"
        )

    def on_epoch_end(self, epoch, logs=None):
        loss = (logs or {}).get("val_loss", 0.0)
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"Training stopped after epoch {epoch + 1}: val_loss is {loss}. "
                "Validation data that are not finite, or outside the support of the "
                f"likelihood {self.model.likelihood.identifier!r}, "
                f"{self.model.likelihood.support}, do this: check their values and "
                "scale."
            )

    def _step(self):
        return int(keras.ops.convert_to_numpy(self.model.step))
