"""What a .tflite file holds: its operators, and the types of its weights."""

# Come with TensorFlow: the classes of the file format, and what reads them.
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils


def read(content):
    """The object tree (`ModelT`) of a .tflite file's bytes."""
    return flatbuffer_utils.read_model_from_bytearray(bytearray(content))


def foreign_operators(model):
    """Names of the operators that LiteRT does not have built in: Flex and custom ones.

    Args:
        model: `ModelT`.

    Returns:
        Sorted list of strings such as `"FlexLgamma"`, without repetitions.
    """
    codes = [code.customCode for code in model.operatorCodes if code.customCode]
    return sorted({code.decode() for code in codes})


def float_operators(model):
    """Names of the operators that compute in float32.

    Args:
        model: `ModelT`.

    Returns:
        Sorted list of strings such as `"SOFTMAX"`, without repetitions. Those that
        translate between integers and floats, and the two last ones of the random
        numbers (`keras_vae.noise`), which make floats of integers, are left out.
    """
    names = set()
    for graph in model.subgraphs:
        for operator in graph.operators:
            tensors = [index for index in [*operator.inputs, *operator.outputs]]
            types = {graph.tensors[index].type for index in tensors if index >= 0}
            if schema.TensorType.FLOAT32 in types:
                names.add(flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex))
    return sorted(names - {"QUANTIZE", "DEQUANTIZE", "CAST", "BITCAST"})


def weight_bytes(model):
    """Bytes of the constants of each type, one that graphs share counted once.

    Args:
        model: `ModelT`.

    Returns:
        Dictionary by type, such as `{"FLOAT32": 128, "INT8": 4096}`, of the types that
        stand for real numbers.
    """
    constants = {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            if data is not None:
                name = flatbuffer_utils.type_to_name(tensor.type)
                constants[tensor.buffer] = (name, len(data))
    totals = {}
    for name, size in constants.values():
        if name in ("FLOAT32", "FLOAT16", "INT8"):
            totals[name] = totals.get(name, 0) + size
    return dict(sorted(totals.items()))
