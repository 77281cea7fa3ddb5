import Foundation

/// A model that goes with a transformer, as a file of its own.
public enum Companion: String, Sendable, CaseIterable {
  /// The other transformer of a family of two.
  case lowNoise = "low-noise"
  case highNoise = "high-noise"
  case vaeEncoder = "vae-encoder"
  case vaeDecoder = "vae-decoder"

  /// What the file beside a model is called: `X-low-noise.onnx` beside `X-high-noise.onnx` or `X.onnx`, or the plain name
  /// beside any; `.isa.onnx` beside `.isa.onnx` goes first. A transformer for high noise is looked for beside one for low
  /// noise alone, which its name tells.
  public func candidates(beside model: String) -> [String] {
    let file = URL(fileURLWithPath: model)
    let folder = file.deletingLastPathComponent()
    let name = file.lastPathComponent
    let ending = [".isa.onnx", ".onnx"].first { name.hasSuffix($0) } ?? ""
    var stem = String(name.dropLast(ending.count))
    let isLow = stem.hasSuffix("-low-noise") || Self.lowNoise.plainNames.contains(stem)
    if self == (isLow ? .lowNoise : .highNoise) { return [] }
    for part in ["-high-noise", "-low-noise"] where stem.hasSuffix(part) { stem = String(stem.dropLast(part.count)) }
    let names = ["\(stem)-\(rawValue)"] + plainNames
    return ([ending, ".onnx"].uniqued).flatMap { ending in
      names.map { folder.appendingPathComponent($0 + ending).path }
    }.filter { $0 != file.path }
  }

  /// The names that diffusers' folders and optimum's exports have.
  private var plainNames: [String] {
    switch self {
    case .lowNoise: ["low-noise", "transformer_2"]
    case .highNoise: ["high-noise", "transformer"]
    case .vaeEncoder: ["vae-encoder", "vae_encoder"]
    case .vaeDecoder: ["vae-decoder", "vae_decoder"]
    }
  }

  /// The first candidate that is there.
  public func found(beside model: String) -> String? {
    candidates(beside: model).first { FileManager.default.fileExists(atPath: $0) }
  }
}

extension [String] {
  fileprivate var uniqued: [String] { reduce(into: []) { if !$0.contains($1) { $0.append($1) } } }
}
