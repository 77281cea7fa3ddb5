import Foundation
import OnnxRuntime
import Synchronization
import VideoPipeline

/// The models that go with a transformer: given by path, else found beside it. A VAE is loaded when it is first needed.
final class CompanionModels: Sendable {
  let model: String
  private let given: [Companion: String]
  private let threads: Int
  private let loaded = Mutex<[Companion: Session]>([:])

  init(beside model: String, given: [Companion: String], threads: Int) {
    self.model = model
    self.given = given
    self.threads = threads
  }

  func path(_ companion: Companion) -> String? { given[companion] ?? companion.found(beside: model) }

  /// Those that are there.
  var present: Set<Companion> { Set(Companion.allCases.filter { path($0) != nil }) }

  /// - Throws: `ToolError` 69 where there is none, and what loading one throws.
  func session(_ companion: Companion) throws -> Session {
    if let session = loaded.withLock({ $0[companion] }) { return session }
    let session = try PlainSession(path: check(companion), threads: threads).session
    loaded.withLock { $0[companion] = session }
    return session
  }

  /// - Throws: `ToolError` 69 where there is none.
  @discardableResult
  func check(_ companion: Companion) throws(ToolError) -> String {
    guard let path = path(companion) else {
      let names = companion.candidates(beside: model).map { URL(fileURLWithPath: $0).lastPathComponent }
      throw ToolError(
        "\(companion.purpose) is needed; give it with --\(companion.rawValue), or put it beside \(model) as "
          + "\(names.last ?? companion.rawValue)."
          + (companion == .vaeDecoder ? " With -o OUT.npz, run writes the latents instead." : ""), .unavailable)
    }
    return path
  }

  /// The model's latents of a clip.
  func encoded(_ video: Video, _ autoencoder: Autoencoder) throws -> [Float] {
    let session = try session(.vaeEncoder)
    let (input, output) = try Self.ports(session, .vaeEncoder)
    return try autoencoder.encoded(video, rank: input.dimensions.count, type: input.elementType ?? .float32) {
      try Self.run(session, input.name, $0, output)
    }
  }

  /// The video of a sample of latents.
  func decoded(_ latents: [Float], size: ClipSize, _ autoencoder: Autoencoder) throws -> Video {
    let session = try session(.vaeDecoder)
    let (input, output) = try Self.ports(session, .vaeDecoder)
    return try autoencoder.decoded(
      latents, size: size, rank: input.dimensions.count, type: input.elementType ?? .float32
    ) {
      try Self.run(session, input.name, $0, output)
    }
  }

  private static func ports(
    _ session: Session, _ companion: Companion
  ) throws(ToolError) -> (input: ValueInfo, output: String) {
    guard session.inputs.count == 1, let output = session.outputs.first?.name else {
      throw ToolError(
        "The \(companion.rawValue) has the inputs \(session.inputs.map(\.name).joined(separator: ", ")) where one was "
          + "due; export it as a model of one input.", .configuration)
    }
    return (session.inputs[0], output)
  }

  private static func run(
    _ session: Session, _ input: String, _ tensor: Tensor, _ output: String
  ) throws -> Tensor {
    guard let result = try session.run([input: tensor], outputs: [output])[output] else {
      throw SamplerError.outputMissing(output)
    }
    return result
  }
}

extension Companion {
  fileprivate var purpose: String {
    switch self {
    case .lowNoise: "The family's transformer for low noise"
    case .highNoise: "The family's transformer for high noise"
    case .vaeEncoder: "The VAE's encoder"
    case .vaeDecoder: "The VAE's decoder"
    }
  }
}
