"""`python -m keras_vae_cli` is `keras-vae`."""

from keras_vae_cli import main

if __name__ == "__main__":
    main(prog_name="keras-vae")
