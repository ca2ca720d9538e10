"""Asks TensorFlow Serving by REST, with Python's standard library alone.

    python rest.py http://localhost:8501            draws two examples, encodes them
    python rest.py http://localhost:8501 three.png five.jpg  and encodes image files

`predict` is the part to copy into a program of one's own.
"""

import base64
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

# Which version answers: the one that models.config calls stable. "" is the newest, and
# "/versions/2" that one. Encoder and decoder should be asked for the same.
VERSION = "/labels/stable"


def predict(server, model, signature, **inputs):
    """Answers one signature.

    Args:
        server: Such as `"http://localhost:8501"`.
        model: `"encoder"` or `"decoder"`.
        signature: Its name, such as `"encode"`.
        inputs: For each input by name a list with a value for each example: nested
            lists of numbers, or bytes.

    Returns:
        Dictionary of the outputs by name; of a signature with one output the output
        itself. Each is a list with a value for each example.
    """
    # "inputs" are columns, a list for each input. The other form, "instances", is rows,
    # a dictionary for each example, and answers "predictions".
    body = {"signature_name": signature, "inputs": inputs}
    url = f"{server}/v1/models/{model}{VERSION}:predict"
    content = json.dumps(body, default=_as_base64).encode()
    try:
        request = urllib.request.Request(
            url, content, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)["outputs"]
    except urllib.error.HTTPError as error:
        # Why it was refused is in the body: {"error": "..."}.
        reason = error.read().decode(errors="replace")
        where = f"{model}/{signature}: HTTP {error.code}"
        raise RuntimeError(f"{where}: {reason}") from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise RuntimeError(f"{server} does not answer: {reason}") from error
    except (KeyError, ValueError) as error:
        raise RuntimeError(f"{server} is no address of TensorFlow Serving") from error


def _as_base64(value):
    """Bytes, which JSON has not, as TensorFlow Serving wants them."""
    return {"b64": base64.b64encode(value).decode()}


def main(server="http://localhost:8501", *paths):
    """Prints as JSON the codes of two drawn examples, and of the files."""
    # Two seeds of two integers. The same seeds draw the same examples, on any server.
    sample = predict(server, "decoder", "sample", seed=[[7, 0], [7, 1]])
    code = predict(server, "encoder", "encode", x=sample["reconstruction"])
    answer = {"z": sample["z"], "z_mean": code["z_mean"]}
    if paths:
        # The files as they are: smaller than their pixels as numbers. The server
        # decodes and resizes them, and makes colour grey, or grey colour, as needed.
        files = [Path(path).read_bytes() for path in paths]
        code = predict(server, "encoder", "encode_bytes", image_bytes=files)
        answer["z_mean_of_files"] = code["z_mean"]
    json.dump(answer, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    try:
        if "--help" in sys.argv:
            sys.stdout.write(__doc__)
        else:
            main(*sys.argv[1:])
    except (OSError, RuntimeError) as error:
        sys.exit(f"Error: {error}")
