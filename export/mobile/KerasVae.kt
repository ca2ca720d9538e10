// encoder.tflite and decoder.tflite on Android, with LiteRT's CompiledModel.
//
// Android 6 (API level 23) or newer. In build.gradle.kts:
//
//     dependencies { implementation("com.google.ai.edge.litert:litert:2.3.0") }
//
// and the two files in src/main/assets/. An example is a flat array of its values, row by
// row with the channels last: pixel (y, x) of a grey image is value y * width + x. Images
// are in 0..1, so divide the levels of a bitmap by 255f.

import android.content.res.AssetManager
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.TensorBuffer

/** A VAE. Not for several threads at once; make it off the main thread, and close it. */
class KerasVae(assets: AssetManager) : AutoCloseable {

  // The CPU, which has all operators: `sample` computes its noise with 32- and 64-bit
  // integers. The encoder alone may be worth trying on a GPU or NPU.
  private val options = CompiledModel.Options(Accelerator.CPU)
  private val encoder = CompiledModel.create(assets, "encoder.tflite", options)
  private val decoder = CompiledModel.create(assets, "decoder.tflite", options)

  class Code(val zMean: FloatArray, val zLogVar: FloatArray)

  /** The posterior of an example: `z_mean` and `z_log_var`, latent_dim values each. */
  fun encode(x: FloatArray): Code {
    val answer =
      run(encoder, "encode", "x", listOf("z_mean", "z_log_var")) { it.writeFloat(x) }
    return Code(answer.getValue("z_mean"), answer.getValue("z_log_var"))
  }

  /** The example that a code of latent_dim values stands for. */
  fun decode(z: FloatArray): FloatArray =
    run(decoder, "decode", "z", listOf("reconstruction")) { it.writeFloat(z) }
      .getValue("reconstruction")

  /** A new example. The same seed gives the same one here, on a server and in Python. */
  fun sample(seed: Int, row: Int): FloatArray =
    run(decoder, "sample", "seed", listOf("z", "reconstruction")) {
        it.writeInt(intArrayOf(seed, row))
      }
      .getValue("reconstruction")

  /** Runs a signature of one input, by the names that the file has for it. */
  private fun run(
    model: CompiledModel,
    signature: String,
    input: String,
    outputs: List<String>,
    write: (TensorBuffer) -> Unit,
  ): Map<String, FloatArray> {
    // The buffers hold one example. Where every millisecond counts, make them once.
    val given = mapOf(input to model.createInputBuffer(input, signature))
    val asked = outputs.associateWith { model.createOutputBuffer(it, signature) }
    try {
      given.values.forEach(write)
      model.run(given, asked, signature)
      return asked.mapValues { it.value.readFloat() }
    } finally {
      // They are memory outside of the garbage collector's reach.
      (given.values + asked.values).forEach { it.close() }
    }
  }

  override fun close() {
    encoder.close()
    decoder.close()
  }
}
