"""What a .tflite file holds: its operators, and the types of its weights."""

# Comes with TensorFlow, which imports it: the classes of the file format.
from tensorflow.lite.python import schema_py_generated as schema


def _names(enumeration):
    return {
        number: name for name, number in vars(enumeration).items() if name[0] != "_"
    }


_OPERATORS = _names(schema.BuiltinOperator)
_TYPES = _names(schema.TensorType)


def read(content):
    """The object tree (`ModelT`) of a .tflite file's bytes."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))


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
                names.add(_name(model, operator))
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
                constants[tensor.buffer] = (_TYPES[tensor.type], len(data))
    totals = {}
    for name, size in constants.values():
        if name in ("FLOAT32", "FLOAT16", "INT8"):
            totals[name] = totals.get(name, 0) + size
    return dict(sorted(totals.items()))


def _name(model, operator):
    code = model.operatorCodes[operator.opcodeIndex]
    if code.customCode:
        return code.customCode.decode()
    # The older of the two fields holds what fits into a byte.
    return _OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
