"""What every training of a VAE is watched for."""

import math
import warnings

import keras


class TrainingGuard(keras.callbacks.Callback):
    """Warns of a warm-up that outlasts training and stops at a loss that is not finite.

    `VAE.fit` adds it by itself.
    """

    def on_train_begin(self, logs=None):
        self.epoch = None

    def on_epoch_begin(self, epoch, logs=None):
        if self.epoch is None:
            self._check_schedules(epoch)
        self.epoch = epoch

    def _check_schedules(self, first_epoch):
        # Here, and not when training begins: what resumes a training decides only then
        # at which epoch.
        steps, epochs = self.params.get("steps"), self.params.get("epochs")
        if not steps or not epochs:
            return
        last = self._step() + steps * (epochs - first_epoch)
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

    def on_train_batch_end(self, batch, logs=None):
        if math.isfinite(float(logs["loss"])):
            return
        values = {
            name: float(logs[name]) for name in self.model.MEASURES if name != "elbo"
        }
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if bad:
            cause = " and ".join(f"{name} became {values[name]}" for name in bad)
        else:
            cause = "the gradient (or a regularisation loss) stopped being finite"
        raise FloatingPointError(
            f"Training stopped at step {self._step() + 1} (epoch {self.epoch + 1}): "
            f"{cause}. The weights are those of the last good step. {self._hint()}"
        )

    def _hint(self):
        faults = self.model.faults
        names = {"inputs": " or ".join(f"`{n}`" for n in self.model.input_specs)}
        for fault in ("inputs", "target", "sample_weight"):
            if fault in faults:
                name = names.get(fault, f"`{fault}`")
                return f"{name} is not finite in this batch: look for nan among them."
        if "support" in faults:
            likelihood = self.model.likelihood
            return (
                "This batch has data outside the support of the likelihood "
                f"{likelihood.identifier!r}, {likelihood.support}: check their values "
                "and scale."
            )
        return (
            "The data of this batch are in order: the model overflowed. Lower the "
            "learning rate or clip gradients (clipnorm=...)."
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
