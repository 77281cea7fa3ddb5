import VideoPipeline

/// How much a job says on stderr.
public enum Verbosity: Comparable, Sendable {
  case quiet, normal, verbose
}

/// Where a model runs.
public enum Device: String, CaseIterable, Sendable {
  case cpu, cuda
}

/// Width × height in pixels, as `--size 192x128` gives it.
public struct FrameSize: Equatable, Sendable {
  public var width: Int
  public var height: Int

  public init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }

  public init?(_ text: String) {
    let parts = text.lowercased().split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let width = parts[0], let height = parts[1], (1...16384).contains(width),
      (1...16384).contains(height)
    else { return nil }
    self.init(width: width, height: height)
  }
}

/// A position of a patched model's dial.
public enum Quality: Equatable, Sendable {
  /// What calibration was asked for.
  case target
  /// Every block token by token.
  case exact
  /// The cheapest operating point that was measured to keep this many dB on the worst calibration case.
  case decibels(Double)

  public init?(_ text: String) {
    switch text {
    case "target": self = .target
    case "exact": self = .exact
    default:
      guard let x = Double(text), x.isFinite, x > 0 else { return nil }
      self = .decibels(x)
    }
  }
}

/// What `run`, `calibrate` and `compare` share; nil is the adapter's default.
public struct SamplingOptions: Sendable {
  /// Numbers or names.
  public var edits: [String]
  public var steps: Int?
  public var seed: UInt64?
  public var frames: Int?
  public var size: FrameSize?
  public var threads: Int?
  public var device: Device
  public var quality: Quality?
  public var adapter: String?
  /// Files of text embeddings, a case each, and the one for guidance's negative branch.
  public var texts: [String] = []
  public var negativeText: String?
  public var guidanceScale: Double?
  /// Models that go with the transformer, where they are not beside it.
  public var companions: [Companion: String] = [:]

  public init(
    edits: [String] = [], steps: Int? = nil, seed: UInt64? = nil, frames: Int? = nil, size: FrameSize? = nil,
    threads: Int? = nil, device: Device = .cpu, quality: Quality? = nil, adapter: String? = nil
  ) {
    self.edits = edits
    self.steps = steps
    self.seed = seed
    self.frames = frames
    self.size = size
    self.threads = threads
    self.device = device
    self.quality = quality
    self.adapter = adapter
  }
}
