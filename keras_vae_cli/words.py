"""What the package says, in the words of the command line.

The package speaks Python: `image_size=(height, width)` is what its callers write. Here
the names of arguments become the options of the command that was given.
"""

import re

# Arguments of the package whose option has another name, or none.
OPTIONS = {
    "dataset": "--dataset",
    "name_or_path": "--dataset",
    "version": "--model-version",
    "directory": "--output",
    "path": "--output",
    "representative_data": "--input",
}
PLAIN = {"x": "the data", "batch": "the data", "target": "the data", "vae": "the model"}
CALLS = {
    "write_parity": "keras-vae export",
    "export_saved_models": "keras-vae export",
    "export_tflite": "keras-vae convert",
    "export_onnx": "keras-vae convert --format onnx",
    "train": "keras-vae train",
}


def in_options(message, command):
    """A message of the package in one line, about the options of a `click.Command`."""
    options = {
        param.name: param.opts[-1]
        for param in command.params
        if param.opts[-1].startswith("--")
    }
    taken = set(options.values())
    options |= {name: option for name, option in OPTIONS.items() if option in taken}
    if "source" in options:
        options |= {"dataset": options["source"], "name_or_path": options["source"]}

    def named(match):
        name, value = match["name"], match["value"]
        if name in options:
            return options[name] + (f" {_value(value)}" if value else "")
        return PLAIN.get(name, match[0])

    def given(match):
        option = options.get(match["name"])
        if option is None:
            return match[0]
        return (
            option if match["value"] == "True" else f"{option} {_value(match['value'])}"
        )

    if message.startswith("in user code:"):  # and where it was, by TensorFlow
        message = re.split(r"\n\s*\w*(?:Error|Exception): ", message)[-1]
    message = " ".join(message.split())
    message = re.sub(r"`(?P<name>\w+)(=(?P<value>[^`]+))?`", named, message)
    message = re.sub(
        r"\b(?P<name>[a-z]\w*)=(?P<value>\([^)]*\)|\[[^]]*\]|'[^']*'|[^\s,;()]*[^\s,;().])",
        given,
        message,
    )
    message = re.sub(r"keras_vae\.(?:\w+\.)*(\w+)\([^)]*\)", _call, message)
    message = re.sub(r"(--[\w-]+), \1\b", r"\1", message)
    # A sentence begins with a capital, but not with a path or an option.
    return re.sub(r"^[a-z](?=[a-z]*[ ,.:;]?(\s|$))", lambda m: m[0].upper(), message)


def _value(text):
    """`(28, 32)` and `(height, width)` as they are typed: 28x32."""
    pair = re.fullmatch(r"\((\w+), (\w+)\)", text)
    if pair:
        return "x".join(
            word.upper() if word.isalpha() else word for word in pair.groups()
        )
    several = re.fullmatch(r"[(\[](.*?),?[)\]]", text)
    return several[1].replace(", ", ",") if several else text.strip("'")


def _call(match):
    return CALLS.get(match[1], match[0])
