// encoder.tflite and decoder.tflite on iOS, with LiteRT's Interpreter.
//
// In the Podfile:
//
//     use_frameworks!
//     pod 'TensorFlowLiteSwift', '~> 2.17'
//
// or the product TensorFlowLite of the Swift package github.com/google-ai-edge/LiteRT; and
// the two files in the application's bundle. An example is a flat array of its values, row
// by row with the channels last: pixel (y, x) of a grey image is value y * width + x. Images
// are in 0...1, so divide the levels of a bitmap by 255.

import Foundation
import TensorFlowLite

/// A VAE. Not for several threads at once; make it off the main thread.
final class KerasVae {
  // A runner keeps its interpreter alive.
  private let encodeRunner: SignatureRunner
  private let decodeRunner: SignatureRunner
  private let sampleRunner: SignatureRunner

  init(bundle: Bundle = .main) throws {
    let encoder = try KerasVae.interpreter("encoder", in: bundle)
    let decoder = try KerasVae.interpreter("decoder", in: bundle)
    encodeRunner = try encoder.signatureRunner(with: "encode")
    decodeRunner = try decoder.signatureRunner(with: "decode")
    sampleRunner = try decoder.signatureRunner(with: "sample")
  }

  /// The posterior of an example: `z_mean` and `z_log_var`, latent_dim values each.
  func encode(_ x: [Float]) throws -> (zMean: [Float], zLogVar: [Float]) {
    try encodeRunner.invoke(with: ["x": bytes(x)])
    return (
      floats(try encodeRunner.output(named: "z_mean")),
      floats(try encodeRunner.output(named: "z_log_var"))
    )
  }

  /// The example that a code of latent_dim values stands for.
  func decode(_ z: [Float]) throws -> [Float] {
    try decodeRunner.invoke(with: ["z": bytes(z)])
    return floats(try decodeRunner.output(named: "reconstruction"))
  }

  /// A new example. The same seed gives the same one here, on a server and in Python.
  func sample(seed: Int32, row: Int32) throws -> [Float] {
    try sampleRunner.invoke(with: ["seed": bytes([seed, row])])
    return floats(try sampleRunner.output(named: "reconstruction"))
  }

  private static func interpreter(_ name: String, in bundle: Bundle) throws -> Interpreter {
    guard let path = bundle.path(forResource: name, ofType: "tflite") else {
      throw CocoaError(.fileNoSuchFile)
    }
    var options = Interpreter.Options()
    options.threadCount = 1  // small models lose more by handing work over
    return try Interpreter(modelPath: path, options: options)
  }

  // An input holds one example. For several make room with
  // `resizeInput(named: "x", toShape: [rows, height, width, channels])` first.
  private func bytes<Value>(_ values: [Value]) -> Data {
    values.withUnsafeBufferPointer { Data(buffer: $0) }
  }

  private func floats(_ tensor: Tensor) -> [Float] {
    var values = [Float](repeating: 0, count: tensor.data.count / MemoryLayout<Float>.stride)
    _ = values.withUnsafeMutableBytes { tensor.data.copyBytes(to: $0) }
    return values
  }
}
