"""The files of a VAE: `.keras` files, `keras.Model.export`, and its configuration."""

import keras
import numpy as np

from keras_vae.models.float32 import float32_copy, layers_of


class Saving:
    """The methods of a `VAE` that write and read files, and its configuration."""

    def export(
        self,
        filepath,
        format="tf_saved_model",
        verbose=None,
        input_signature=None,
        **kwargs,
    ):
        """Exports the reconstruction `vae(x)`; see `keras.Model.export`.

        `keras_vae.export.export_saved_models` exports encoder and decoder instead.

        Args:
            filepath: Path to write to.
            format: As in Keras. What is written computes in float32.
            verbose: As in Keras.
            input_signature: What the endpoint takes; by default batches of data, `x`.
            **kwargs: Further arguments of `keras.Model.export`.
        """
        model = float32_copy(self)
        if input_signature is None:
            input_signature = [model.input_spec_structure]
        super(Saving, model).export(
            filepath,
            format=format,
            verbose=verbose,
            input_signature=input_signature,
            **kwargs,
        )

    def save(self, filepath, *args, **kwargs):
        """Saves the model as a `.keras` file; see `keras.Model.save`.

        Raises:
            ValueError: If the file is to be an HDF5 one, which would not load.
        """
        if str(filepath).endswith((".h5", ".hdf5")):
            raise ValueError(
                "`filepath` should end in .keras: an HDF5 file holds no model of this "
                f"kind. Received: {str(filepath)!r}. Mend: vae.save('model.keras')"
            )
        super().save(filepath, *args, **kwargs)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        config = super().get_config()
        decoder_layers = {*map(id, layers_of(self.decoder))}
        shared = [x.name for x in layers_of(self.encoder) if id(x) in decoder_layers]
        if shared:
            raise ValueError(
                "Encoder and decoder should have layers of their own to be saved or "
                f"copied: Keras restores the layers of each network apart. Received: "
                f"shared layers {', '.join(shared)}"
            )
        return {
            **{k: config[k] for k in ("name", "trainable", "dtype") if k in config},
            "encoder": serialize(self.encoder),
            "decoder": serialize(self.decoder),
            "likelihood": serialize(self.likelihood),
            "prior": serialize(self.prior),
            "flow": serialize(self.flow),
            **self._schedules_config(),
            "free_bits": self.free_bits,
            "num_samples": self.num_samples,
            "standardize": serialize(self.standardize),
            "seed": self.seed,
        }

    def _schedules_config(self):
        serialize = keras.saving.serialize_keras_object
        try:
            return {
                "beta": serialize(self.beta),
                "capacity": serialize(self.capacity),
            }
        except ValueError:
            if self._trained.copied_for_inference:
                return {}  # a function that cannot be saved is in no export's way
            raise

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = {
            key: keras.saving.deserialize_keras_object(value, custom_objects)
            if isinstance(value, dict) and "class_name" in value
            else value
            for key, value in config.items()
        }
        return cls(**config)

    def _random_states(self):
        """States of the seed generators of all parts (dropout, say), by name.

        Keras saves none of them.
        """
        weights = {id(weight) for weight in self.weights}
        states = [v for v in self.variables if id(v) not in weights]
        return {f"random_state_{i}": state for i, state in enumerate(states)}

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for name, state in self._random_states().items():
            store[name] = state
        if self.trained_on_targets:
            store["trained_on_targets"] = np.array(True)

    def load_own_variables(self, store):
        own = {}  # The weights of this model itself, by the names that Keras gives.
        super().save_own_variables(own)
        for name, variable in own.items():
            variable.assign(store[name])
        for name, state in self._random_states().items():
            if name in store:
                state.assign(store[name])
        self.trained_on_targets = "trained_on_targets" in store
